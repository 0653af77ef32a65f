"""A Linky meter that is not there: what it measures, what it says, and how the line spoils it."""

"""Pure: rows from ClickHouse to columns for plots, units for people."""

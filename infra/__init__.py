"""Settings, the command line, and the parts that run on one machine."""

"""The catalog: sensors, tokens and users, folded from the command log."""

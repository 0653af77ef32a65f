"""Messages about anomalies, out to people and their programs."""

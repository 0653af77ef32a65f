"""What is told of anomalies, to whom and when: pure, from anomalies in the log's order and the time."""

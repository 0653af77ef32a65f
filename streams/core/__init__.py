"""Pure functions on columns: no Kafka, no clock, no I/O."""

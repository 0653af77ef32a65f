"""The contract: events, topics, units and the bytes that carry them."""

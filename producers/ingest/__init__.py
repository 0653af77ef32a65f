"""Files of posts into the gateway: read, grouped into batches, sent, and reported line by line."""

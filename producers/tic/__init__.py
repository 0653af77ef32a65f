"""The Linky's TIC: bytes of the wire to frames. No file here knows a port, a clock or a network."""

"""The HTTP gateway for 3-phase sensors."""

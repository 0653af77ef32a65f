"""Simulated devices that behave as real firmware does."""

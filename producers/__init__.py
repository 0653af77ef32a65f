"""Edges where measurements enter: the gateway, the simulated fleet, the Linky reader."""

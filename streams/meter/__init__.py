"""The meter: what a project's energy use would have been, and what was saved. OpenDSM is known to `fit.py` alone."""

"""Loads OpenDSM without what it and its dependencies say to developers while they load."""

import logging
import warnings

with warnings.catch_warnings(action="ignore"):
    import opendsm
    from opendsm import eemeter
    from opendsm.common import metrics

# Its warnings print every instant they concern; what they say is in the results, as sentences.
logging.getLogger("eemeter").setLevel(logging.CRITICAL)

version: str = opendsm.__version__
"""Of OpenDSM."""

__all__ = ["eemeter", "metrics", "version"]

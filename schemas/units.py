"""Units of the log, and the exact fractions that make sums independent of order.

A second holds 18 to 22 samples, so its mean power is a fraction. Multiplying by the least common
multiple of 18..22 turns every such mean into an integer; sums of them are exact, whatever the order.
"""

import math

SAMPLES_MIN = 18
SAMPLES_MAX = 22

UNITS = math.lcm(*range(SAMPLES_MIN, SAMPLES_MAX + 1))
"""263340: one mW s (or percent, or mV) in the exact units of a per-second mean."""

MINUTE_S = 60
PROBES = 3

MW_PER_W = 1000
MV_PER_V = 1000
MWS_PER_KWH = 3_600_000_000

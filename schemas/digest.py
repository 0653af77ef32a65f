"""A 64-bit digest of packed samples: tells whether two copies of a probe-second hold the same values.

A weighted sum modulo 2^64 of the bytes, eight or four at a time (see kernels.figures). One changed word always shows;
where several cancel each other, the means, which are mixed in, would have to stay the same too. Its upper half alone is
a good digest of 32 bits. Digests travel in `power.late`: weights never change.
"""

import numpy as np
import numpy.typing as npt

UInt64s = npt.NDArray[np.uint64]


def _weights(count: int) -> UInt64s:
    """Odd 64-bit numbers without a pattern: splitmix64."""
    out, state, whole = [], 0, (1 << 64) - 1
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & whole
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & whole
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & whole
        out.append((z ^ (z >> 31)) | 1)
    return np.array(out, np.uint64)


_WEIGHTS = _weights(80)
OF_POWER, OF_PF, OF_VOLTAGE = _WEIGHTS[:24], _WEIGHTS[24:40], _WEIGHTS[40:64]
"""Of each word of packed samples."""

OF_POWER_MEAN, OF_VOLTAGE_MEAN = _WEIGHTS[64], _WEIGHTS[65]
OF_COUNT, LAST = _WEIGHTS[66], _WEIGHTS[67]

"""A 64-bit digest of packed samples: tells whether two copies of a probe-second hold the same values.

A weighted sum modulo 2^64 of the bytes, eight or four at a time, so that a whole batch costs one product of a matrix
and a vector per quantity. One changed word always shows; where several cancel each other, the means, which are mixed
in, would have to stay the same too. Digests travel in `power.late`: weights never change.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.columns import Int64s

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
_OF_WORDS = {"power": _WEIGHTS[:24], "pf": _WEIGHTS[24:40], "voltage": _WEIGHTS[40:64]}
_OF_MEAN = {"power": _WEIGHTS[64], "voltage": _WEIGHTS[65]}
_OF_COUNT, _LAST = _WEIGHTS[66], _WEIGHTS[67]
_HALF = np.uint64(32)


def weighed(values: npt.NDArray[Any], quantity: str) -> UInt64s:
    """The weighted sum of each row's words.

    Args:
        values: shape (m, n) of 32-bit or 8-bit integers, contiguous.
        quantity: power, pf or voltage: each has weights of its own.

    Returns:
        shape (m,).
    """
    m, width = len(values), values.shape[1] * values.itemsize
    raw = values.view(np.uint8).reshape(m, width)
    if width % 4:
        whole = np.zeros((m, width + -width % 4), np.uint8)
        whole[:, :width] = raw
        raw, width = whole, whole.shape[1]
    words = raw.view("<u8" if values.itemsize == 4 and width % 8 == 0 else "<u4")
    out: UInt64s = words @ _OF_WORDS[quantity][: words.shape[1]]
    return out


def digest(sums: list[UInt64s], power_mean: Int64s, voltage_mean: Int64s, samples: Int64s, voltages: Int64s) -> Int64s:
    """One number for the samples of each probe-second; every shape is (m,).

    Args:
        sums: from `weighed`, of power, power factor and voltage.
        power_mean, voltage_mean: exact, in 1/UNITS.
        samples, voltages: how many there are.

    Returns:
        the digest; its upper half alone is a good one of 32 bits.
    """
    power, pf, voltage = sums
    out = (samples | (voltages << 8)).view(np.uint64) * _OF_COUNT
    out += power_mean.view(np.uint64) * _OF_MEAN["power"]
    out += voltage_mean.view(np.uint64) * _OF_MEAN["voltage"]
    out += power
    out += pf
    out += voltage
    out ^= out >> _HALF
    out *= _LAST
    found: Int64s = out.view(np.int64)
    return found

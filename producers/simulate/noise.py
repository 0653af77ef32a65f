"""Randomness as a function: the same (seed, place, time) always gives the same number.

Only + - * / and shifts are used on the way to a sample, so the result is the same bits on every machine and
for every batch size; `sin` and `exp` are not promised that.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mixed(state: Hashes, part: Int64s | int) -> Hashes:
    """Fold one more integer into a hash (splitmix64's step); shapes broadcast."""
    x: Hashes = state + (np.atleast_1d(np.asarray(part, np.int64)).view(np.uint64) + np.uint64(1)) * _GOLDEN
    x ^= x >> np.uint64(30)
    x *= _FIRST
    x ^= x >> np.uint64(27)
    x *= _SECOND
    x ^= x >> np.uint64(31)
    return x


def hashed(seed: int, *parts: Int64s | int) -> Hashes:
    """Hash a seed and any number of integers or integer arrays; shapes broadcast, at least one dimension."""
    state = np.full(1, seed % 2**64, np.uint64)
    for part in parts:
        state = mixed(state, part)
    return state


def uniform(state: Hashes) -> Floats:
    """Numbers in [0, 1) out of hashes."""
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def chance(seed: int, *parts: int) -> float:
    """The same number as `uniform(hashed(seed, *parts))`, for one place: much faster than an array of one."""
    state = seed % 2**64
    for part in parts:
        state = (state + (part + 1) * int(_GOLDEN)) % 2**64
        state = (state ^ (state >> 30)) * int(_FIRST) % 2**64
        state = (state ^ (state >> 27)) * int(_SECOND) % 2**64
        state ^= state >> 31
    return (state >> 11) * 2.0**-53


def between(state: Hashes, low: float, high: float) -> Floats:
    """Numbers in [low, high) out of hashes."""
    return low + (high - low) * uniform(state)


def drift(state: Hashes, at_s: Int64s, period_s: Int64s | int) -> Floats:
    """A smooth wander in [-1, 1): a new random height every period, eased in between.

    Args:
        state: who wanders.
        at_s: when.
        period_s: seconds between two heights.
    """
    step = at_s // period_s
    part = (at_s - step * period_s) / np.asarray(period_s, np.float64)
    here, there = uniform(mixed(state, step)), uniform(mixed(state, step + 1))
    return 2.0 * (here + (there - here) * (part * part * (3.0 - 2.0 * part))) - 1.0

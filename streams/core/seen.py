"""Which seconds of a minute have been counted: one 60-bit mask per sensor-minute and probe."""

import numpy as np

from schemas.columns import Bools, Int64s
from schemas.units import MINUTE_S


def first_copies(masks: Int64s, group: Int64s, second: Int64s, present: Bools) -> Bools:
    """Tell which probe-seconds are new.

    Args:
        masks: shape (3, g), the seconds already counted of each of g sensor-minutes; bit k = second k.
        group: shape (n,), 0..g-1 for each reading, in log order within a group; the first copy wins.
        second: shape (n,), 0..59.
        present: shape (3, n), whether the reading holds the probe.

    Returns:
        shape (3, n), True where this reading is the first to bring this probe's second.
    """
    n = len(group)
    place = group * MINUTE_S + second
    order = np.arange(n)
    new: Bools = present & ((masks[:, group] >> second) & 1 == 0)
    if present.all():
        new &= _first_of(place, order)
        return new
    for probe in range(len(present)):
        rows = np.flatnonzero(present[probe])
        new[probe, rows] &= _first_of(place[rows], order[: len(rows)])
    return new


def _first_of(place: Int64s, order: Int64s) -> Bools:
    """Shape (n,): whether no earlier element stands at the same place."""
    if not len(place):
        return np.zeros(0, np.bool_)
    earliest = np.empty(int(place.max()) + 1, np.int64)
    # Of repeated indices the last assignment stays, so assigning backwards leaves the earliest.
    earliest[place[::-1]] = order[::-1]
    found: Bools = earliest[place] == order
    return found

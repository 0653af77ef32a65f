"""Hours of our own sensors and meters as records of a trace. Pure.

An hour is a record of what was measured in it, never stretched over what was not. Between its first hour and the one
after its last a source alone says what holds: there is no record's time that runs over a gap.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.columns import Bools, Int64s
from schemas.record_part import ESTIMATED, RECORD, REMOVED, Records

HOUR_S = 3600
HOUR_US = HOUR_S * 1_000_000

WHOLE = 0.99
"""An hour covered by less is estimated: what is missing is missing in its value."""

ENOUGH = 0.95
"""An hour covered by less is null."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hours:
    """n hours of a source in which anything was measured, rising: shape (n,) each.

    Attributes:
        start_s: UTC seconds, whole hours.
        energy_kwh: measured in it.
        coverage: 0 to 1, of its seconds.
    """

    start_s: Int64s
    energy_kwh: Floats
    coverage: Floats


@dataclass(frozen=True, slots=True)
class Stored:
    """m records of the trace, rising: shape (m,) each; value NaN: null."""

    start_us: Int64s
    value: Floats
    estimated: Bools


def over(hours: Hours, now_s: float, settle_s: float) -> Hours:
    """The hours that are over: those whose every second was measured, or whose minutes are not waited for any more."""
    end_s = hours.start_s + HOUR_S
    kept = (end_s <= now_s) & ((hours.coverage >= 1.0) | (end_s + settle_s <= now_s))
    return Hours(hours.start_s[kept], hours.energy_kwh[kept], hours.coverage[kept])


def changes(trace: int, hours: Hours, stored: Stored) -> Records:
    """What must be written so that a trace holds its source's hours; nothing when it does.

    Args:
        trace: its primary key.
        hours: those that are over.
        stored: all of the trace's records from the first hour to the one after the last.
    """
    if not len(hours.start_s):
        return np.zeros(0, RECORD)
    last_us = (int(hours.start_s[-1]) + HOUR_S) * 1_000_000
    inside = (stored.start_us > hours.start_s[0] * 1_000_000) & (stored.start_us <= last_us)
    on_the_hour = stored.start_us % HOUR_US == 0
    between = stored.start_us[inside & ~on_the_hour]  # they would cut hours short
    # Null: the hour behind each that is measured, and whatever else stands where nothing was measured.
    there = stored.start_us[inside & on_the_hour & ~np.isnan(stored.value)]
    start_us = np.union1d(np.concatenate([hours.start_s, hours.start_s + HOUR_S]) * 1_000_000, there)
    value, estimated = np.full(len(start_us), np.nan), np.zeros(len(start_us), np.bool_)
    at = np.searchsorted(start_us, hours.start_s * 1_000_000)
    enough = hours.coverage >= ENOUGH
    value[at] = np.where(enough, hours.energy_kwh, np.nan)
    estimated[at] = enough & (hours.coverage < WHOLE)
    different = ~_holds(stored, start_us, value, estimated)
    n = int(different.sum())
    found = np.zeros(n + len(between), RECORD)
    found["series"] = trace
    found["start_us"] = np.concatenate([start_us[different], between])
    found["value"][:n] = value[different]
    found["flags"][:n] = np.where(estimated[different], ESTIMATED, 0)
    found["value"][n:], found["flags"][n:] = np.nan, REMOVED
    return found


def _holds(stored: Stored, start_us: Int64s, value: Floats, estimated: Bools) -> Bools:
    """Which of these records stand there already."""
    same = np.zeros(len(start_us), np.bool_)
    _, mine, theirs = np.intersect1d(start_us, stored.start_us, assume_unique=True, return_indices=True)
    alike = (value[mine] == stored.value[theirs]) | (np.isnan(value[mine]) & np.isnan(stored.value[theirs]))
    same[mine] = alike & (estimated[mine] == stored.estimated[theirs])
    return same

"""The habit of a sensor: what its power usually is at this hour of the week, learned from the weeks before.

The quarter-hour means of the last eight weeks stand in a table, four to an hour. A minute is far from the habit where it is
far from the median of those of its hour of the week, and of the hours before and after it: people come earlier or later.
All of it is a function of the closed minutes with enough of their seconds; others say nothing.
"""

import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from schemas.columns import Int64s
from schemas.units import MINUTE_S, PROBES
from streams.core.anomaly.habit_limits import HabitLimits
from streams.core.anomaly.seconds import POWER
from streams.core.minute import SecondsOf

WEEK_H = 168
WEEKS = 8
RING_H = WEEK_H * (WEEKS + 1)
"""A week more than is looked at: what a crash wrote already of the running hour takes the place of nothing that is needed."""
QUARTERS = 4
_QUARTER_S, _HOUR_S = 900, 3600
_FULL_MINUTES = 12
"""Of a quarter-hour, for its mean to be known."""
_FULL_SECONDS = 45
"""Of a minute, from each probe that the sensor has."""
_VALUES_A_WEEK = 3
JOIN_MIN = 5
_SHARE_PCT = 90
_MAD_TO_SIGMA = 1.4826
_EASIER = 0.8
"""Once it counts it goes on down to this part of the limit."""
_UNIT_MW = 8000
"""Half-precision numbers of eight watts: up to 500 kW, to a thousandth."""
_MOST = 65_000.0

Table = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Unlike:
    """An interval in which the power is unlike the habit; minutes by number since 1970.

    Attributes:
        worst_mw: the mean of the minute farthest away; limit_mw: the edge of what was usual then, usual_mw: its middle.
        away: how far that was, in parts of the limit.
        count: minutes in it. counts: whether it is long enough.
    """

    start: int
    last: int
    worst_mw: int
    limit_mw: int
    usual_mw: int
    away: float
    count: int
    counts: bool


@dataclass(frozen=True, slots=True)
class Habit:
    """What is remembered beside the table.

    Attributes:
        minute: the newest one taken in.
        probes: those ever seen, as bits.
        hour: the local hour in hand; sums_mw, minutes: of its quarters.
        unlike: the interval that goes on.
    """

    minute: int = -1
    probes: int = 0
    hour: int = -1
    sums_mw: tuple[int, ...] = (0,) * QUARTERS
    minutes: tuple[int, ...] = (0,) * QUARTERS
    unlike: Unlike | None = None


@dataclass(slots=True)
class Learned:
    """The table of one sensor.

    Attributes:
        newest: the newest local hour in it.
        means: shape (RING_H, QUARTERS), in _UNIT_MW; NaN: not known.
    """

    newest: int = -1
    means: Table = field(default_factory=lambda: np.full((RING_H, QUARTERS), np.nan, np.float16))
    _usual: dict[int, tuple[float, float, int] | None] = field(default_factory=dict)

    def write(self, hour: int, means_mw: list[float]) -> None:
        """Note the quarters of an hour that is over."""
        for gone in range(max(self.newest + 1, hour - RING_H), hour):
            self.means[gone % RING_H] = np.nan
        self.newest = max(self.newest, hour)
        self.means[hour % RING_H] = np.clip(np.array(means_mw) / _UNIT_MW, -_MOST, _MOST)
        self._usual.clear()

    def usual(self, hour: int) -> tuple[float, float, int] | None:
        """Median and scaled median absolute deviation in mW, and how many weeks of this hour are known; None: none."""
        if hour not in self._usual:
            before = [hour - WEEK_H * k for k in range(1, WEEKS + 1)]
            known = [h for h in before if self.newest - RING_H < h <= self.newest]
            rows = self.means[[h % RING_H for h in known]].astype(np.float64)
            rows = rows[np.isfinite(rows).sum(axis=1) >= _VALUES_A_WEEK]
            values = rows[np.isfinite(rows)]
            found = None
            if len(values):
                median = float(np.median(values))
                spread = float(np.median(np.abs(values - median))) * _MAD_TO_SIGMA
                found = median * _UNIT_MW, spread * _UNIT_MW, len(rows)
            self._usual[hour] = found
        return self._usual[hour]

    def packed(self) -> bytes:
        """As bytes; mostly of what is not known in the first weeks."""
        return zlib.compress(self.newest.to_bytes(8, "little", signed=True) + self.means.astype("<f2").tobytes(), 1)

    @classmethod
    def unpacked(cls, data: bytes) -> "Learned":
        """The other way round."""
        raw = zlib.decompress(data)
        means = np.frombuffer(raw[8:], "<f2").reshape(RING_H, QUARTERS).astype(np.float16)
        return cls(int.from_bytes(raw[:8], "little", signed=True), means)


def step(habit: Habit, learned: Learned, minute: int, mean_mw: int, limits: HabitLimits) -> tuple[Habit, Unlike | None, bool]:
    """Take a closed minute in; the table is changed.

    Args:
        minute: its number; those that were taken in before are passed over.
        mean_mw: of all probes together.

    Returns:
        what is remembered, an interval that is over, and whether the table was written.
    """
    if minute <= habit.minute:
        return habit, None, False
    habit, ended = pass_time(habit, minute)
    local_s = minute * MINUTE_S + _offset_s(limits.zone, minute * MINUTE_S // _QUARTER_S)
    hour, quarter = local_s // _HOUR_S, local_s % _HOUR_S // _QUARTER_S
    wrote = False
    if hour != habit.hour:
        wrote = _learn(habit, learned)
        habit = replace(habit, hour=hour, sums_mw=(0,) * QUARTERS, minutes=(0,) * QUARTERS)
    sums, minutes = list(habit.sums_mw), list(habit.minutes)
    sums[quarter] += mean_mw
    minutes[quarter] += 1
    unlike = _unlike(habit.unlike, learned, hour, minute, mean_mw, limits)
    return replace(habit, minute=minute, sums_mw=tuple(sums), minutes=tuple(minutes), unlike=unlike), ended, wrote


def pass_time(habit: Habit, before: int) -> tuple[Habit, Unlike | None]:
    """Let time pass up to a minute: an interval is over when too little of it went on."""
    unlike = habit.unlike
    if unlike is None or before - 1 - unlike.last <= JOIN_MIN:
        return habit, None
    return replace(habit, unlike=None), unlike if unlike.counts else None


def _learn(habit: Habit, learned: Learned) -> bool:
    if habit.hour < 0 or max(habit.minutes) < _FULL_MINUTES:
        return False
    means = zip(habit.sums_mw, habit.minutes, strict=True)
    learned.write(habit.hour, [total / n if n >= _FULL_MINUTES else float("nan") for total, n in means])
    return True


def _unlike(unlike: Unlike | None, learned: Learned, hour: int, minute: int, mean_mw: int, limits: HabitLimits) -> Unlike | None:
    own = learned.usual(hour)
    if own is None or own[2] < limits.weeks:
        return unlike
    nearest = None
    for of in (hour, hour - 1, hour + 1):
        usual = learned.usual(of)
        if usual is not None and usual[2] >= limits.weeks:
            median, spread, _ = usual
            limit = max(limits.mads * spread, limits.share * abs(median), limits.floor_mw)
            away = abs(mean_mw - median) / limit
            if nearest is None or away < nearest[0]:
                nearest = away, round(median + limit if mean_mw > median else median - limit), round(median)
    assert nearest is not None
    away, edge, median_mw = nearest
    if away <= (_EASIER if unlike is not None and unlike.counts else 1.0):
        return unlike
    if unlike is None:
        return Unlike(minute, minute, mean_mw, edge, median_mw, away, 1, limits.least_min <= 1)
    if away > unlike.away:
        unlike = replace(unlike, worst_mw=mean_mw, limit_mw=edge, usual_mw=median_mw, away=away)
    length, count = minute + 1 - unlike.start, unlike.count + 1
    counts = unlike.counts or (length >= limits.least_min and 100 * count >= _SHARE_PCT * length)
    return replace(unlike, last=minute, count=count, counts=counts)


@lru_cache(maxsize=4096)
def _offset_s(zone: str, quarter: int) -> int:
    """Local time minus UTC at the beginning of a quarter-hour; no zone changes within one."""
    offset = datetime.fromtimestamp(quarter * _QUARTER_S, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def minute_means(of: SecondsOf, slots: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Of minutes at these places: mean power in mW, and the probes that came at all, and those with enough seconds, as bits.

    Args:
        slots: shape (n,); so are the results.
    """
    bits = (of.masks[slots][:, :, None] >> np.arange(MINUTE_S)) & 1
    count = bits.sum(axis=2)
    total = (of.seconds[slots, :, :, POWER].transpose(0, 2, 1).astype(np.int64) * bits).sum(axis=2)
    mean: Int64s = (total // np.maximum(count, 1)).sum(axis=1)
    weight = 1 << np.arange(PROBES)
    came: Int64s = ((count > 0) * weight).sum(axis=1)
    enough: Int64s = ((count >= _FULL_SECONDS) * weight).sum(axis=1)
    return mean, came, enough

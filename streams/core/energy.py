"""Quarter-hours into hours, days, months and years of a time zone: exact sums, coverage, peaks, and where a quarter is going.

Every zone in use is a whole number of quarter-hours from UTC, so UTC quarters are quarters of every local clock.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from schemas.columns import Int64s
from schemas.units import MWS_PER_KWH, UNITS

QUARTER_S, HOUR_S, DAY_S = 900, 3600, 86_400
RESOLUTIONS = ("quarter", "hour", "day", "month", "year")
FORECAST_S = 300
"""How far back the power is looked at that a forecast goes on with."""

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Quarters:
    """n quarter-hours of one sensor, by time.

    Attributes:
        at_s: shape (n,), UTC seconds at which each begins.
        figures: shape (n,) each, by name of the column; energies in mW s / UNITS.
    """

    at_s: Int64s
    figures: dict[str, Int64s]

    def __len__(self) -> int:
        return len(self.at_s)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where the running quarter-hour is going.

    Attributes:
        so_far_mws: energy measured in it.
        power_mw: mean of what was measured in the last FORECAST_S.
        demand_mw: mean of the quarter if the power stays at that; what was not measured counts nothing.
    """

    quarter_s: int
    so_far_mws: int
    power_mw: int
    demand_mw: int


def midnight(zone: str, day: date) -> int:
    """The UTC second at which a local day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp())


def local_day(zone: str, at_s: float) -> date:
    """The local day of a moment."""
    return datetime.fromtimestamp(at_s, ZoneInfo(zone)).date()


def next_month(month: date) -> date:
    """The first day of the month after a day's."""
    return (month.replace(day=28) + timedelta(4)).replace(day=1)


def offsets(zone: str, at_s: Int64s) -> Int64s:
    """Local time minus UTC in seconds at quarter-hours, shape (n,), ascending."""
    info = ZoneInfo(zone)

    def offset(moment_s: int) -> int:
        found = datetime.fromtimestamp(moment_s, UTC).astimezone(info).utcoffset()
        return int(found.total_seconds()) if found is not None else 0

    days = at_s // DAY_S
    first, last = (int(days[0]), int(days[-1])) if len(days) else (0, -1)
    bounds = [offset(day * DAY_S) for day in range(first, last + 2)]
    out = np.array(bounds[:-1] or [0], np.int64)[days - first]
    for at in range(first, last + 1):
        if bounds[at - first] != bounds[at - first + 1]:  # it changes within this UTC day
            where = np.flatnonzero(days == at)
            out[where] = [offset(moment) for moment in at_s[where].tolist()]
    return out


def grid(since_s: int, until_s: int) -> Int64s:
    """Every quarter-hour that begins from since_s up to until_s."""
    return np.arange(since_s, until_s, QUARTER_S, dtype=np.int64)


def edges(zone: str, since_s: int, until_s: int, resolution: str) -> Int64s:
    """Where periods begin, and the end: shape (periods + 1,).

    A day of 23 or 25 hours has as many; an hour that the clock goes through twice is two.
    """
    at = grid(since_s, until_s)
    offset = offsets(zone, at)
    local = at + offset
    if resolution == "quarter":
        return np.append(at, until_s)
    if resolution == "hour":
        key = (local // HOUR_S) * DAY_S + offset
    else:
        key = local // DAY_S
        if resolution != "day":
            unit = key.astype("datetime64[D]").astype(f"datetime64[{resolution[0].upper()}]")
            key = unit.astype(np.int64)
    starts = at[np.flatnonzero(np.diff(key, prepend=key[:1] - 1))]
    return np.append(starts, until_s)


def periods_of(at_s: Int64s, edge_s: Int64s) -> Int64s:
    """Which period each quarter belongs to, shape (n,)."""
    return np.searchsorted(edge_s, at_s, side="right").astype(np.int64) - 1


def hours(zone: str, at_s: Int64s) -> tuple[list[date], Int64s, Int64s]:
    """The local day and hour of each quarter: the distinct days, which of them each has, and the hour, shape (n,) each."""
    local = at_s + offsets(zone, at_s)
    days, which = np.unique(local // DAY_S, return_inverse=True)
    return [EPOCH + timedelta(int(day)) for day in days], which.astype(np.int64), local % DAY_S // HOUR_S


def by_hour(zone: str, quarters: Quarters, name: str) -> dict[tuple[date, int], int]:
    """Exact sums of a figure by local day and hour."""
    days, which, hour = hours(zone, quarters.at_s)
    sums = exact(quarters.figures[name], which * 24 + hour, len(days) * 24)
    return {(day, h): sums[d * 24 + h] for d, day in enumerate(days) for h in range(24) if sums[d * 24 + h]}


def bands(zone: str, at_s: Int64s, bands_on: Callable[[date], tuple[str, ...]]) -> tuple[list[str], Int64s]:
    """The tariff's band of each quarter: the distinct names, and which of them each has, shape (n,)."""
    days, which, hour = hours(zone, at_s)
    names = sorted({band for day in days for band in bands_on(day)})
    table = np.array([[names.index(band) for band in bands_on(day)] for day in days], np.int64).reshape(-1, 24)
    return names, table[which, hour]


def exact(values: Int64s, group: Int64s, groups: int) -> list[int]:
    """Sums by group that no 64 bits need hold."""
    high, low = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    np.add.at(high, group, values >> 32)
    np.add.at(low, group, values & 0xFFFFFFFF)
    return [(int(h) << 32) + int(at) for h, at in zip(high, low, strict=True)]


def sums(values: Int64s, group: Int64s, groups: int) -> list[int]:
    """Sums by group of small figures, as seconds."""
    found: list[int] = np.bincount(group, weights=values.astype(np.float64), minlength=groups).astype(np.int64).tolist()
    return found


def mws(units: int) -> int:
    """mW s / UNITS in mW s: the nearest integer, halves to even."""
    floor, rest = divmod(units, UNITS)
    return floor + (2 * rest > UNITS or (2 * rest == UNITS and floor % 2 == 1))


def kwh(units: int) -> float:
    """mW s / UNITS in kWh, as people read it."""
    return round(units / (UNITS * MWS_PER_KWH), 9)


def kw(units: int) -> float:
    """Energy of a quarter-hour in mW s / UNITS as its mean power in kW."""
    return round(units / (UNITS * QUARTER_S * 1_000_000), 6)


def peak(quarters: Quarters, name: str, which: Int64s | None = None) -> int | None:
    """The row with the greatest figure, the first of equals; None when there is none.

    Args:
        which: rows that count; None: all.
    """
    rows = np.arange(len(quarters)) if which is None else which
    return int(rows[np.argmax(quarters.figures[name][rows])]) if len(rows) else None


def forecast(now_s: float, minutes: Iterable[tuple[int, int, int]]) -> Forecast | None:
    """The running quarter-hour if the power stays as it was over the last minutes.

    Args:
        minutes: (UTC second of the start, energy drawn in mW s, seconds measured) of the last half hour.

    Returns:
        None when nothing was measured of late.
    """
    known = list(minutes)
    quarter = int(now_s) // QUARTER_S * QUARTER_S
    late = [(energy, seconds) for at, energy, seconds in known if at > now_s - FORECAST_S - 60 and seconds]
    if not late:
        return None
    power = sum(energy for energy, _ in late) // sum(seconds for _, seconds in late)
    so_far = sum(energy for at, energy, _ in known if at >= quarter)
    left_s = quarter + QUARTER_S - now_s
    return Forecast(quarter, so_far, power, round((so_far + power * left_s) / QUARTER_S))

"""The last hours by minute: mean, min–max band, and how much of each minute was measured."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.units import MINUTE_S, MW_PER_W
from web.view.clock import Zone
from web.view.scale import Range, calm
from web.view.seconds import PHASES

HOURS = (1, 6, 24)
COLUMNS = ("t", *(f"{kind}_{phase}" for kind in ("mean", "min", "max") for phase in PHASES), "coverage", "dot")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MinuteRows:
    """Rows of the table `minutes` of one sensor, any order; shape (n,) each."""

    minute_s: Ints
    probe: Ints
    seconds: Ints
    power_mean_mw: Floats
    power_min_mw: Floats
    power_max_mw: Floats


@dataclass(frozen=True, slots=True)
class Minutes:
    """Every minute of a window on one grid, measured or not.

    Attributes:
        start_s: the first minute.
        columns: shape (n,) by name in COLUMNS: local milliseconds of the minute's middle, kW, percent, dot size.
        measured_pct: seconds measured of the seconds possible, over the window up to now.
    """

    start_s: int
    columns: dict[str, Floats]
    measured_pct: float

    @property
    def end_s(self) -> int:
        return self.start_s + MINUTE_S * len(self.columns["t"])


def grid(rows: MinuteRows, start_s: int, end_s: int, now_s: float, zone: Zone) -> Minutes:
    """Lay rows on the grid of minutes from start_s up to end_s (both whole minutes).

    A minute without a row has no values, so lines and bands break there; a minute alone between two such
    gets a dot, since a line of one point is not to be seen. Coverage counts the phases that the sensor has
    shown in this window; the running minute is judged by its part that has passed.
    """
    n = (end_s - start_s) // MINUTE_S
    minutes = start_s + MINUTE_S * np.arange(n)
    out = {name: np.full(n, np.nan) for name in COLUMNS}
    out["t"] = (minutes + MINUTE_S / 2 + zone.offset_s) * 1000.0
    inside = (rows.minute_s >= start_s) & (rows.minute_s < end_s)
    at = (rows.minute_s[inside] - start_s) // MINUTE_S
    probe = rows.probe[inside]
    measured = np.zeros(n)
    np.add.at(measured, at, rows.seconds[inside].astype(np.float64))
    for k, phase in enumerate(PHASES, start=1):
        mine = probe == k
        for kind, values in (("mean", rows.power_mean_mw), ("min", rows.power_min_mw), ("max", rows.power_max_mw)):
            out[f"{kind}_{phase}"][at[mine]] = values[inside][mine] / (MW_PER_W * 1000)
    phases = max(1, len(np.unique(probe)))
    possible = np.clip(now_s - minutes, 1, MINUTE_S)
    out["coverage"] = np.minimum(100.0, measured / phases / possible * 100)
    out["dot"] = _lonely(measured > 0)
    return Minutes(start_s, out, float(min(100.0, measured.sum() / phases / possible.sum() * 100)) if n else 0.0)


def _lonely(present: npt.NDArray[np.bool_]) -> Floats:
    before = np.concatenate([[False], present[:-1]])
    after = np.concatenate([present[1:], [False]])
    return np.where(present & ~before & ~after, 5.0, 0.0)


def gaps(minutes: Minutes) -> list[tuple[int, int]]:
    """Spans [from, to) in UTC seconds of minutes in which nothing was measured."""
    missing = np.concatenate([[False], minutes.columns["coverage"] == 0, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(missing)).reshape(-1, 2) * MINUTE_S + minutes.start_s
    return [(int(a), int(b)) for a, b in edges]


def window(newest_s: int | None, now_s: float, hours: int) -> tuple[int, int]:
    """Which minutes to show: up to now, or, when all of them would be empty, up to the newest data."""
    end = (int(now_s) // MINUTE_S + 1) * MINUTE_S
    if newest_s is not None and newest_s < end - hours * 3600:
        end = (newest_s // MINUTE_S + 1) * MINUTE_S
    return end - hours * 3600, end


def power_range(minutes: Minutes, current: Range | None) -> Range:
    """The y axis for what is shown."""
    values = np.array([minutes.columns[f"{kind}_{phase}"] for kind in ("min", "max") for phase in PHASES])
    seen = values[~np.isnan(values)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (float("nan"), float("nan"))
    return calm(low, high, current, least=0.1, floor=0.0)


@dataclass(frozen=True, slots=True)
class Change:
    """What turns the old columns into the new ones.

    Attributes:
        patches: per column, (index, value) among the points that stay, counted before the shift.
        added: points at the end, as many as leave at the start.
        whole: everything, when that is cheaper; then the others are empty.
    """

    patches: dict[str, list[tuple[int, float]]]
    added: dict[str, list[float]]
    whole: dict[str, Floats] | None = None

    def __bool__(self) -> bool:
        return bool(self.patches or self.added or self.whole)


def change(old: Minutes, new: Minutes, most: int = 30) -> Change:
    """Tell what to send to a page that shows `old`."""
    n = len(new.columns["t"])
    shift = (new.start_s - old.start_s) // MINUTE_S
    moved_zone = shift < n and shift >= 0 and n and old.columns["t"][-1] != new.columns["t"][n - 1 - shift]
    if len(old.columns["t"]) != n or not 0 <= shift <= most or moved_zone:
        return Change({}, {}, new.columns)
    patches: dict[str, list[tuple[int, float]]] = {}
    for name in COLUMNS:
        before, after = old.columns[name][shift:], new.columns[name][: n - shift]
        different = np.flatnonzero((before != after) & ~(np.isnan(before) & np.isnan(after)))
        if len(different) > most:
            return Change({}, {}, new.columns)
        if len(different):
            patches[name] = [(int(i) + shift, float(after[i])) for i in different]
    added = {name: new.columns[name][n - shift :].tolist() for name in COLUMNS} if shift else {}
    return Change(patches, added)


def merge(old: MinuteRows, new: MinuteRows, start_s: int, since_s: int) -> MinuteRows:
    """Rows from start_s on, those from since_s on replaced by the new ones."""
    keep = (old.minute_s >= start_s) & (old.minute_s < since_s)
    pairs = [(getattr(old, name)[keep], getattr(new, name)) for name in MinuteRows.__slots__]
    return MinuteRows(*(np.concatenate(pair) for pair in pairs))


_NO_INTS, _NO_FLOATS = np.zeros(0, np.int64), np.zeros(0)
NO_ROWS = MinuteRows(_NO_INTS, _NO_INTS, _NO_INTS, _NO_FLOATS, _NO_FLOATS, _NO_FLOATS)

"""One local day of a meter: load curve on a grid of minutes, energy by index, how good the line was."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from schemas.units import MINUTE_S
from web.view.meter import HISTORIC, PHASES, Minute, tariff_index, tariff_of
from web.view.minutes import Change
from web.view.scale import Range, calm

Floats = npt.NDArray[np.float64]
VALUES = ("mean", "min", "max", "injected", *(f"volt_{phase}" for phase in PHASES), "coverage", "dot")
COLUMNS = ("t", *VALUES)
HISTORIC_NAMES = {label: name for label, (_, name) in HISTORIC.items()}
EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Day:
    """A day in a zone; 23 or 25 hours long when the clocks change.

    Attributes:
        start_s, end_s: UTC seconds of its midnights.
    """

    date: date
    zone: str
    start_s: int
    end_s: int

    @property
    def number(self) -> int:
        """Days since 1970."""
        return self.date.toordinal() - EPOCH_DAY

    @property
    def minutes(self) -> int:
        return (self.end_s - self.start_s) // MINUTE_S

    def clock(self, at_s: float) -> str:
        """Local time as 14:05."""
        return f"{datetime.fromtimestamp(at_s, ZoneInfo(self.zone)):%H:%M}"

    def ms(self, at_s: float) -> float:
        """Where a moment stands on the day's axis, which runs through: no hour twice, none left out."""
        return (at_s - self.start_s) * 1000


def day_of(number: int, zone: str) -> Day:
    """A day by its number since 1970."""
    local = date.fromordinal(number + EPOCH_DAY)
    midnights = [datetime.combine(one, time(), ZoneInfo(zone)) for one in (local, local + timedelta(days=1))]
    start, end = (int(midnight.timestamp()) for midnight in midnights)
    return Day(local, zone, start, end)


def today(now_s: float, zone: str) -> Day:
    """The day it is there."""
    return day_of(datetime.fromtimestamp(now_s, ZoneInfo(zone)).date().toordinal() - EPOCH_DAY, zone)


def ticks(day: Day) -> list[tuple[float, str]]:
    """Every local full hour of the day with its name, the last midnight too."""
    hours = [(day.ms(at_s), day.clock(at_s)) for at_s in range(day.start_s, day.end_s, 3600)]
    return [*hours, (day.ms(day.end_s), "24:00")]


def columns(minutes: Mapping[int, Minute], day: Day, now_s: float) -> dict[str, Floats]:
    """Every minute of the day, measured or not: kVA, V, percent; without a value where there is none."""
    n = day.minutes
    starts = day.start_s + MINUTE_S * np.arange(n)
    out = {name: np.full(n, np.nan) for name in COLUMNS}
    out["t"] = (starts - day.start_s + MINUTE_S / 2) * 1000.0
    seconds = np.zeros(n)
    for at, start_s in enumerate(starts.tolist()):
        one = minutes.get(start_s)
        if one is None:
            continue
        seconds[at] = one.seconds
        for name, value in (("mean", one.apparent_mean_va), ("min", one.apparent_min_va), ("max", one.apparent_max_va)):
            if value is not None:
                out[name][at] = value / 1000
        if one.injected_max_va is not None:
            out["injected"][at] = -one.injected_max_va / 1000
        for phase, voltage in zip(PHASES, one.voltage_mean_v, strict=False):
            out[f"volt_{phase}"][at] = np.nan if voltage is None else voltage
    passed = np.clip(now_s - starts, 0, MINUTE_S)
    with np.errstate(divide="ignore", invalid="ignore"):
        out["coverage"] = np.where(passed > 0, np.minimum(100.0, seconds / np.maximum(passed, 1) * 100), np.nan)
    present = ~np.isnan(out["mean"])
    alone = present & ~np.concatenate([[False], present[:-1]]) & ~np.concatenate([present[1:], [False]])
    out["dot"] = np.where(alone, 5.0, 0.0)
    return out


def labels(day: Day) -> list[str]:
    """The local time of each minute of the day."""
    return [day.clock(at_s) for at_s in range(day.start_s, day.end_s, MINUTE_S)]


def gaps(minutes: Mapping[int, Minute], day: Day, now_s: float) -> list[tuple[float, float]]:
    """Spans of whole minutes of the day up to now in which nothing came, on the day's axis."""
    end_s = min(day.end_s, int(now_s) // MINUTE_S * MINUTE_S)
    spans: list[list[int]] = []
    for minute_s in range(day.start_s, end_s, MINUTE_S):
        if minute_s in minutes:
            continue
        if spans and spans[-1][1] == minute_s:
            spans[-1][1] += MINUTE_S
        else:
            spans.append([minute_s, minute_s + MINUTE_S])
    return [(day.ms(a), day.ms(b)) for a, b in spans]


def in_force(minutes: Mapping[int, Minute], day: Day) -> list[tuple[float, float, int]]:
    """Which index counted when: spans on the day's axis."""
    spans: list[list[int]] = []
    for minute_s in range(day.start_s, day.end_s, MINUTE_S):
        one = minutes.get(minute_s)
        index = tariff_index(one.tariff, one.tariff_name) if one else 0
        if not index:
            continue
        if spans and spans[-1][1] == minute_s and spans[-1][2] == index:
            spans[-1][1] += MINUTE_S
        else:
            spans.append([minute_s, minute_s + MINUTE_S, index])
    return [(day.ms(a), day.ms(b), index) for a, b, index in spans]


@dataclass(frozen=True, slots=True)
class Counted:
    """What one index counted in a span.

    Attributes:
        label: EASF01, HCHC, EAIT, …
        index: of the tariff, 1 to 10; None for other indexes.
        total_wh: between the first and the last reading: what was used while nobody listened is in it.
        measured_wh: of this, by minutes that were heard; never over a gap.
        last_wh: the newest reading.
    """

    label: str
    index: int | None
    total_wh: int
    measured_wh: int
    last_wh: int


def counted(minutes: Iterable[Minute]) -> list[Counted]:
    """Each index over these minutes, by label.

    An index that went back (another meter was put in) counts by what was heard alone.
    """
    base: dict[str, int] = {}
    last: dict[str, int] = {}
    measured: dict[str, int] = {}
    for minute in sorted(minutes, key=lambda one: one.minute_s):
        for label, one in minute.energy.items():
            base.setdefault(label, one.last_wh - one.energy_wh)
            last[label] = one.last_wh
            measured[label] = measured.get(label, 0) + one.energy_wh
    return [
        Counted(label, tariff_of(label), max(last[label] - base[label], measured[label]), measured[label], last[label])
        for label in sorted(last)
    ]


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a line was.

    Attributes:
        frames: right ones; `wrong`: given up, lost on the way, or put aside.
    """

    frames: int
    wrong: int
    characters: int
    bad_characters: int
    rejected_groups: int
    discarded_frames: int
    lost_frames: int
    quarantined: int

    @property
    def right_pct(self) -> float | None:
        """Right frames of all that were begun; None when there was none."""
        every = self.frames + self.wrong
        return self.frames / every * 100 if every else None


GOOD_PCT, POOR_PCT = 99.0, 90.0


def quality(minutes: Iterable[Minute]) -> Quality:
    """The line over these minutes."""
    rows = list(minutes)

    def total(name: str) -> int:
        return sum(getattr(one, name) for one in rows)

    discarded, lost, quarantined = total("discarded_frames"), total("lost_frames"), total("quarantined")
    return Quality(
        total("frames"),
        discarded + lost + quarantined,
        total("characters"),
        total("bad_characters"),
        total("rejected_groups"),
        discarded,
        lost,
        quarantined,
    )


def covered_pct(minutes: Iterable[Minute], day: Day, now_s: float) -> float:
    """Seconds that right frames covered, of the seconds of the day that have passed."""
    passed = min(now_s, day.end_s) - day.start_s
    return min(100.0, sum(one.seconds for one in minutes) / passed * 100) if passed > 0 else 0.0


def power_range(shown: Mapping[str, Floats], current: Range | None) -> Range:
    """The y axis of the load curve, kVA."""
    return calm(*_extremes(shown, ("min", "max", "injected")), current, least=0.5, floor=0.0)


def voltage_range(shown: Mapping[str, Floats], current: Range | None) -> Range:
    """The y axis of the voltages."""
    return calm(*_extremes(shown, tuple(f"volt_{phase}" for phase in PHASES)), current, least=12.0)


def _extremes(shown: Mapping[str, Floats], names: tuple[str, ...]) -> tuple[float, float]:
    values = np.concatenate([shown[name] for name in names])
    seen = values[~np.isnan(values)]
    return (float(seen.min()), float(seen.max())) if seen.size else (float("nan"), float("nan"))


def change(old: Mapping[str, Floats] | None, new: Mapping[str, Floats], most: int = 60) -> Change:
    """What to send to a page that shows `old`, the same day."""
    if old is None or len(old["t"]) != len(new["t"]):
        return Change({}, {}, dict(new))
    patches: dict[str, list[tuple[int, float]]] = {}
    for name in VALUES:
        before, after = old[name], new[name]
        different = np.flatnonzero((before != after) & ~(np.isnan(before) & np.isnan(after)))
        if len(different) > most:
            return Change({}, {}, dict(new))
        if len(different):
            patches[name] = [(int(at), float(after[at])) for at in different]
    return Change(patches, {})


def local(at_s: float, zone: str) -> str:
    """The zone's time, as 2026-03-02T10:00:00+01:00."""
    return datetime.fromtimestamp(at_s, ZoneInfo(zone)).isoformat()


def iso(at_s: float) -> str:
    """UTC, as 2026-03-02T09:00:00Z."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"

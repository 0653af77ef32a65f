"""Rows of energy as columns of plots, cards and tables. Pure; energies in kWh, axes in milliseconds since a period's start."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from web.view import period
from web.view.meter import HISTORIC, tariff_of
from web.view.minutes import COLUMNS as MINUTE_COLUMNS
from web.view.period import Period
from web.view.period_words import label, named
from web.view.say import Text, say
from web.view.scale import calm

Row = Mapping[str, Any]
Columns = dict[str, list[Any]]

BANDS = {"light": (1, say("light load")), "mid": (2, say("mid load")), "peak": (6, say("peak load"))}
"""Of the Korean tariffs: the number of their colour, as of a Linky's indexes, and their name."""

ENOUGH = 0.95
"""Coverage below which two spans are not compared without saying so."""


@dataclass(frozen=True, slots=True)
class Part:
    """Energy of one band. `band` is empty where there are none; `colour` names a style."""

    band: str
    name: str
    colour: str
    kwh: float


@dataclass(frozen=True, slots=True)
class Total:
    """What is known of a span.

    Attributes:
        coverage: seconds measured of those that are over, 0 to 1; None: none is over.
        peak_kw: largest mean of a quarter-hour; None: nothing was measured.
    """

    kwh: float
    export_kwh: float
    coverage: float | None
    peak_kw: float | None
    parts: tuple[Part, ...]

    @property
    def measured(self) -> bool:
        return bool(self.coverage)


@dataclass(frozen=True, slots=True)
class Against:
    """A span beside the one before: percent more or less, and whether both were measured well enough.

    Attributes:
        until: local time up to which both are compared; empty: they are over.
    """

    share_pct: float | None
    kwh: float
    coverage: float
    until: str
    fair: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One span in the row on top."""

    name: str
    period: Period
    total: Total
    against: Against | None
    running: bool


def at_s(row: Row, name: str = "start") -> int:
    """When a row's period begins."""
    return int(datetime.fromisoformat(row[name]).timestamp())


def colour(band: str) -> str:
    """The name of a band's colour."""
    number = BANDS[band][0] if band in BANDS else tariff_of(band)
    return "--accent" if not band else f"--index-{number or 0}"


def band_name(band: str) -> Text:
    """A band as people say it."""
    if band in BANDS:
        return BANDS[band][1]
    name = HISTORIC[band][1] if band in HISTORIC else band
    return name if isinstance(name, Text) else Text(name)


def order(band: str) -> tuple[int, str]:
    return (BANDS[band][0] if band in BANDS else tariff_of(band) or 0, band)


def total(rows: Iterable[Row]) -> Total:
    """Rows added up, of which several may be of one period."""
    by_band: dict[str, float] = defaultdict(float)
    possible: dict[tuple[str, str], tuple[int, int]] = {}
    exported, peak = 0.0, None
    for row in rows:
        band = row.get("band", "")
        by_band[band] += row["import_kwh"]
        exported += row.get("export_kwh") or 0.0
        demand = row.get("demand_max_kw")
        peak = demand if peak is None or (demand is not None and demand > peak) else peak
        # Of a Linky each index's row tells of the whole period, of a sensor each band's of its own part.
        key = (row["start"], band if "demand_max_kw" in row else "")
        possible[key] = (row["seconds"], row["possible_s"])
    seconds, whole = (sum(one[k] for one in possible.values()) for k in (0, 1))
    parts = tuple(Part(b, band_name(b), colour(b), by_band[b]) for b in sorted(by_band, key=order))
    return Total(sum(by_band.values()), exported, min(1.0, seconds / whole) if whole else None, peak, parts)


def within(rows: Iterable[Row], start_s: int, end_s: int) -> list[Row]:
    """The rows of periods that begin in a span."""
    return [row for row in rows if start_s <= at_s(row) < end_s]


def against(now: Total, past: Total, until: str) -> Against | None:
    """One span beside another; None: nothing was measured of the other."""
    if not past.measured or not now.measured:
        return None
    share = 100 * (now.kwh / past.kwh - 1) if past.kwh else None
    fair = min(past.coverage or 0, now.coverage or 0) >= ENOUGH
    return Against(share, past.kwh, past.coverage or 0, until, fair)


def bars(one: Period, step: str, rows: Sequence[Row]) -> Columns:
    """A bar a period inside and band, one on the other; of a period of which nothing was measured there is none."""
    out: Columns = {name: [] for name in ("left", "right", "bottom", "top", "colour", "band", "when", "kwh", "measured")}
    height: dict[int, float] = defaultdict(float)
    for row in sorted(rows, key=lambda row: (row["start"], order(row.get("band", "")))):
        start, end = at_s(row), at_s(row, "end")
        if not row["seconds"]:
            continue
        left, right = (start - one.start_s) * 1000, (end - one.start_s) * 1000
        room = (right - left) * 0.08
        values = {
            "left": left + room,
            "right": right - room,
            "bottom": height[start],
            "top": height[start] + row["import_kwh"],
            "colour": colour(row.get("band", "")),
            "band": band_name(row.get("band", "")),
            "when": named(one, step, start, end),
            "kwh": row["import_kwh"],
            "measured": round(100 * row["coverage"], 1),
        }
        height[start] += row["import_kwh"]
        for name, value in values.items():
            out[name].append(value)
    return out


def covered(one: Period, rows: Iterable[Row]) -> tuple[Columns, list[tuple[int, int]]]:
    """How much of each period was measured, in percent; and spans that are over of which nothing was."""
    known: dict[int, list[int]] = {}
    for row in rows:
        start = at_s(row)
        found = known.setdefault(start, [at_s(row, "end"), 0, 0])
        whole = "demand_max_kw" not in row
        found[1] = row["seconds"] if whole else found[1] + row["seconds"]
        found[2] = row["possible_s"] if whole else found[2] + row["possible_s"]
    out: Columns = {"left": [], "right": [], "value": []}
    gaps = []
    for start, (end, seconds, possible) in sorted(known.items()):
        left, right = (start - one.start_s) * 1000, (end - one.start_s) * 1000
        if possible and not seconds:
            gaps.append((left, right))
        elif possible:
            out["left"].append(left)
            out["right"].append(right)
            out["value"].append(round(min(100.0, 100 * seconds / possible), 2))
    return out, gaps


def past_bars(one: Period, step: str, past: Period, rows: Iterable[Row]) -> Columns:
    """The same of the period before, each at the place of the same name: the 3rd at the 3rd, 14 h at 14 h."""
    of = {label(past, step, at_s(row)): row for row in rows if row["seconds"]}
    out: Columns = {"left": [], "right": [], "value": [], "when": []}
    edges = period.edges(one, step)
    for start, end in itertools.pairwise(edges):
        row = of.get(label(one, step, start))
        if row is None:
            continue
        out["left"].append((start - one.start_s) * 1000)
        out["right"].append((end - one.start_s) * 1000)
        out["value"].append(row["import_kwh"])
        out["when"].append(named(past, step, at_s(row), at_s(row, "end")))
    return out


def axis(tops: Iterable[float], lows: Iterable[float] = ()) -> tuple[float, float]:
    """A range of an axis that holds all values, and zero."""
    high, low = max(tops, default=0.0), min(lows, default=0.0)
    return calm(min(0.0, low), max(0.0, high), None, least=1e-3, floor=0.0)


def lines(one: Period, grid: Mapping[str, Any]) -> Columns:
    """A grid of minutes (see web.view.minutes.grid with no offset) on the axis of an hour."""
    out: Columns = {name: _listed(grid[name]) for name in MINUTE_COLUMNS}
    out["t"] = [at - one.start_s * 1000 for at in grid["t"].tolist()]
    return out


def _listed(values: Any) -> list[float | None]:
    return [None if value != value else round(value, 6) for value in np.asarray(values, np.float64).tolist()]  # noqa: PLR0124 (NaN)

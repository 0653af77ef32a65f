"""What the page of energy is made of: a span looked up and parted, the one before, and the row of cards."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streams.catalog.state import Sensor, State
from streams.core import energy
from streams.core.energy import Quarters
from streams.core.tariff.bill import NoPrice
from web import meter_queries, queries
from web.energy_rows import EnergyRows, Row
from web.kept_reads import Reads
from web.view import cost, minutes, period, seconds
from web.view import energy as view
from web.view import period_words as words
from web.view.clock import Zone
from web.view.energy import Against, Card, Columns, Total
from web.view.meter import Minute
from web.view.meter_day import iso
from web.view.period import Period
from web.view.say import say

HEAD_S = 10.0
"""For how long the row of cards is kept: whoever looks at a sensor sees the same."""
HEADS = 64
CARDS = (
    *((say("Today"), "day", 0), (say("Yesterday"), "day", 1), (say("This week"), "week", 0), (say("Last week"), "week", 1)),
    *((say("This month"), "month", 0), (say("Last month"), "month", 1)),
)
UTC = Zone("UTC", 0)
PHASES = seconds.PHASES


@dataclass(frozen=True, slots=True)
class Inside:
    """A span and what is in it.

    Attributes:
        step: what the rows are: month, day, hour, quarter, minute or second.
        rows: as files give them; of minutes and seconds without a meaning for bands.
        plot: what the page draws, see static/energy.js.
        no_bands: why the energy is not parted; empty: it is, or nothing asks for it.
    """

    period: Period
    step: str
    rows: list[Row]
    plot: dict[str, Any]
    total: Total
    past: Period
    against: Against | None
    plan: str = ""
    no_bands: str = ""
    peak: Row | None = None


@dataclass(slots=True)
class _Heads:
    made: dict[str, tuple[float, list[Card]]] = field(default_factory=dict)


class EnergySource:
    """Looks up what the page shows.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, db: Reads, state: Callable[[], State], clock: Callable[[], float]) -> None:
        self._db, self._state, self._clock = db, state, clock
        self.rows = EnergyRows(db, state, clock)
        self._heads = _Heads()

    async def cards(self, sensor: Sensor) -> list[Card]:
        """Today to last month, each with the span before it."""
        now_s = self._clock()
        kept = self._heads.made.get(sensor.sensor_id)
        if kept is not None and 0 <= now_s - kept[0] < HEAD_S:
            return kept[1]
        zone = self._state().zone_of(sensor)
        spans = [(name, _back(period.around(zoom, zone, now_s), back)) for name, zoom, back in CARDS]
        first = min(period.before(one).start_s for _, one in spans)
        last = max(one.end_s for _, one in spans)
        quarters = await self.rows.quarters(sensor, first, last)
        _, days, _ = await self._parted(sensor, first, last, "day", quarters)

        def drawn(start_s: int, end_s: int) -> Total:
            rows = slice(*np.searchsorted(quarters.at_s, [start_s, end_s]).tolist())
            (units,) = energy.exact(quarters.figures["units_import"][rows], np.zeros(rows.stop - rows.start, np.int64), 1)
            measured = int(quarters.figures["seconds"][rows].sum())
            return Total(energy.kwh(units), 0.0, min(1.0, measured / max(1, end_s - start_s)), None, ())

        cards = []
        for name, one in spans:
            end, past, past_end = period.comparable(one, now_s)
            until = "" if end == one.end_s else words.clock(zone, end)
            told = view.against(drawn(one.start_s, end), drawn(past, past_end), until) if end > one.start_s else None
            whole = view.total(view.within(days, one.start_s, one.end_s))
            cards.append(Card(name, one, whole, told, one.holds(now_s)))
        self._heads.made[sensor.sensor_id] = (now_s, cards)
        while len(self._heads.made) > HEADS:
            self._heads.made.pop(next(iter(self._heads.made)))
        return cards

    async def inside(self, sensor: Sensor, one: Period, *, by_quarter: bool) -> Inside:
        """What is in a period.

        Args:
            by_quarter: whether a day is shown by quarter-hour.
        """
        if one.zoom == "minute":
            return await self._seconds(sensor, one)
        if one.zoom == "hour":
            return await (self._meter_minutes(sensor, one) if sensor.kind == "linky" else self._minutes(sensor, one))
        step = "quarter" if one.zoom == "day" and by_quarter else period.INSIDE[one.zoom]
        past, now_s = period.before(one), self._clock()
        quarters = await self.rows.quarters(sensor, past.start_s, one.end_s)
        before = self.rows.periods(sensor, quarters, past.start_s, past.end_s, step)
        plan, rows, why = await self._parted(sensor, one.start_s, one.end_s, step, quarters)
        bars = view.bars(one, step, rows)
        beside = view.past_bars(one, step, past, before)
        covered, gaps = view.covered(one, rows)
        high = view.axis([*bars["top"], *beside["value"]])
        opens = [
            [
                (view.at_s(row) - one.start_s) * 1000,
                (view.at_s(row, "end") - one.start_s) * 1000,
                _below(one, step, view.at_s(row)),
            ]
            for row in {row["start"]: row for row in rows}.values()
        ]
        plot = _plot(one, step, high, bars=bars, before=beside, covered=covered, gaps=gaps, opens=opens)
        found = view.total(rows)
        told = self._against(sensor, one, past, now_s, quarters)
        peak = max((row for row in rows if row.get("demand_max_kw") is not None), key=lambda r: r["demand_max_kw"], default=None)
        return Inside(one, step, rows, plot, found, past, told, plan, why, peak)

    def _against(self, sensor: Sensor, one: Period, past: Period, now_s: float, quarters: Quarters) -> Against | None:
        end, past_start, past_end = period.comparable(one, now_s)
        if end <= one.start_s:
            return None
        spans = ((one.start_s, end), (past_start, past_end))
        found = [view.total(self.rows.periods(sensor, quarters, start, stop, "year")) for start, stop in spans]
        until = "" if end == one.end_s else words.clock(one.zone, end)
        return view.against(found[0], found[1], until)

    async def _parted(
        self, sensor: Sensor, since_s: int, until_s: int, step: str, quarters: Quarters
    ) -> tuple[str, list[Row], str]:
        """The plan, rows by band, and why they are not by band."""
        try:
            plan, rows = await self.rows.banded(sensor, since_s, until_s, step, known=quarters)
            if rows or sensor.kind != "linky":
                return plan, rows, ""
            why = ""
        except NoPrice as error:
            why = cost.words(error.args[0])
        return "", self.rows.periods(sensor, quarters, since_s, until_s, step), why

    async def _minutes(self, sensor: Sensor, one: Period) -> Inside:
        found = (await queries.minutes(self._db, [sensor.sensor_id], one.start_s, one.end_s))[sensor.sensor_id]
        now_s = self._clock()
        end = min(one.end_s, max(one.start_s + 60, (int(now_s) // 60 + 1) * 60))
        grid = minutes.grid(found, one.start_s, end, now_s, UTC)
        lines = view.lines(one, grid.columns)
        rows: list[Row] = [
            {
                "sensor_id": sensor.sensor_id,
                "minute": iso(one.start_s + 60 * k),
                **{f"{kind}_{p.lower()}_kw": lines[f"{kind}_{p}"][k] for p in PHASES for kind in ("mean", "min", "max")},
                "coverage": round((lines["coverage"][k] or 0.0) / 100, 6),
            }
            for k in range(len(lines["t"]))
        ]
        gaps = [((a - one.start_s) * 1000, (b - one.start_s) * 1000) for a, b in minutes.gaps(grid)]
        return await self._lined(sensor, one, "minute", rows, lines, gaps)

    async def _meter_minutes(self, sensor: Sensor, one: Period) -> Inside:
        found = {m.minute_s: m for m in await meter_queries.minutes(self._db, sensor.sensor_id, one.start_s, one.end_s)}
        lines: Columns = {name: [] for name in minutes.COLUMNS}
        rows: list[Row] = []
        now_s = self._clock()
        end = min(one.end_s, max(one.start_s + 60, (int(now_s) // 60 + 1) * 60))
        for at in range(one.start_s, end, 60):
            m: Minute | None = found.get(at)
            values = {
                kind: None if m is None or (va := getattr(m, f"apparent_{kind}_va")) is None else va / 1000
                for kind in ("mean", "min", "max")
            }
            share = 0.0 if m is None else min(1.0, m.seconds / max(1, min(60, now_s - at)))
            for name in minutes.COLUMNS:
                lines[name].append(None)
            lines["t"][-1], lines["coverage"][-1], lines["dot"][-1] = (at + 30 - one.start_s) * 1000, share * 100, 0.0
            for kind, value in values.items():
                lines[f"{kind}_A"][-1] = value
            rows.append(
                {
                    "sensor_id": sensor.sensor_id,
                    "minute": iso(at),
                    **{f"{k}_kva": v for k, v in values.items()},
                    "coverage": round(share, 6),
                }
            )
        gaps = [
            ((view.at_s(row, "minute") - one.start_s) * 1000, (view.at_s(row, "minute") + 60 - one.start_s) * 1000)
            for row in rows
            if not row["coverage"]
        ]
        return await self._lined(sensor, one, "minute", rows, lines, gaps)

    async def _lined(
        self, sensor: Sensor, one: Period, step: str, rows: list[Row], lines: Columns, gaps: list[tuple[int, int]]
    ) -> Inside:
        """An hour by minute: its energy from the quarters, its lines from the minutes."""
        whole = view.total(await self.rows.plain(sensor, one.start_s, one.end_s, "hour"))
        seen = [v for p in PHASES for kind in ("min", "max") for v in lines[f"{kind}_{p}"] if v is not None]
        at = [(k, share) for k, share in enumerate(lines["coverage"]) if share]
        covered = {
            "left": [k * 60_000 for k, _ in at],
            "right": [(k + 1) * 60_000 for k, _ in at],
            "value": [round(share, 2) for _, share in at],
        }
        below = sensor.kind != "linky"
        opens = [
            [k * 60_000, (k + 1) * 60_000, _below(one, step, one.start_s + 60 * k) if below else None] for k in range(len(rows))
        ]
        plot = _plot(one, step, view.axis(seen, seen), lines=lines, covered=covered, gaps=gaps, opens=opens)
        return Inside(one, step, rows, plot, whole, period.before(one), None)

    async def _seconds(self, sensor: Sensor, one: Period) -> Inside:
        """A minute at the sensor's own sampling rate."""
        found = await queries.seconds_between(self._db, sensor.sensor_id, one.start_s, one.end_s)
        end = min(one.end_s, max(one.start_s, int(self._clock()) - 1))
        points = seconds.columns(found, one.start_s, end, UTC)
        lines: Columns = {name: [] for name in minutes.COLUMNS}
        lines["t"] = [at - one.start_s * 1000 for at in points["t"]]
        for phase in PHASES:
            lines[f"mean_{phase}"] = [None if v != v else round(v, 6) for v in points[f"power_{phase}"]]  # noqa: PLR0124 (NaN)
            lines[f"min_{phase}"] = lines[f"max_{phase}"] = [None] * len(points["t"])
        lines["coverage"] = lines["dot"] = [0.0] * len(points["t"])
        rows: list[Row] = [
            {
                "sensor_id": sensor.sensor_id,
                "at": words.iso_ms(one.start_s * 1000 + lines["t"][k]),
                **{f"{p.lower()}_kw": lines[f"mean_{p}"][k] for p in PHASES},
            }
            for k in range(len(lines["t"]))
            if any(lines[f"mean_{p}"][k] is not None for p in PHASES)
        ]
        there = sorted(found)
        covered = {
            "left": [(s - one.start_s) * 1000 for s in there],
            "right": [(s + 1 - one.start_s) * 1000 for s in there],
            "value": [100.0] * len(there),
        }
        gaps = [((a - one.start_s) * 1000, (b - one.start_s) * 1000) for a, b in seconds.gaps(found, one.start_s, end)]
        seen = [v for p in PHASES for v in lines[f"mean_{p}"] if v is not None]
        kws = [sum(float(p.power_mw.mean()) for p in probes.values()) / 1e6 for probes in found.values()]
        whole = Total(sum(kws) / 3600, 0.0, len(there) / (end - one.start_s) if end > one.start_s else None, None, ())
        plot = _plot(one, "second", view.axis(seen, seen), lines=lines, covered=covered, gaps=gaps, opens=[])
        return Inside(one, "second", rows, plot, whole, period.before(one), None)


def _back(one: Period, count: int) -> Period:
    return one if not count else period.before(one)


def _below(one: Period, step: str, start_s: int) -> str | None:
    """What is opened by a bar, as `zoom` and `at` of an address; of a quarter-hour its hour."""
    if step == "quarter":
        inner: Period | None = period.around("hour", one.zone, start_s)
    else:
        inner = period.inner(one, start_s)
    return None if inner is None else f"{inner.zoom}/{inner.at}"


def _plot(one: Period, step: str, axis: tuple[float, float], **more: Any) -> dict[str, Any]:
    empty: Columns = {}
    plot = {
        "window": [0, (one.end_s - one.start_s) * 1000],
        "ticks": words.ticks(one, step),
        "axis": axis,
        "bars": empty,
        "before": empty,
        "lines": empty,
        "covered": empty,
        "gaps": [],
        "opens": [],
    }
    return plot | more

"""Energy of one sensor by period, whole or by band: what the page shows and what REST and the files give are these rows."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.columns import Int64s
from streams.catalog.state import Sensor, State
from streams.core import energy, linky_use
from streams.core.energy import Quarters
from streams.core.tariff.bill import NoPrice
from streams.core.tariff.document import KEPCO
from web import energy_queries
from web.bills import Bills
from web.kept_reads import Reads
from web.view.meter_day import iso

Row = dict[str, Any]
QUARTERS_MOST = 3 * 366 * 96
"""Of one sensor: three years."""

COLUMNS = (
    *("sensor_id", "start", "end", "band", "import_kwh", "export_kwh", "import_arithmetic_kwh", "export_arithmetic_kwh"),
    *("a_kwh", "b_kwh", "c_kwh", "demand_max_kw", "seconds", "possible_s", "coverage"),
)
ENERGIES = {
    "import_kwh": "units_import",
    "export_kwh": "units_export",
    "import_arithmetic_kwh": "units_import_arithmetic",
    "export_arithmetic_kwh": "units_export_arithmetic",
}
PHASES = {"a": "a_kwh", "b": "b_kwh", "c": "c_kwh"}


@dataclass(frozen=True, slots=True)
class Banded:
    """Quarter-hours and the band of each.

    Attributes:
        names: the bands' names.
        every: all quarters of the span, measured or not; `band` of each of them, shape (n,), an index of names.
    """

    plan: str
    quarters: Quarters
    names: list[str]
    every: Int64s
    band: Int64s

    @property
    def of_quarters(self) -> Int64s:
        """The band of each quarter that is there, shape (len(quarters),)."""
        if not len(self.every):
            return np.zeros(0, np.int64)
        found: Int64s = self.band[(self.quarters.at_s - self.every[0]) // energy.QUARTER_S]
        return found


class EnergyRows:
    """Looks energy up and parts it.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, db: Reads, state: Callable[[], State], clock: Callable[[], float]) -> None:
        self._db, self._state, self._clock = db, state, clock
        self._bills = Bills(db, state, clock)

    async def quarters(self, sensor: Sensor, since_s: int, until_s: int) -> Quarters:
        """Quarter-hours that begin from since_s up to until_s."""
        if sensor.kind == "linky":
            return (await energy_queries.meter_quarters(self._db, sensor.sensor_id, since_s, until_s, self._clock()))[0]
        return await energy_queries.quarters(self._db, sensor.sensor_id, since_s, until_s, self._clock())

    async def plain(self, sensor: Sensor, since_s: int, until_s: int, resolution: str) -> list[Row]:
        """A row a period of the site's zone."""
        return self.periods(sensor, await self.quarters(sensor, since_s, until_s), since_s, until_s, resolution)

    def periods(self, sensor: Sensor, quarters: Quarters, since_s: int, until_s: int, resolution: str) -> list[Row]:
        """The same of quarter-hours that are looked up, of the span and maybe more."""
        quarters = between(quarters, since_s, until_s)
        edge = energy.edges(self._state().zone_of(sensor), since_s, until_s, resolution)
        return rows(
            sensor.sensor_id, quarters, edge, energy.periods_of(quarters.at_s, edge), self._clock(), phases=sensor.kind != "linky"
        )

    async def banded(
        self, sensor: Sensor, since_s: int, until_s: int, resolution: str, plan: str = "", known: Quarters | None = None
    ) -> tuple[str, list[Row]]:
        """The plan, and a row a period and band of it; of a Linky by its own indexes.

        Args:
            known: quarter-hours that are looked up, of the span and maybe more.

        Raises:
            NoPrice: the tariff does not tell, or none is named.
        """
        edge = energy.edges(self._state().zone_of(sensor), since_s, until_s, resolution)
        if sensor.kind == "linky":
            return "", await self._indexed(sensor, edge)
        found = await self.with_bands(sensor, since_s, until_s, plan, known)
        return found.plan, banded_rows(sensor.sensor_id, found, edge, self._clock())

    async def with_bands(
        self, sensor: Sensor, since_s: int, until_s: int, name: str = "", known: Quarters | None = None
    ) -> Banded:
        """Quarter-hours of a 3-phase sensor with the band of each.

        Raises:
            NoPrice: the tariff does not tell, or none is named.
        """
        zone = self._state().zone_of(sensor)
        plan = self._bills.plan(sensor, None, name)
        if plan.schema(energy.local_day(zone, since_s)) != KEPCO:
            raise NoPrice(f"{plan.name} parts energy by a Linky's indexes; a 3-phase sensor has none")
        quarters = await self.quarters(sensor, since_s, until_s) if known is None else between(known, since_s, until_s)
        every = energy.grid(since_s, until_s)
        names, band = energy.bands(zone, every, lambda day: plan.contract(day).bands(day))
        return Banded(plan.name, quarters, names, every, band)

    async def _indexed(self, sensor: Sensor, edge: Int64s) -> list[Row]:
        """A Linky's own indexes; what was used unheard counts in the period in which it is heard of."""
        zone, since_s, until_s = self._state().zone_of(sensor), int(edge[0]), int(edge[-1])
        stood = await energy_queries.before(self._db, sensor.sensor_id, since_s)
        quarters, counted, _ = await energy_queries.meter_quarters(self._db, sensor.sensor_id, since_s, until_s, self._clock())
        group = energy.periods_of(quarters.at_s, edge)
        plain = rows(sensor.sensor_id, quarters, edge, group, self._clock(), phases=False)
        by_period: dict[int, list[Any]] = defaultdict(list)
        for period, one in zip(group.tolist(), counted, strict=True):
            by_period[period].append(one)
        found = []
        for period, row in enumerate(plain):
            used: dict[str, int] = defaultdict(int)
            for (_, label), wh in linky_use.drawn([*stood, *by_period[period]], zone, int(edge[period])).items():
                used[label] += wh
            stood = [*stood, *by_period[period]][-1:]
            kept = {name: row[name] for name in ("sensor_id", "start", "end", "seconds", "possible_s", "coverage")}
            found += [{**kept, "band": label, "import_kwh": wh / 1000} for label, wh in sorted(used.items())]
        return found


def between(quarters: Quarters, since_s: int, until_s: int) -> Quarters:
    """Those that begin from since_s up to until_s."""
    rows = slice(*np.searchsorted(quarters.at_s, [since_s, until_s]).tolist())
    return Quarters(quarters.at_s[rows], {name: values[rows] for name, values in quarters.figures.items()})


def banded_rows(sensor_id: str, found: Banded, edge: Int64s, now_s: float) -> list[Row]:
    """A row a period and band there is in it, by start and band."""
    period, at = energy.periods_of(found.every, edge), found.of_quarters
    over_s = np.clip(int(now_s) - found.every, 0, energy.QUARTER_S)
    mine_of = energy.periods_of(found.quarters.at_s, edge)
    made: list[Row] = []
    for code, name in enumerate(found.names):
        mine = np.flatnonzero(at == code)
        part = Quarters(found.quarters.at_s[mine], {n: values[mine] for n, values in found.quarters.figures.items()})
        of_band = found.band == code
        possible = np.bincount(period[of_band], over_s[of_band], len(edge) - 1).astype(np.int64)
        has = np.bincount(period[of_band], minlength=len(edge) - 1) > 0
        some = rows(sensor_id, part, edge, mine_of[mine], now_s, possible=possible)
        made += [{**row, "band": name} for row, there in zip(some, has, strict=True) if there]
    return sorted(made, key=lambda row: (row["start"], row["band"]))


def rows(
    sensor_id: str, quarters: Quarters, edge: Any, group: Any, now_s: float, *, phases: bool = True, possible: Any = None
) -> list[Row]:
    n = len(edge) - 1
    totals = {name: energy.exact(quarters.figures[column], group, n) for name, column in ENERGIES.items()}
    phased = {p: energy.exact(quarters.figures[f"units_{p}"], group, n) for p in PHASES}
    measured = {p: energy.sums(quarters.figures[f"seconds_{p}"], group, n) for p in PHASES}
    seconds = energy.sums(quarters.figures["seconds"], group, n)
    peaks = np.full(n, -1, np.int64)
    np.maximum.at(peaks, group, quarters.figures["units_import"])
    if possible is None:
        possible = np.maximum(0, np.minimum(edge[1:], int(now_s)) - edge[:-1])
    made = []
    for at, (start, end) in enumerate(zip(edge[:-1].tolist(), edge[1:].tolist(), strict=True)):
        whole = int(possible[at])
        made.append(
            {
                "sensor_id": sensor_id,
                "start": iso(start),
                "end": iso(end),
                **{name: energy.kwh(values[at]) for name, values in totals.items()},
                **{name: energy.kwh(phased[p][at]) if phases and measured[p][at] else None for p, name in PHASES.items()},
                "demand_max_kw": energy.kw(int(peaks[at])) if peaks[at] >= 0 else None,
                "seconds": seconds[at],
                "possible_s": whole,
                "coverage": round(min(1.0, seconds[at] / whole), 6) if whole else 0.0,
            }
        )
    return made

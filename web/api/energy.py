"""/api/v1/energy: energy by quarter, hour, day, month or year of the site's zone, with what was measured of it."""

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
from aiohttp import web

from schemas.units import UNITS
from sinks.clickhouse import ClickHouse
from streams.catalog.admin.fields import FieldError, shown
from streams.catalog.state import Sensor, State
from streams.core import energy, linky_use
from streams.core.energy import RESOLUTIONS, Quarters
from streams.core.tariff.bill import NoPrice
from streams.core.tariff.document import KEPCO
from web import energy_queries
from web.api import schemas
from web.api.answer_table import PARAMETER, Row, answer, described, form_of
from web.api.moments import MOMENT, moment
from web.api.operation import Operation, Refused
from web.bills import Bills
from web.view.meter_day import iso

_TAG = "energy"
QUARTERS_MOST = 3 * 366 * 96
"""Of one sensor: three years."""

FLEET_QUARTERS_MOST = 32 * 96
FLEET_MOST = 5000
COLUMNS = (
    *("sensor_id", "start", "end", "band", "import_kwh", "export_kwh", "import_arithmetic_kwh", "export_arithmetic_kwh"),
    *("a_kwh", "b_kwh", "c_kwh", "demand_max_kw", "seconds", "possible_s", "coverage"),
)
_ENERGIES = {
    "import_kwh": "units_import",
    "export_kwh": "units_export",
    "import_arithmetic_kwh": "units_import_arithmetic",
    "export_arithmetic_kwh": "units_export_arithmetic",
}
_PHASES = {"a": "a_kwh", "b": "b_kwh", "c": "c_kwh"}


class EnergyApi:
    """The door for energy."""

    def __init__(self, db: ClickHouse, state: Callable[[], State], clock: Callable[[], float]) -> None:
        self._db, self._state, self._clock = db, state, clock
        self._bills = Bills(db, state, clock)

    def operations(self) -> list[Operation]:
        return [
            Operation(
                *("GET", "/api/v1/energy", _TAG, "Energy by period", self.show),
                description="Of one sensor or Linky; or of every main 3-phase sensor of a site, or of all, each by itself. "
                "Periods are those of the site's time zone; each says how much of it was measured, and energy is never stretched "
                "over the rest. One sensor: up to three years, and with `bands` by band of its tariff; several: up to 32 days, "
                "as of some seconds ago.",
                parameters=(
                    schemas.query("sensor", "its id"),
                    schemas.query("site", "its id, instead of a sensor"),
                    schemas.query("from", f"{MOMENT}; default: today"),
                    schemas.query("to", f"{MOMENT}, not included; default: a day later"),
                    schemas.query("resolution", "of the rows", enum=list(RESOLUTIONS), default="hour"),
                    schemas.query("bands", "whether a period is parted by band of the tariff", enum=["0", "1"], default="0"),
                    schemas.query("tariff", "another plan than the sensor's own, for its bands"),
                    PARAMETER,
                ),
                answers={200: described("By sensor and time; periods of which nothing was measured are there too.", _SCHEMA)},
                errors={404: "unknown_sensor, unknown_site", 409: "no_price"},
            )
        ]

    async def show(self, request: web.Request) -> web.Response:
        form, resolution = form_of(request), request.query.get("resolution", "hour")
        if resolution not in RESOLUTIONS:
            raise FieldError("resolution", "bad_resolution", f"{shown(resolution)} came; expected {', '.join(RESOLUTIONS)}")
        one = sensor_of(request, self._state()) if "sensor" in request.query else None
        if one is None:
            return await self._several(request, form, resolution)
        zone = self._state().zone_of(one)
        since_s, until_s = self._span(request, zone, QUARTERS_MOST)
        tariff = ""
        rows: list[Row]
        if request.query.get("bands", "0") == "1":
            tariff, rows = await self._banded(request, one, since_s, until_s, resolution)
        else:
            quarters = await self._quarters(one, since_s, until_s)
            edge = energy.edges(zone, since_s, until_s, resolution)
            group = energy.periods_of(quarters.at_s, edge)
            rows = _rows(one.sensor_id, quarters, edge, group, self._clock(), phases=one.kind != "linky")
        facts = {"zone": zone, "from": iso(since_s), "to": iso(until_s), "resolution": resolution, "tariff": tariff}
        return answer(form, facts, "rows", rows, COLUMNS, f"energy-{one.sensor_id}-{iso(since_s)[:10]}")

    async def _quarters(self, sensor: Sensor, since_s: int, until_s: int) -> Quarters:
        if sensor.kind == "linky":
            return (await energy_queries.meter_quarters(self._db, sensor.sensor_id, since_s, until_s, self._clock()))[0]
        return await energy_queries.quarters(self._db, sensor.sensor_id, since_s, until_s, self._clock())

    async def _banded(
        self, request: web.Request, sensor: Sensor, since_s: int, until_s: int, resolution: str
    ) -> tuple[str, list[Row]]:
        zone, now_s = self._state().zone_of(sensor), self._clock()
        asked = request.query.get("tariff", "")
        edge = energy.edges(zone, since_s, until_s, resolution)
        if sensor.kind == "linky":
            return await self._indexed(sensor, edge)
        try:
            plan = self._bills.plan(sensor, None, asked)
            if plan.schema(energy.local_day(zone, since_s)) != KEPCO:
                raise NoPrice(f"{plan.name} parts energy by a Linky's indexes; a 3-phase sensor has none")
            quarters = await self._quarters(sensor, since_s, until_s)
            every = energy.grid(since_s, until_s)
            names, band = energy.bands(zone, every, lambda day: plan.contract(day).bands(day))
        except NoPrice as error:
            raise Refused(409, "no_price", str(error)) from error
        period = energy.periods_of(every, edge)
        at = (quarters.at_s - since_s) // energy.QUARTER_S
        rows = []
        for code, name in enumerate(names):
            mine = np.flatnonzero(band[at] == code)
            part = Quarters(quarters.at_s[mine], {n: values[mine] for n, values in quarters.figures.items()})
            possible = np.bincount(period[(band == code) & (every < now_s)], minlength=len(edge) - 1) * energy.QUARTER_S
            has = np.bincount(period[band == code], minlength=len(edge) - 1) > 0
            made = _rows(sensor.sensor_id, part, edge, period[at[mine]], now_s, possible=possible)
            rows += [{**row, "band": name} for row, there in zip(made, has, strict=True) if there]
        return plan.name, sorted(rows, key=lambda row: (row["start"], row["band"]))

    async def _indexed(self, sensor: Sensor, edge: Any) -> tuple[str, list[Row]]:
        """A Linky's own indexes; what was used unheard counts in the period in which it is heard of."""
        zone, since_s, until_s = self._state().zone_of(sensor), int(edge[0]), int(edge[-1])
        stood = await energy_queries.before(self._db, sensor.sensor_id, since_s)
        quarters, counted, _ = await energy_queries.meter_quarters(self._db, sensor.sensor_id, since_s, until_s, self._clock())
        group = energy.periods_of(quarters.at_s, edge)
        plain = _rows(sensor.sensor_id, quarters, edge, group, self._clock(), phases=False)
        by_period: dict[int, list[Any]] = defaultdict(list)
        for period, one in zip(group.tolist(), counted, strict=True):
            by_period[period].append(one)
        rows = []
        for period, row in enumerate(plain):
            used: dict[str, int] = defaultdict(int)
            for (_, label), wh in linky_use.drawn([*stood, *by_period[period]], zone, int(edge[period])).items():
                used[label] += wh
            stood = [*stood, *by_period[period]][-1:]
            kept = {name: row[name] for name in ("sensor_id", "start", "end", "seconds", "possible_s", "coverage")}
            rows += [{**kept, "band": label, "import_kwh": wh / 1000} for label, wh in sorted(used.items())]
        return "", rows

    async def _several(self, request: web.Request, form: str, resolution: str) -> web.Response:
        state, site = self._state(), request.query.get("site", "")
        if site and site not in state.sites:
            raise Refused(404, "unknown_site", f"there is no site {shown(site)}")
        by_zone: dict[str, list[str]] = defaultdict(list)
        for name, sensor in sorted(state.sensors.items()):
            if sensor.kind == "power" and (not site or (sensor.site == site and sensor.category == "main")):
                by_zone[state.zone_of(sensor)].append(name)
        if sum(map(len, by_zone.values())) > FLEET_MOST:
            raise Refused(409, "too_many", f"there are more than {FLEET_MOST} sensors; ask for a site")
        rows: list[Row] = []
        zones = sorted(by_zone) or ([state.sites[site].zone] if site else ["UTC"])
        for zone in zones:
            since_s, until_s = self._span(request, zone, FLEET_QUARTERS_MOST)
            edge = energy.edges(zone, since_s, until_s, resolution)
            table = await energy_queries.fleet(self._db, by_zone[zone], since_s, edge)
            rows += _fleet_rows(table.to_pylist(), edge, self._clock())
        facts = {"zone": zones[0] if len(zones) == 1 else "", "from": iso(since_s), "to": iso(until_s), "resolution": resolution}
        return answer(form, {**facts, "tariff": ""}, "rows", rows, COLUMNS, f"energy-{site or 'all'}-{iso(since_s)[:10]}")

    def _span(self, request: web.Request, zone: str, most: int) -> tuple[int, int]:
        """From and to, whole quarter-hours.

        Raises:
            FieldError: they are none, or too far apart.
        """
        today = energy.local_day(zone, self._clock())
        since_s = moment(request, "from", zone, energy.midnight(zone, today))
        after = energy.midnight(zone, energy.local_day(zone, since_s) + timedelta(1))
        until_s = moment(request, "to", zone, after)
        since_s, until_s = since_s // energy.QUARTER_S * energy.QUARTER_S, -(-until_s // energy.QUARTER_S) * energy.QUARTER_S
        if not since_s < until_s <= since_s + most * energy.QUARTER_S:
            raise FieldError("to", "bad_to", f"{iso(since_s)} to {iso(until_s)} came; expected a span of up to {most // 96} days")
        return since_s, until_s


def sensor_of(request: web.Request, state: State) -> Sensor:
    """The sensor that a request names.

    Raises:
        Refused: there is none.
    """
    name = request.query.get("sensor", "").lower()
    found = state.sensors.get(name)
    if found is None:
        raise Refused(404, "unknown_sensor", f"there is no sensor {shown(name)}: none such is registered")
    return found


def _rows(
    sensor_id: str, quarters: Quarters, edge: Any, group: Any, now_s: float, *, phases: bool = True, possible: Any = None
) -> list[Row]:
    n = len(edge) - 1
    totals = {name: energy.exact(quarters.figures[column], group, n) for name, column in _ENERGIES.items()}
    phased = {p: energy.exact(quarters.figures[f"units_{p}"], group, n) for p in _PHASES}
    measured = {p: energy.sums(quarters.figures[f"seconds_{p}"], group, n) for p in _PHASES}
    seconds = energy.sums(quarters.figures["seconds"], group, n)
    peaks = np.full(n, -1, np.int64)
    np.maximum.at(peaks, group, quarters.figures["units_import"])
    if possible is None:
        possible = np.maximum(0, np.minimum(edge[1:], int(now_s)) - edge[:-1])
    rows = []
    for at, (start, end) in enumerate(zip(edge[:-1].tolist(), edge[1:].tolist(), strict=True)):
        whole = int(possible[at])
        rows.append(
            {
                "sensor_id": sensor_id,
                "start": iso(start),
                "end": iso(end),
                **{name: energy.kwh(values[at]) for name, values in totals.items()},
                **{name: energy.kwh(phased[p][at]) if phases and measured[p][at] else None for p, name in _PHASES.items()},
                "demand_max_kw": energy.kw(int(peaks[at])) if peaks[at] >= 0 else None,
                "seconds": seconds[at],
                "possible_s": whole,
                "coverage": round(min(1.0, seconds[at] / whole), 6) if whole else 0.0,
            }
        )
    return rows


def _fleet_rows(found: list[dict[str, Any]], edge: Any, now_s: float) -> list[Row]:
    rows = []
    for one in found:
        start, end = int(edge[one["period"]]), int(edge[one["period"] + 1])
        whole = max(0, min(end, int(now_s)) - start)
        name = one["sensor_id"]
        rows.append(
            {
                "sensor_id": name.decode() if isinstance(name, bytes) else name,
                "start": iso(start),
                "end": iso(end),
                **{
                    named: energy.kwh(one[f"{column}_mws"] * UNITS + one[f"{column}_rest"]) for named, column in _ENERGIES.items()
                },
                "demand_max_kw": energy.kw(one["peak_units"]),
                "seconds": one["seconds"],
                "possible_s": whole,
                "coverage": round(min(1.0, one["seconds"] / whole), 6) if whole else 0.0,
            }
        )
    return rows


_TEXT, _KWH = {"type": "string"}, {"type": ["number", "null"]}
_ROW = {
    "type": "object",
    "required": ["sensor_id", "start", "end", "import_kwh", "seconds", "possible_s", "coverage"],
    "properties": {
        "sensor_id": _TEXT,
        "start": {"type": "string", "format": "date-time"},
        "end": {"type": "string", "format": "date-time"},
        "band": {"type": "string", "description": "of the tariff, or a Linky's index; with bands=1"},
        "import_kwh": {"type": "number", "description": "netted over the phases, minute by minute"},
        "export_kwh": {**_KWH, "description": "likewise"},
        "import_arithmetic_kwh": {**_KWH, "description": "imports of the phases, added"},
        "export_arithmetic_kwh": {**_KWH, "description": "exports of the phases, added"},
        **{name: {**_KWH, "description": "of one phase, signed; null: it was not measured"} for name in _PHASES.values()},
        "demand_max_kw": {**_KWH, "description": "largest mean of a quarter-hour"},
        "seconds": {"type": "integer", "description": "measured"},
        "possible_s": {"type": "integer", "description": "of the period that are over"},
        "coverage": {"type": "number", "minimum": 0, "maximum": 1},
    },
}
_SCHEMA = {
    "type": "object",
    "required": ["zone", "from", "to", "resolution", "tariff", "rows"],
    "properties": {
        "zone": {"type": "string", "description": "empty: sensors of several"},
        **{name: {"type": "string", "format": "date-time"} for name in ("from", "to")},
        "resolution": {"enum": list(RESOLUTIONS)},
        "tariff": {"type": "string", "description": "the plan whose bands these are"},
        "rows": {"type": "array", "items": _ROW},
    },
}

"""/api/v1/energy: energy by quarter, hour, day, month or year of the site's zone, with what was measured of it."""

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aiohttp import web

from schemas.units import UNITS
from sinks.clickhouse import ClickHouse
from streams.catalog.admin.fields import FieldError, shown
from streams.catalog.state import Sensor, State
from streams.core import energy
from streams.core.energy import RESOLUTIONS
from streams.core.tariff.bill import NoPrice
from web import energy_queries
from web.api import schemas
from web.api.answer_table import PARAMETER, Row, answer, described, form_of
from web.api.moments import MOMENT, moment
from web.api.operation import Operation, Refused
from web.energy_rows import COLUMNS, ENERGIES, PHASES, QUARTERS_MOST, EnergyRows
from web.view.meter_day import iso

_TAG = "energy"
FLEET_QUARTERS_MOST = 32 * 96
FLEET_MOST = 5000


class EnergyApi:
    """The door for energy."""

    def __init__(self, db: ClickHouse, state: Callable[[], State], clock: Callable[[], float]) -> None:
        self._db, self._state, self._clock = db, state, clock
        self._rows = EnergyRows(db, state, clock)

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
        if request.query.get("bands", "0") == "1":
            try:
                tariff, rows = await self._rows.banded(one, since_s, until_s, resolution, request.query.get("tariff", ""))
            except NoPrice as error:
                raise Refused(409, "no_price", str(error)) from error
        else:
            rows = await self._rows.plain(one, since_s, until_s, resolution)
        facts = {"zone": zone, "from": iso(since_s), "to": iso(until_s), "resolution": resolution, "tariff": tariff}
        return answer(form, facts, "rows", rows, COLUMNS, f"energy-{one.sensor_id}-{iso(since_s)[:10]}")

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
                **{named: energy.kwh(one[f"{column}_mws"] * UNITS + one[f"{column}_rest"]) for named, column in ENERGIES.items()},
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
        **{name: {**_KWH, "description": "of one phase, signed; null: it was not measured"} for name in PHASES.values()},
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

"""/sensors: which there are, and what an operator says of them. Changes go to the REST API, from the page's script."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from streams import tariffs as built_in
from streams.catalog.admin.corrected import corrected
from streams.catalog.admin.facts import REGISTRATIONS, sensor_facts
from streams.catalog.admin.fields import EXPECTED, FieldError
from streams.catalog.state import Sensor, State
from streams.core.energy import local_day
from streams.core.tariff.plan import plans
from web.api.operation import ROLES
from web.api.sensors import asked as asked_of
from web.fleet import Fleet
from web.identity import IDENTITY, Catalog, Identity
from web.meter_pages import Shell
from web.view import fleet as view
from web.view.clock import zone_at
from web.view.say import moment
from web.view.sensor import CATEGORIES, KINDS, REGISTERED, STATES, UNITS

LISTED = 50
"""Sensors on one page of the list."""
_CSV = ("id", "state", "newest", "power_w", "registration", "owner", "address", "category", "site")
_OPERATOR = ROLES.index("operator")


class SensorPages:
    """Everything /sensors holds.

    Args:
        fleet: which sensors there are, and when each was last heard.
        shell: answers with a page without a document on the server.
        clock: UTC seconds.
    """

    def __init__(self, fleet: Fleet, catalog: Catalog, shell: Shell, clock: Callable[[], float]) -> None:
        self._fleet, self._catalog, self._shell, self._clock = fleet, catalog, shell, clock

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sensors", self.every),
            web.get("/sensors.csv", self.sheet),
            web.get("/sensors/new", self.new),
            web.get("/sensors/{sensor_id}", self.show),
        ]

    async def every(self, request: web.Request) -> web.Response:
        """Sensors, registered or heard of, searched; the address holds the search."""
        asked = _asked(request, LISTED)
        found = view.rows(await self._fleet.entries(), asked, self._clock())
        query = {name: request.query.get(name, "")[:200].strip() for name in ("q", "category", "state", "kind")}
        kept = urlencode({name: value for name, value in query.items() if value})
        values = {
            "query": query,
            "kept": kept,
            "found": found,
            "first": asked.offset + 1,
            "last": asked.offset + len(found["sensors"]),
            "before": _page(kept, asked.offset - LISTED) if asked.offset else None,
            "after": _page(kept, asked.offset + LISTED) if asked.offset + LISTED < found["matching"] else None,
            "categories": CATEGORIES,
            "states": STATES | {name: REGISTERED[name] for name in REGISTRATIONS},
            "registered": REGISTERED,
            "kinds": KINDS,
            "trouble": self._fleet.trouble,
        }
        return self._shell("sensors.html", request[IDENTITY], kind="sensors", may=_may(request[IDENTITY]), **values)

    async def sheet(self, request: web.Request) -> web.Response:
        """All sensors of the search as CSV."""
        found = view.rows(await self._fleet.entries(), _asked(request, 10_000_000), self._clock())
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\r\n")
        rows.writerow(_CSV)
        for row in found["sensors"]:
            newest_s = row["newest_s"]
            newest = "" if newest_s is None else f"{datetime.fromtimestamp(newest_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
            rows.writerow([_safe({**row, "newest": newest}[name]) for name in _CSV])
        headers = {"Content-Disposition": 'attachment; filename="sensors.csv"'}
        return web.Response(text=out.getvalue(), content_type="text/csv", charset="utf-8", headers=headers)

    async def new(self, request: web.Request) -> web.Response:
        """The form that registers a sensor."""
        return self._one(request, None, request.query.get("id", "")[:64])

    async def show(self, request: web.Request) -> web.Response:
        """One registered sensor."""
        name = request.match_info["sensor_id"].lower()
        sensor = self._catalog.state.sensors.get(name)
        if sensor is None:
            return self._shell("no_such_sensor.html", request[IDENTITY], status=404, kind="sensors", asked=name[:64])
        return self._one(request, sensor, name)

    def _one(self, request: web.Request, sensor: Sensor | None, name: str) -> web.Response:
        state = self._catalog.state
        facts = _new() if sensor is None else _told(state, sensor)
        values = {
            "sensor": sensor,
            "name": name,
            "facts": facts,
            "expected": EXPECTED,
            "sites": sorted(state.sites),
            "plans": _plans(state),
            "categories": CATEGORIES,
            "units": UNITS,
            "kinds": KINDS,
            "registered": REGISTERED,
            "earlier_bills": sensor is not None and self._earlier_bills(state, sensor),
        }
        return self._shell("sensor.html", request[IDENTITY], kind="sensors", may=_may(request[IDENTITY]), **values)

    def _earlier_bills(self, state: State, sensor: Sensor) -> bool:
        """Whether another tariff or power without a day would change bills of months that are over."""
        today = local_day(state.zone_of(sensor), self._clock())
        other = replace(sensor, contracted_power_w=sensor.contracted_power_w + 1)
        return corrected(sensor, other, today) is not None


def _asked(request: web.Request, limit: int) -> view.Asked:
    """The search in an address; what makes no sense in it is not asked for."""
    try:
        found = asked_of(request)
    except FieldError:
        return view.Asked(by_id=True, limit=limit)
    return view.Asked(found.wanted, found.state, by_id=True, limit=limit, offset=found.offset)


def _page(kept: str, offset: int) -> str:
    return "/sensors?" + "&".join(part for part in (kept, f"offset={offset}" if offset > 0 else "") if part)


def _told(state: State, sensor: Sensor) -> dict[str, Any]:
    """A sensor's facts with moments in its own zone."""
    facts = sensor_facts(state, sensor)

    def local(iso: str | None) -> Any:
        if iso is None:
            return None
        at = datetime.fromisoformat(iso)
        return moment(at.astimezone(timezone(timedelta(seconds=zone_at(facts["zone"], at.timestamp()).offset_s))), "date minute")

    tokens = [{name: local(at) for name, at in token.items()} for token in facts["tokens"]]
    moments = {name: local(facts[name]) for name in ("registered_at", "revoked_at")}
    return {**facts, **moments, "tokens": tokens, "limits": "\n".join(f"{k}={v:g}" for k, v in facts["thresholds"].items())}


def _new() -> dict[str, Any]:
    return {"kind": "power", "units": "canonical", "own_zone": "Asia/Seoul", "category": "main", "nominal_voltage_v": 220.0}


def _plans(state: State) -> list[str]:
    texts = {name: built_in.text(name) for name in built_in.BUILT_IN}
    texts |= {name: tariff.versions[-1][1] for name, tariff in state.tariffs.items()}
    return [plan for name, text in sorted(texts.items()) for plan in plans(name, text)]


def _may(identity: Identity) -> bool:
    return identity.may("write") and identity.role in ROLES[_OPERATOR:]


def _safe(value: Any) -> Any:
    """Owners and addresses are free text: no spreadsheet may take one for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value

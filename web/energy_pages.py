"""/energy: a sensor's energy from year to second. `sensor`, `zoom`, `at` and `by` in the address reopen the same view."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from infra.errors import PartUnavailable
from streams.catalog.state import Sensor, State
from web.api.answer_table import answer, form_of
from web.auth import problem
from web.energy_rows import COLUMNS
from web.energy_source import EnergySource, Inside
from web.identity import IDENTITY
from web.meter_pages import Shell
from web.pages import energy as plots
from web.view import energy as view
from web.view import period, quantity
from web.view import period_words as words
from web.view.energy import Card
from web.view.meter_day import iso
from web.view.period import Period
from web.view.say import joined, say

REFRESH_S = {"minute": 2, "hour": 5, "day": 10, "week": 30, "month": 30, "year": 60}
"""How often an open page asks again, while its span is running."""

_ZOOMS = {
    "year": say("Year"),
    "month": say("Month"),
    "week": say("Week"),
    "day": say("Day"),
    "hour": say("Hour"),
    "minute": say("Minute"),
}
_STEPS = {
    "month": say("by month"),
    "day": say("by day"),
    "hour": say("by hour"),
    "quarter": say("by quarter-hour"),
    "minute": say("by minute"),
    "second": say("each sample"),
}
_MINUTE_COLUMNS = ("sensor_id", "minute", *(f"{k}_{p}_kw" for p in "abc" for k in ("mean", "min", "max")), "coverage")
_METER_COLUMNS = ("sensor_id", "minute", "mean_kva", "min_kva", "max_kva", "coverage")
_SECOND_COLUMNS = ("sensor_id", "at", "a_kw", "b_kw", "c_kw")


class Chosen:
    """Which sensor a page of money or energy is about.

    Args:
        state: the catalog.
    """

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def sensor(self, request: web.Request) -> Sensor | None:
        """The one asked for; the first main one when none is; None: there is no such."""
        asked = request.query.get("sensor", "").strip().lower()
        sensors = self._state().sensors
        if asked:
            return sensors.get(asked)
        return min(
            sensors.values(),
            key=lambda one: (not one.tariff, one.kind != "power", one.category != "main", one.sensor_id),
            default=None,
        )

    def zone(self, sensor: Sensor) -> str:
        return self._state().zone_of(sensor)


class EnergyPages:
    """Everything /energy holds.

    Args:
        shell: answers with a page without a document on the server.
        clock: UTC seconds.
    """

    def __init__(self, source: EnergySource, chosen: Chosen, shell: Shell, clock: Callable[[], float]) -> None:
        self._source, self._chosen, self._shell, self._clock = source, chosen, shell, clock

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/energy", told(self.show)), web.get("/energy/file", told(self.file))]

    async def show(self, request: web.Request) -> web.Response:
        sensor = self._chosen.sensor(request)
        if sensor is None:
            return no_sensor(self._shell, request, "energy")
        inside, cards = await asyncio.gather(self._inside(request, sensor), self._source.cards(sensor))
        return self._shell(
            "energy.html",
            request[IDENTITY],
            kind="energy",
            sensor_id=sensor.sensor_id,
            plots=plots.document(),
            view=self._view(inside),
            cards=[_card(one, sensor) for one in cards],
            **self._said(inside, sensor),
        )

    async def file(self, request: web.Request) -> web.Response:
        """What the page shows, as JSON, CSV or Parquet."""
        sensor = self._chosen.sensor(request)
        if sensor is None:
            return problem(404, "unknown_sensor", "there is no such sensor: none is registered by this id")
        inside = await self._inside(request, sensor)
        columns: tuple[str, ...] = COLUMNS
        if inside.step == "minute":
            columns = _METER_COLUMNS if sensor.kind == "linky" else _MINUTE_COLUMNS
        elif inside.step == "second":
            columns = _SECOND_COLUMNS
        facts = {"zone": inside.period.zone, "from": iso(inside.period.start_s), "to": iso(inside.period.end_s)}
        name = f"energy-{sensor.sensor_id}-{inside.period.at.replace(':', '')}"
        return answer(form_of(request), facts, "rows", inside.rows, columns, name)

    async def _inside(self, request: web.Request, sensor: Sensor) -> Inside:
        query = request.query
        zoom = query.get("zoom", "day")
        if zoom == "minute" and sensor.kind == "linky":
            zoom = "hour"  # its frames are on the page of meters
        one = period.asked(zoom, query.get("at", ""), self._chosen.zone(sensor), self._clock())
        return await self._source.inside(sensor, one, by_quarter=query.get("by") == "quarter")

    def _view(self, inside: Inside) -> dict[str, Any]:
        running = inside.period.holds(self._clock())
        return inside.plot | {"every_s": REFRESH_S[inside.period.zoom] if running else None}

    def _said(self, inside: Inside, sensor: Sensor) -> Mapping[str, Any]:
        """Everything the page says in words."""
        one, now_s = inside.period, self._clock()
        following = period.after(one)
        query = {"sensor": sensor.sensor_id, "zoom": one.zoom, "at": one.at}
        by = {"by": "quarter"} if inside.step == "quarter" else {}
        span = {"sensor": sensor.sensor_id, "from": iso(one.start_s), "to": iso(one.end_s), "resolution": "quarter"}
        exact = {"bands": "1"} if inside.plan else {}
        return {
            "sensor": sensor,
            "zone": one.zone,
            "inside": inside,
            "title": words.title(one),
            "total": inside.total,
            "against": inside.against,
            "past": words.title(inside.past),
            "is_past": following.start_s <= now_s,
            "crumbs": [(words.short(c), link(sensor, c)) for c in words.crumbs(one)],
            "zooms": [(zoom, link(sensor, period.around(zoom, one.zone, _look_at(one, now_s)))) for zoom in _zooms(sensor)],
            "earlier": link(sensor, inside.past) + ("&by=quarter" if by else ""),
            "later": link(sensor, following) + ("&by=quarter" if by else "") if following.start_s <= now_s else None,
            "by_hour": link(sensor, one),
            "by_quarter": link(sensor, one) + "&by=quarter",
            "files": {form: f"/energy/file?{urlencode(query | by | {'format': form})}" for form in ("csv", "parquet")},
            "quarter_files": {form: f"/api/v1/energy?{urlencode(span | exact | {'format': form})}" for form in ("csv", "parquet")}
            if one.zoom in ("day", "week", "month", "year")
            else {},
            "legend": _legend(inside),
            "table": _table(inside, sensor),
            "unit": "kWh" if inside.plot["bars"] or inside.step in ("month", "day", "hour", "quarter") else _unit(sensor),
            "names": _ZOOMS,
            "steps": _STEPS,
            "number": words.number,
            "pct": words.pct,
            "signed": words.signed_pct,
        }


def no_sensor(shell: Shell, request: web.Request, kind: str) -> web.Response:
    """That there is no such sensor, or none at all."""
    asked = request.query.get("sensor", "").strip()[:64]
    return shell("no_sensor.html", request[IDENTITY], status=404 if asked else 200, kind=kind, asked=asked)


def told(handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
    """Says so when ClickHouse does not answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            found: web.StreamResponse = await handler(request)
        except PartUnavailable as error:
            return problem(503, "unavailable", str(error))
        return found

    return handle


def link(sensor: Sensor, one: Period) -> str:
    """The address of a view."""
    return f"/energy?{urlencode({'sensor': sensor.sensor_id, 'zoom': one.zoom, 'at': one.at})}"


def _look_at(one: Period, now_s: float) -> float:
    """Where to look when the width changes: at now if it is in view, else at the beginning."""
    return now_s if one.holds(now_s) else one.start_s


def _zooms(sensor: Sensor) -> list[str]:
    return [zoom for zoom in period.ZOOMS if zoom != "minute" or sensor.kind != "linky"]


def _unit(sensor: Sensor) -> str:
    return "kVA" if sensor.kind == "linky" else "kW"


def _card(card: Card, sensor: Sensor) -> dict[str, Any]:
    whole = sum(part.kwh for part in card.total.parts) or 1.0
    shares = [(part, max(0.0, 100 * part.kwh / whole)) for part in card.total.parts]
    return {"card": card, "link": link(sensor, card.period), "shares": shares}


def _legend(inside: Inside) -> list[tuple[str, str, str]]:
    """(colour, name, energy) of each band."""
    if inside.step in ("minute", "second"):
        return []
    whole = inside.total.kwh
    return [
        (part.colour, part.name, joined("", [words.number(part.kwh), " kWh, ", words.pct(part.kwh / whole if whole else None)]))
        for part in inside.total.parts
        if part.band
    ]


def _table(inside: Inside, sensor: Sensor) -> list[dict[str, Any]]:
    """A line a period inside, with the way into it; none of minutes and seconds."""
    if inside.step in ("second",):
        return []
    one, lines = inside.period, []
    if inside.step == "minute":
        opens = inside.plot["opens"]
        for k, row in enumerate(inside.rows):
            values = [row.get(name) for name in ("mean_a_kw", "mean_b_kw", "mean_c_kw", "mean_kva")]
            known = [v for v in values if v is not None]
            into = opens[k][2] if k < len(opens) else None
            lines.append(
                {
                    "name": words.label(one, "minute", view.at_s(row, "minute")),
                    "link": _into(sensor, into),
                    "value": words.number(sum(known)) if known else quantity.DASH,
                    "peak": None,
                    "measured": words.pct(row["coverage"]),
                }
            )
        return lines
    by_start: dict[str, list[Any]] = {}
    for row in inside.rows:
        by_start.setdefault(row["start"], []).append(row)
    into_of = {left: into for left, _, into in inside.plot["opens"]}
    for rows in by_start.values():
        start, end, whole = view.at_s(rows[0]), view.at_s(rows[0], "end"), view.total(rows)
        if whole.coverage is None:
            continue
        lines.append(
            {
                "name": words.named(one, inside.step, start, end),
                "link": _into(sensor, into_of.get((start - one.start_s) * 1000)),
                "value": words.number(whole.kwh) if whole.measured else quantity.DASH,
                "peak": words.number(whole.peak_kw),
                "measured": words.pct(whole.coverage),
            }
        )
    return lines


def _into(sensor: Sensor, into: str | None) -> str | None:
    if into is None:
        return None
    zoom, _, at = into.partition("/")
    return f"/energy?{urlencode({'sensor': sensor.sensor_id, 'zoom': zoom, 'at': at})}"

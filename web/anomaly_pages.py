"""/anomalies: what went wrong, as a timeline and a list; `id` in the address: one of them, with what was measured around it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup

from sinks.clickhouse import ClickHouse
from streams.catalog.state import State
from streams.core import energy
from web import anomaly_queries
from web.anomaly_queries import Asked
from web.api.anomalies import meant
from web.api.operation import ROLES
from web.energy_pages import told
from web.identity import IDENTITY, Identity
from web.meter_pages import Shell
from web.pages import anomaly as plots
from web.receiver_pages import may_look
from web.view import anomaly as words
from web.view import anomaly_facts as facts
from web.view import anomaly_plot, period
from web.view.anomaly_facts import Row
from web.view.clock import DEFAULT_ZONE
from web.view.fleet import Entry
from web.view.meter_day import iso
from web.view.say import Text, say

LISTED, DRAWN = 100, 2000
"""Lines of the list, marks of the timeline."""
REFRESH_S = 5
SPANS: dict[str, tuple[int, Text]] = {
    "hour": (3600, say("1 hour")),
    "day": (86_400, say("24 hours")),
    "week": (7 * 86_400, say("7 days")),
    "month": (30 * 86_400, say("30 days")),
    "year": (365 * 86_400, say("12 months")),
}
_FILTERS = ("q", "sensor", "rule", "severity", "state", "acknowledged", "withdrawn", "from", "to", "span", "lanes")
_OPERATOR = ROLES.index("operator")


@dataclass(frozen=True, slots=True)
class Around:
    """What the pages need of their server.

    Attributes:
        entries: when each sensor was last heard.
        on: whether anomalies are looked for.
        clock: UTC seconds.
    """

    db: ClickHouse
    state: Callable[[], State]
    entries: Callable[[], Any]
    shell: Shell
    clock: Callable[[], float]
    on: bool


class AnomalyPages:
    """Everything /anomalies holds."""

    def __init__(self, around: Around) -> None:
        self._at = around

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/anomalies", told(self.show))]

    async def show(self, request: web.Request) -> web.Response:
        return await (self._one(request) if "id" in request.query else self._every(request))

    # ---- all of them

    async def _every(self, request: web.Request) -> web.Response:
        state, now_s = self._at.state(), self._at.clock()
        query = {name: request.query.get(name, "").strip()[:200] for name in _FILTERS}
        zone = _zone(state, query["sensor"])
        start_s, end_s = span(query, zone, now_s)
        asked = _asked(state, query, start_s, end_s)
        db = self._at.db
        rows, going = await asyncio.gather(
            anomaly_queries.find(db, asked, DRAWN + 1), anomaly_queries.count(db, Asked(state="open", source=asked.source))
        )
        kept = {name: value for name, value in query.items() if value}
        by_rule = query["lanes"] == "rule"
        drawn = anomaly_plot.timeline(rows[:DRAWN], start_s, end_s, zone, now_s, by_rule=by_rule)
        offset = int(text) if (text := request.query.get("offset", "0")).isdecimal() and len(text) < 7 else 0
        part = rows[offset : offset + LISTED]
        return self._at.shell(
            "anomalies.html",
            request[IDENTITY],
            kind="anomalies",
            query=query,
            zone=zone,
            on=self._at.on,
            receivers=may_look(request[IDENTITY]),
            plots=plots.timeline(),
            view={**drawn, "every_s": REFRESH_S if end_s >= now_s - 60 else None},
            rows=[words.listed(row, zone, now_s) for row in part],
            total=len(rows),
            more=len(rows) > DRAWN,
            first=offset + 1,
            last=offset + len(part),
            before=_link(kept, offset=str(offset - LISTED) if offset > LISTED else "") if offset else None,
            after=_link(kept, offset=str(offset + LISTED)) if offset + LISTED < len(rows) else None,
            going=going,
            watched=sum(one.kind == "power" and not one.revoked for one in state.sensors.values()),
            sensors=sorted(state.sensors)[:500],
            spans=[(name, said, _link(kept, span=name, **{"from": "", "to": ""})) for name, (_, said) in SPANS.items()],
            chosen="" if query["from"] or query["to"] else query["span"] if query["span"] in SPANS else "day",
            lanes=[("", say("by sensor"), _link(kept, lanes="")), ("rule", say("by rule"), _link(kept, lanes="rule"))],
            title=say("{start} to {end}", start=words.when(zone, int(start_s * 1e6)), end=words.when(zone, int(end_s * 1e6))),
            files=_files(query, start_s, end_s),
            silent=await self._silent(now_s) if query["state"] != "closed" else [],
            rules=words.RULES,
            severities=words.SEVERITIES,
            states={name: words.STATES[name] for name in facts.STATES},
        )

    async def _silent(self, now_s: float) -> list[dict[str, Any]]:
        """Registered sensors that are not heard, the longest silent first, never heard ones last."""
        found: list[Entry] = await self._at.entries()
        lost = [one for one in found if one.sensor is not None and not one.sensor.revoked and not one.live(now_s)]
        lost.sort(key=lambda one: (one.newest_s is None, one.newest_s or 0, one.sensor_id))
        return [
            {
                "id": one.sensor_id,
                "since": None if one.newest_s is None else words.when(one.zone or DEFAULT_ZONE, (one.newest_s + 1) * 1_000_000),
                "span": None if one.newest_s is None else words.span(max(0.0, float(int(now_s) - one.newest_s - 1))),
            }
            for one in lost
        ]

    # ---- one of them

    async def _one(self, request: web.Request) -> web.Response:
        asked = request.query["id"].strip().lower()
        row = await anomaly_queries.one(self._at.db, asked) if len(asked) == 32 else None
        if row is None:
            return self._at.shell("no_anomaly.html", request[IDENTITY], status=404, kind="anomalies", asked=asked[:40])
        now_s, state = self._at.clock(), self._at.state()
        history, minutes = await asyncio.gather(anomaly_queries.history(self._at.db, row["id"]), self._minutes(row, now_s))
        sensor = state.sensors.get(row["source"])
        zone = state.zone_of(sensor) if sensor else DEFAULT_ZONE
        drawn = anomaly_plot.around(row, minutes, zone, now_s)
        running = row["state"] == "open" or not row["final"]
        return self._at.shell(
            "anomaly.html",
            request[IDENTITY],
            kind="anomalies",
            row=row,
            sensor=sensor,
            zone=zone,
            plots=plots.around(),
            view={**drawn, "every_s": REFRESH_S if running else 10},
            drawn=anomaly_plot.kind_of(row),
            legend=anomaly_plot.legend(drawn["lines"]),
            sentence=words.sentence(row, now_s),
            line=words.listed(row, zone, now_s),
            start=words.when(zone, row["start_us"], exact=True),
            end=None if row["end_us"] is None else words.when(zone, row["end_us"], exact=True),
            limit=words.value(row, row["limit_value"]) if row["limit_value"] else None,
            ieee1159=words.ieee1159(row),
            en50160=words.en50160(row),
            trace=Markup("<code>powermon trace {} {}</code>").format(row["source"], iso(row["start_us"] / 1e6)),
            links=_looks(row, zone),
            history=[{**one, "when": words.when(zone, one["said_us"])} for one in reversed(history)],
            may=_may(request[IDENTITY]),
        )

    async def _minutes(self, row: Row, now_s: float) -> list[anomaly_plot.MinuteRow]:
        if row["rule"] in ("sag", "swell", "interruption"):
            return []
        start_s, end_s = anomaly_plot.span_of(row, now_s)
        return await anomaly_queries.minutes(self._at.db, row["kind"], row["source"], int(start_s), int(end_s))


def span(query: dict[str, str], zone: str, now_s: float) -> tuple[float, float]:
    """The time an address asks for: whole local days, or so long until now."""
    first, last = (_day(query[name]) for name in ("from", "to"))
    if first is None and last is None:
        return now_s - SPANS.get(query["span"], SPANS["day"])[0], now_s
    today = energy.local_day(zone, now_s)
    last = max(last or today, first or date.min)
    first = first or last - timedelta(7)
    return energy.midnight(zone, first), energy.midnight(zone, last + timedelta(1))


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if period.EARLIEST <= found <= period.LATEST else None


def _asked(state: State, query: dict[str, str], start_s: float, end_s: float) -> Asked:
    """The filter of an address; what makes no sense in it is not asked for."""
    return Asked(
        since_us=int(start_s * 1e6),
        until_us=int(end_s * 1e6),
        source=query["sensor"].lower(),
        acknowledged={"0": False, "1": True}.get(query["acknowledged"]),
        withdrawn=query["withdrawn"] == "1",
        text=query["q"],
        named=meant(state, query["q"]),
        rule=_one_of(query["rule"], facts.RULES),
        severity=_one_of(query["severity"], facts.SEVERITIES),
        state=_one_of(query["state"], facts.STATES),
    )


def _one_of(asked: str, known: tuple[str, ...]) -> str:
    return asked if asked in known else ""


def _zone(state: State, sensor: str) -> str:
    """Of the sensor asked for; else that of most sensors."""
    known = state.sensors.get(sensor.lower())
    if known is not None:
        return state.zone_of(known)
    zones = [state.zone_of(one) for one in state.sensors.values()]
    return max(sorted(set(zones)), key=zones.count, default=DEFAULT_ZONE)


def _link(kept: dict[str, str], **changed: str) -> str:
    values = {name: value for name, value in {**kept, **changed}.items() if value}
    return f"/anomalies?{urlencode(values)}" if values else "/anomalies"


def _files(query: dict[str, str], start_s: float, end_s: float) -> dict[str, str]:
    """Where the list is as a file."""
    choices = {"rule": facts.RULES, "severity": facts.SEVERITIES, "state": facts.STATES, "acknowledged": "01", "withdrawn": "1"}
    values = {name: query[name] for name, known in choices.items() if query[name] and query[name] in known}
    values |= {"from": iso(start_s), "to": iso(end_s + 1), "limit": "10000"}
    values |= {name: query[mine] for name, mine in (("q", "q"), ("source", "sensor")) if query[mine]}
    return {form: f"/api/v1/anomalies?{urlencode({**values, 'format': form})}" for form in ("csv", "parquet")}


def _looks(row: Row, zone: str) -> dict[str, str]:
    """Where what was measured then can be seen."""
    at_s = row["start_us"] / 1e6
    zooms = ("hour",) if row["kind"] == "linky" else ("minute", "hour")
    around = {zoom: period.around(zoom, zone, at_s) for zoom in zooms}
    return {zoom: f"/energy?{urlencode({'sensor': row['source'], 'zoom': zoom, 'at': one.at})}" for zoom, one in around.items()}


def _may(identity: Identity) -> bool:
    return identity.may("write") and identity.role in ROLES[_OPERATOR:]

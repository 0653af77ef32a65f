"""/api/v1/anomalies: what went wrong, when and how badly; who has seen it. /api/v1/silent-sensors: who is not heard."""

import re
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from schemas.anomaly_note import NOTE_MOST, AnomalyNote
from sinks.clickhouse import ClickHouse
from streams.catalog.admin.facts import Wanted
from streams.catalog.admin.fields import FieldError, shown
from streams.catalog.state import State
from web import anomaly_queries
from web.anomaly_notes import Notes
from web.anomaly_queries import Asked
from web.api import anomaly_schemas, schemas
from web.api.answer_table import PARAMETER, answer, described, form_of
from web.api.moments import MOMENT, moment
from web.api.operation import LIMIT, LIMIT_MOST, Operation, Refused, members, number
from web.fleet import Fleet
from web.identity import IDENTITY
from web.view import anomaly_facts as facts
from web.view.anomaly_facts import Row
from web.view.fleet import Entry

_TAG = "anomalies"
_ONE = "/api/v1/anomalies/{id}"
_SEEN = f"{_ONE}/acknowledgement"
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_CURSOR = re.compile(r"([0-9]{1,16})\.([0-9a-f]{32})", re.ASCII)
_CHOICES = {"rule": facts.RULES, "kind": facts.KINDS, "state": facts.STATES, "severity": facts.SEVERITIES}
_UNKNOWN = {404: "unknown_anomaly"}


class AnomaliesApi:
    """The door for anomalies.

    Args:
        notes: where what people say goes.
        clock: UTC seconds.
    """

    def __init__(
        self, db: ClickHouse, state: Callable[[], State], fleet: Fleet, notes: Notes, clock: Callable[[], float]
    ) -> None:
        self._db, self._state, self._fleet, self._notes, self._clock = db, state, fleet, notes, clock
        self._log = structlog.get_logger(__name__)

    def operations(self) -> list[Operation]:
        whole = schemas.answer("As it is now.", "Anomaly")
        return [
            Operation(
                *("GET", "/api/v1/anomalies", _TAG, "Anomalies, the newest first", self.every),
                description="Intervals in which a rule was broken, by their start. `next` is the cursor of the following part. "
                "Those withdrawn, as later data showed that they were none, are left out unless asked for.",
                parameters=_parameters(),
                answers={200: described("The anomalies.", anomaly_schemas.LIST)},
            ),
            Operation("GET", _ONE, _TAG, "One anomaly with its samples", self.show, answers={200: whole}, errors=_UNKNOWN),
            Operation(
                *("POST", _SEEN, _TAG, "Acknowledge it, or change the note", self.acknowledge, "operator", "write"),
                body=schemas.body("AnomalyNote", {"note": "the compressor's start; electrician is told"}, required=False),
                answers={200: whole},
                errors=_UNKNOWN,
            ),
            Operation(
                *("DELETE", _SEEN, _TAG, "Take the acknowledgement back", self.take_back, "operator", "write"),
                description="What was said before stays in its history.",
                answers={200: whole},
                errors=_UNKNOWN,
            ),
            Operation(
                *("GET", "/api/v1/silent-sensors", _TAG, "Which sensors are silent, and since when", self.silent),
                description="Registered ones, the longest first; `since` is the first moment that was not heard; null: "
                "nothing ever was.",
                parameters=(schemas.query("site", "the id of a site"), PARAMETER),
                answers={200: described("The sensors.", anomaly_schemas.SILENT)},
            ),
        ]

    async def every(self, request: web.Request) -> web.Response:
        form, asked = form_of(request), asked_of(request, self._state())
        limit = number(request, "limit", LIMIT, 1, LIMIT_MOST)
        rows = await anomaly_queries.find(self._db, asked, limit + 1, _cursor(request))
        now_s = self._clock()
        following = f"{rows[limit - 1]['start_us']}.{rows[limit - 1]['id']}" if len(rows) > limit else None
        found = [facts.facts(row, now_s) for row in rows[:limit]]
        if form != "json":
            found = [facts.in_file(one) for one in found]
        return answer(form, {"next": following}, "anomalies", found, facts.COLUMNS, "anomalies")

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(await self._whole(await self._row(request)))

    async def acknowledge(self, request: web.Request) -> web.Response:
        note = (await members(request, ("note",))).get("note", "")
        if not isinstance(note, str):
            raise FieldError("note", "wrong_type", f"a JSON {type(note).__name__} came; expected text")
        note = note.strip()
        if len(note) > NOTE_MOST or any(ord(c) < 32 and c not in "\n\t" for c in note):
            raise FieldError("note", "out_of_range", f"{len(note)} characters came; expected text of at most {NOTE_MOST}")
        return await self._say(request, note, acknowledged=True)

    async def take_back(self, request: web.Request) -> web.Response:
        await members(request, ())
        return await self._say(request, "", acknowledged=False)

    async def silent(self, request: web.Request) -> web.Response:
        form, site, now_s = form_of(request), request.query.get("site", ""), self._clock()
        entries = [one for one in await self._fleet.entries() if _waited_for(one, site) and not one.live(now_s)]
        silences = {row["source"]: row for row in await anomaly_queries.open_ones(self._db) if row["rule"] == "silence"}
        entries.sort(key=lambda one: (one.newest_s is None, one.newest_s or 0, one.sensor_id))
        rows = [facts.silent(one.sensor, one.newest_s, silences.get(one.sensor_id), now_s) for one in entries]
        return answer(form, {"total": len(rows)}, "sensors", rows, facts.SILENT_COLUMNS, "silent-sensors")

    async def _say(self, request: web.Request, note: str, *, acknowledged: bool) -> web.Response:
        row, name = await self._row(request), request[IDENTITY].name
        seen = bool(row["acknowledged"])
        if acknowledged != seen or (seen and (row["note"], row["said_by"]) != (note, name)):
            await self._notes.write(AnomalyNote(row["id"], acknowledged, note, name, int(self._clock() * 1000)))
            self._log.info("anomaly", id=row["id"], acknowledged=acknowledged, name=name)
            row = await self._row(request)
        return web.json_response(await self._whole(row))

    async def _row(self, request: web.Request) -> Row:
        asked = request.match_info["id"].lower()
        row = await anomaly_queries.one(self._db, asked) if _ID.fullmatch(asked) else None
        if row is None:
            raise Refused(
                404, "unknown_anomaly", f"there is no anomaly {shown(asked)}; expected the id of one of /api/v1/anomalies"
            )
        return row

    async def _whole(self, row: Row) -> dict[str, Any]:
        return facts.whole(row, await anomaly_queries.history(self._db, row["id"]), self._clock())


def asked_of(request: web.Request, state: State) -> Asked:
    """The filter in a query.

    Raises:
        FieldError: a value of it is none of those known.
    """
    query = request.query
    chosen = {name: _one_of(request, name, known) for name, known in _CHOICES.items()}
    source, text, site = (query.get(name, "").strip()[:200] for name in ("source", "q", "site"))
    known = state.sensors.get(source.lower())
    zone = state.zone_of(known) if known else state.sites[site].zone if site in state.sites else "UTC"
    since_s, until_s = moment(request, "from", zone, -1), moment(request, "to", zone, -1)
    if since_s >= 0 and until_s >= 0 and since_s >= until_s:
        raise FieldError("to", "bad_to", "`to` is not after `from`")
    acknowledged = _one_of(request, "acknowledged", ("0", "1"))
    return Asked(
        since_us=since_s * 1_000_000 if since_s >= 0 else None,
        until_us=until_s * 1_000_000 if until_s >= 0 else None,
        source=source.lower(),
        acknowledged=acknowledged == "1" if acknowledged else None,
        withdrawn=_one_of(request, "withdrawn", ("0", "1")) == "1",
        text=text,
        named=meant(state, text),
        sources=tuple(name for name, one in state.sensors.items() if one.site == site) if site else None,
        **chosen,
    )


def meant(state: State, text: str) -> tuple[str, ...]:
    """Sensors whose owner, address or site a text is part of."""
    wanted = Wanted(text.lower())
    return tuple(name for name, sensor in state.sensors.items() if wanted.fits(sensor)) if text else ()


def _one_of(request: web.Request, name: str, known: tuple[str, ...]) -> str:
    found = request.query.get(name, "")
    if found and found not in known:
        raise FieldError(name, f"bad_{name}", f"{name}={found[:20]} came; expected {', '.join(known)}")
    return found


def _cursor(request: web.Request) -> tuple[int, str] | None:
    asked = request.query.get("cursor", "")
    found = _CURSOR.fullmatch(asked)
    if asked and found is None:
        raise FieldError("cursor", "bad_cursor", f"cursor={asked[:60]} came; expected `next` of the part before")
    return (int(found[1]), found[2]) if found else None


def _waited_for(entry: Entry, site: str) -> bool:
    known = entry.sensor
    return known is not None and not known.revoked and (not site or known.site == site)


def _parameters() -> tuple[dict[str, Any], ...]:
    return (
        schemas.query("from", f"those that end after it: {MOMENT}"),
        schemas.query("to", f"those that begin before it: {MOMENT}"),
        schemas.query("rule", "only this one", enum=list(facts.RULES)),
        schemas.query("source", "the id of a sensor or Linky"),
        schemas.query("site", "the id of a site"),
        schemas.query("kind", "of the source", enum=list(facts.KINDS)),
        schemas.query("state", "open: it goes on", enum=list(facts.STATES)),
        schemas.query("severity", "only such", enum=list(facts.SEVERITIES)),
        schemas.query("acknowledged", "whether somebody has said to have seen it", enum=["0", "1"]),
        schemas.query("withdrawn", "1: also those that were none", enum=["0", "1"], default="0"),
        schemas.query("q", "part of the rule, the note, who said it, or the source's id, owner, address or site"),
        schemas.query("limit", "rows at most", "integer", minimum=1, maximum=LIMIT_MOST, default=LIMIT),
        schemas.query("cursor", "`next` of the part before"),
        PARAMETER,
    )

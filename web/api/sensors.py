"""GET /api/v1/sensors: the list, searched. GET /api/v1/status: what is down."""

import json
import time
from collections.abc import Callable, Mapping

from aiohttp import web

from streams.catalog.admin.facts import REGISTRATIONS, Wanted
from streams.catalog.admin.fields import FieldError
from web.api import schemas
from web.api.operation import LIMIT, LIMIT_MOST, Handler, Operation, number
from web.fleet import Fleet
from web.language import current
from web.outages import Parts
from web.view import fleet as view
from web.view.say import localized

_KINDS = ("power", "linky")
_CATEGORIES = ("main", "submain", "sub", "special")
_STATES = ("live", "silent", "never", *REGISTRATIONS)
_SORTS = ("live", "id")


class SensorsApi:
    """Both answers are asked for by every open page, so each is built once per moment and shared.

    Args:
        boot: differs after each start of this process; a page that sees another one loads itself again.
    """

    def __init__(self, fleet: Fleet, parts: Parts, boot: str, clock: Callable[[], float] = time.time) -> None:
        self._fleet, self._parts, self._boot, self._clock = fleet, parts, boot, clock
        self._built: dict[tuple[view.Asked, str], tuple[int, bytes]] = {}

    async def sensors(self, request: web.Request) -> web.Response:
        wanted, now_s, language = asked(request), self._clock(), current()
        key = wanted, language.code
        built = self._built.get(key)
        if built is None or built[0] != int(now_s):
            entries = await self._fleet.entries()
            body = json.dumps(localized(view.rows(entries, wanted, now_s), language), ensure_ascii=False).encode()
            self._built = {k: v for k, v in self._built.items() if v[0] == int(now_s)}
            built = self._built[key] = (int(now_s), body)
        return web.Response(body=built[1], content_type="application/json", charset="utf-8")

    async def status(self, _: web.Request) -> web.Response:
        outages = await self._parts.outages()
        return web.json_response({"boot": self._boot, "outages": localized(outages.banners(), current())})


def operation(handler: Handler) -> Operation:
    """GET /api/v1/sensors."""
    listed = schemas.listing("sensors", "SensorInList")
    properties = listed["content"]["application/json"]["schema"]["properties"]
    properties["live"] = {"type": "integer", "description": "how many of the kind are live"}
    properties["matching"] = {"type": "integer", "description": "how many are such as were asked for"}
    properties["total"] = {"type": "integer", "description": "how many of the kind there are"}
    return Operation(
        *("GET", "/api/v1/sensors", "sensors", "Sensors, registered or heard of", handler),
        description="To page through all of them, sort by id: the order by liveness changes from moment to moment.",
        parameters=(
            schemas.query("q", "part of the id, owner, address or site"),
            schemas.query("kind", "only these", enum=list(_KINDS)),
            schemas.query("category", "only these", enum=list(_CATEGORIES)),
            schemas.query("site", "the id of a site"),
            schemas.query("owner", "the whole owner, in any case"),
            schemas.query("state", "of its data, or of its registration (new: had no token yet)", enum=list(_STATES)),
            schemas.query("sort", "live: those first that are, then by id", enum=list(_SORTS), default="live"),
            *schemas.PAGING,
        ),
        answers={200: listed},
    )


def asked(request: web.Request) -> view.Asked:
    """What a query wants of the list.

    Raises:
        FieldError: a value of it is none of those known.
    """
    query = request.query
    text, site, owner = (query.get(name, "")[:200].strip() for name in ("q", "site", "owner"))
    kind, category, state, sort = (
        _one_of(query, "kind", _KINDS),
        _one_of(query, "category", _CATEGORIES),
        _one_of(query, "state", _STATES),
        _one_of(query, "sort", _SORTS),
    )
    registration = state if state in REGISTRATIONS else ""
    return view.Asked(
        wanted=Wanted(text.lower(), category, site, owner, registration, kind),
        state="" if registration else state,
        by_id=sort == "id",
        limit=number(request, "limit", LIMIT, 1, LIMIT_MOST),
        offset=number(request, "offset", 0, 0, 100_000_000),
    )


def _one_of(query: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    found = query.get(name, "")
    if found and found not in known:
        raise FieldError(name, f"bad_{name}", f"{name}={found[:20]} came; expected {', '.join(known)}")
    return found

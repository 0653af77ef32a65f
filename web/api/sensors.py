"""GET /api/v1/sensors: the list, searched. GET /api/v1/status: what is down."""

import json
import time
from collections.abc import Callable

from aiohttp import web

from web.auth import problem
from web.fleet import Fleet
from web.identity import IDENTITY
from web.outages import Parts
from web.view import fleet as view

LIMIT = 100


class SensorsApi:
    """Both answers are asked for by every open page, so each is built once per moment and shared.

    Args:
        boot: differs after each start of this process; a page that sees another one loads itself again.
    """

    def __init__(self, fleet: Fleet, parts: Parts, boot: str, clock: Callable[[], float] = time.time) -> None:
        self._fleet, self._parts, self._boot, self._clock = fleet, parts, boot, clock
        self._built: dict[tuple[str, int], tuple[int, bytes]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/v1/sensors", self.sensors), web.get("/api/v1/status", self.status)]

    async def sensors(self, request: web.Request) -> web.Response:
        if not request[IDENTITY].may("read"):
            return problem(403, "scope_missing", "this token lacks the scope read")
        query = request.query.get("q", "")[:64].strip().lower()
        asked = request.query.get("limit", str(LIMIT))
        if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:6]) <= 10_000):
            return problem(422, "bad_limit", f"limit={asked[:20]} came; expected 1 to 10000")
        key, now_s = (query, int(asked[:6])), self._clock()
        built = self._built.get(key)
        if built is None or built[0] != int(now_s):
            entries = await self._fleet.entries()
            body = json.dumps(view.rows(entries, query, now_s, key[1]), ensure_ascii=False).encode()
            self._built = {k: v for k, v in self._built.items() if v[0] == int(now_s)}
            built = self._built[key] = (int(now_s), body)
        return web.Response(body=built[1], content_type="application/json", charset="utf-8")

    async def status(self, _: web.Request) -> web.Response:
        outages = await self._parts.outages()
        return web.json_response({"boot": self._boot, "outages": outages.banners()})

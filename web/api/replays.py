"""/api/v1/replays: an administrator's replays. What fills their tables is given from outside."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import structlog
from aiohttp import web

from infra.errors import NoSuchReplay, PartUnavailable, PowermonError, ReplayRefused
from web.auth import problem
from web.identity import IDENTITY

WORST, WORST_MOST = 20, 1000

Document = dict[str, Any]


class Replays(Protocol):
    """What does the work; calls block."""

    def every(self) -> list[Document]: ...
    def begin(self, document: Document) -> Document: ...
    def status(self, name: str) -> Document: ...
    def diff(self, name: str, worst: int) -> Document: ...
    def swap(self, name: str) -> Document: ...
    def undo(self, name: str) -> Document: ...
    def delete(self, name: str) -> None: ...
    def close(self) -> None: ...


class ReplaysApi:
    """The door for replays."""

    def __init__(self, replays: Replays) -> None:
        self._replays = replays
        self._log = structlog.get_logger(__name__)

    def routes(self) -> list[web.RouteDef]:
        one = "/api/v1/replays/{name}"
        return [
            web.get("/api/v1/replays", self.every),
            web.post("/api/v1/replays", self.begin),
            web.get(one, self.status),
            web.get(f"{one}/diff", self.diff),
            web.post(f"{one}/swap", self.swap),
            web.post(f"{one}/undo", self.undo),
            web.delete(one, self.delete),
        ]

    async def every(self, request: web.Request) -> web.Response:
        return await self._answer(request, "read", lambda: {"replays": self._replays.every()})

    async def begin(self, request: web.Request) -> web.Response:
        try:
            document = await request.json()
        except ValueError:
            return problem(422, "bad_plan", "the body is not JSON; expected the plan that `powermon replay` makes")
        return await self._answer(request, "write", lambda: self._replays.begin(document))

    async def status(self, request: web.Request) -> web.Response:
        return await self._answer(request, "read", lambda: self._replays.status(request.match_info["name"]))

    async def diff(self, request: web.Request) -> web.Response:
        asked = request.query.get("worst", str(WORST))
        if not (asked.isascii() and asked.isdigit() and int(asked[:6]) <= WORST_MOST):
            return problem(422, "bad_worst", f"worst={asked[:20]} came; expected 0 to {WORST_MOST}")
        return await self._answer(request, "read", lambda: self._replays.diff(request.match_info["name"], int(asked[:6])))

    async def swap(self, request: web.Request) -> web.Response:
        return await self._answer(request, "write", lambda: self._replays.swap(request.match_info["name"]))

    async def undo(self, request: web.Request) -> web.Response:
        return await self._answer(request, "write", lambda: self._replays.undo(request.match_info["name"]))

    async def delete(self, request: web.Request) -> web.Response:
        def delete() -> Document:
            self._replays.delete(request.match_info["name"])
            return {}

        return await self._answer(request, "write", delete)

    async def _answer(self, request: web.Request, scope: str, work: Callable[[], Document]) -> web.Response:
        identity = request[IDENTITY]
        if identity.role != "admin":
            return problem(403, "role_missing", f"{identity.name} is {identity.role}; replays need the role admin")
        if not identity.may(scope):
            return problem(403, "scope_missing", f"this token lacks the scope {scope}")
        if scope == "write":
            self._log.info("replay", name=identity.name, method=request.method, path=request.path)
        try:
            return web.json_response(await asyncio.to_thread(work))
        except (PowermonError, ValueError) as error:
            return _refusal(error)


def _refusal(error: Exception) -> web.Response:
    if isinstance(error, PartUnavailable):
        unavailable = problem(503, "unavailable", str(error))
        unavailable.headers["Retry-After"] = "5"
        return unavailable
    if isinstance(error, NoSuchReplay):
        return problem(404, "no_such_replay", str(error))
    return problem(409 if isinstance(error, ReplayRefused) else 422, "replay_refused", str(error))

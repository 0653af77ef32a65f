"""The WebSockets of one gateway process: who is connected, the way in for sensors, and the operator's door to them."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION

from producers.gateway import replies
from producers.gateway.arrival import Arrivals, unavailable
from producers.gateway.calls import NoAnswer
from producers.gateway.members import RejectedError, echo, is_sensor_id, kind, member, no, top_level, wrong_type
from producers.gateway.socket_parts import Parts
from producers.gateway.tokens import bearer
from producers.gateway.verdict import Rejection
from producers.gateway.websocket import GOING_AWAY, REPLACED, Session
from streams.catalog.state import State
from streams.catalog.tokens import hash_of, same

CALLS = ("Reset", "RemoteStartTransaction", "RemoteStopTransaction")
SCOPE = "admin"
_CALL_MAX = 65_536


class Sockets:
    """Sensors' connections, one for each sensor.

    Args:
        ready: what is the matter with the catalog; None when nothing is.
        address_of: whose request it is.
    """

    def __init__(
        self, parts: Parts, arrivals: Arrivals, ready: Callable[[], str | None], address_of: Callable[[web.BaseRequest], str]
    ) -> None:
        self._parts, self._arrivals, self._ready, self._address_of = parts, arrivals, ready, address_of
        self._of: dict[str, Session] = {}
        self._open: set[Session] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._closing = False

    async def connect(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        """GET /powermon/ws/<sensor id>: the WebSocket."""
        if not is_sensor_id(name):
            detail = f"{echo(name, 64)} came; expected 1 to 58 Latin letters, then six digits"
            return self._refuse(Rejection(422, "bad_sensor_id", "sensor_id", detail))
        if not web.WebSocketResponse(compress=False).can_prepare(request):
            answer = self._refuse(
                Rejection(426, "upgrade_required", None, "a plain request came; expected a WebSocket's handshake")
            )
            answer.headers["Upgrade"] = "websocket"
            return answer
        problem = self._ready()
        if self._closing or problem is not None:
            return self._refuse(unavailable(problem or "the gateway is going away; connect again"))
        session = Session(self._parts, name.lower(), bearer(request.headers.get(AUTHORIZATION)), self._address_of(request))
        self._open.add(session)
        try:
            return await session.serve(request, self._known)
        finally:
            self._open.discard(session)
            if self._of.get(session.sensor_id) is session:
                del self._of[session.sensor_id]

    async def call(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        """POST /powermon/ws/<sensor id>/calls: an operator asks a sensor that is connected here."""
        plain = await self._arrivals.read(request, _CALL_MAX)
        answer = (
            plain if isinstance(plain, Rejection) else await self._ask(plain, bearer(request.headers.get(AUTHORIZATION)), name)
        )
        return self._refuse(answer) if isinstance(answer, Rejection) else web.json_response(answer)

    async def close(self) -> None:
        """Answer what is in flight, tell every sensor that the server goes away, and let nobody in."""
        self._closing = True
        await asyncio.gather(*[session.end(GOING_AWAY, "the gateway goes away; connect again") for session in list(self._open)])

    async def _ask(self, plain: bytes, token: str | None, name: str) -> dict[str, Any] | Rejection:
        user = self._administrator(token)
        asked = user if isinstance(user, Rejection) else _call(plain)
        if isinstance(asked, Rejection):
            return asked
        session = self._of.get(name.lower())
        if session is None:
            detail = f"sensor {echo(name.lower(), 64)} is not connected to this gateway process"
            return Rejection(404, "not_found", "sensor_id", detail)
        action, payload = asked
        structlog.get_logger(__name__).info("sensor called", sensor_id=session.sensor_id, action=action, user=user)
        try:
            reply = await session.calls.ask(action, payload)
        except NoAnswer as error:
            return Rejection(504, "unavailable", None, str(error))
        if reply.error is None:
            return {"result": reply.payload}
        return {"error": dict(zip(("code", "text", "details"), reply.error, strict=True))}

    def _known(self, session: Session) -> None:
        """The newer connection of a sensor stays: the older one may be a dead peer's, not yet noticed."""
        older = self._of.get(session.sensor_id)
        self._of[session.sensor_id] = session
        if older is not None:
            task = asyncio.create_task(older.end(REPLACED, "another connection of this sensor took over"))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    def _administrator(self, token: str | None) -> str | Rejection:
        if (problem := self._ready()) is not None:
            return unavailable(problem)
        if token is None:
            return Rejection(401, "token_missing", "token", "no token came; expected a user's token in Authorization: Bearer")
        return administrator(self._parts.catalog.state, token, time.time_ns() // 1_000_000)

    def _refuse(self, rejection: Rejection) -> web.Response:
        self._parts.meters.refused[rejection.code] += 1
        return replies.problem(rejection)


def administrator(state: State, token: str, now_ms: int) -> str | Rejection:
    """Whose token this is, if it may do what an administrator may."""
    digest = hash_of(token)
    grant = state.user_tokens.get(digest)
    if grant is None or not same(grant.token_sha256, digest) or grant.name not in state.users:
        return Rejection(401, "token_invalid", "token", "the token is no user's; take one by `powermon tokens issue --user`")
    if now_ms >= grant.expires_at_ms:
        return Rejection(401, "token_expired", "token", "the token has expired; take a new one")
    if SCOPE not in grant.scope.split():
        return Rejection(403, "scope_missing", "token", f"this token lacks the scope {SCOPE}")
    return grant.name


def _call(plain: bytes) -> tuple[str, dict[str, Any]] | Rejection:
    try:
        top = top_level(plain)
        action, payload = member(top, "action", ""), top.get("payload", {})
        if action not in CALLS:
            came = echo(action, 40) if isinstance(action, str) else kind(action)
            no("out_of_range", "action", f"{came} came; expected {', '.join(CALLS)}")
        if not isinstance(payload, dict):
            wrong_type("payload", payload, "an object")
    except RejectedError as error:
        return error.rejection
    return action, payload

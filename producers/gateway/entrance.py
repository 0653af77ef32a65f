"""The doors of a sensor that has no token yet, or a new one to get: boot, token, time."""

import time
from collections.abc import Callable
from typing import Any, Protocol

import structlog
from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION

from infra.errors import PartUnavailable
from producers.gateway import addresses, provisioning, replies, secrets, timesync
from producers.gateway.arrival import Arrivals, unavailable
from producers.gateway.limits import RateLimit, Seldom, WrongSecrets
from producers.gateway.meters import Meters
from producers.gateway.tokens import admit, bearer, holder
from producers.gateway.verdict import MISSING, Admission, Rejection
from streams.catalog.admin import grants
from streams.catalog.commands import Command
from streams.catalog.outcome import Outcome
from streams.catalog.state import State

BODY_MAX = 65_536
TOKENS_PER_S, TOKENS_BURST = 0.1, 60
"""Tokens one sensor may get: each is written to the catalog's log for ever."""

AddressOf = Callable[[web.BaseRequest], str]


class Catalog(Protocol):
    """What is needed of streams.catalog.view.CatalogView."""

    state: State

    @property
    def caught_up(self) -> bool: ...
    def problem(self) -> str | None: ...
    async def submit(self, command: Command, *, actor: str = ...) -> Outcome: ...


class Entrance:
    """Gives tokens and the time.

    Args:
        address_of: whose request it is.
        public_host: host[:port] that sensors are told; empty: the one they asked.
    """

    def __init__(self, view: Catalog, meters: Meters, arrivals: Arrivals, address_of: AddressOf, public_host: str = "") -> None:
        self._view, self._meters, self._arrivals = view, meters, arrivals
        self._address_of, self._public_host = address_of, public_host
        self._wrong = WrongSecrets()
        self._tokens = RateLimit(TOKENS_PER_S, TOKENS_BURST)
        self._seldom = Seldom()
        self._log = structlog.get_logger(__name__)

    async def boot(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /powermon/boot: a secret gives a token, addresses, settings and the time."""
        received_ms = _now_ms()
        plain = await self._arrivals.read(request, BODY_MAX)
        if isinstance(plain, Rejection):
            return self._refuse(plain)
        asked = provisioning.boot(plain, self._check_of(request))
        if isinstance(asked, Rejection):
            return self._refuse(asked)
        issued = await self._issue(asked.sensor_id, "secret")
        if isinstance(issued, Rejection):
            return self._refuse(issued)
        self._meters.boots += 1
        address = self._address_of(request)
        self._log.info("sensor boots", sensor_id=asked.sensor_id, address=address, firmware=asked.firmware, format=asked.version)
        issued["host"] = self._public_host or provisioning.host(request.headers.get("Host", ""))
        sensor = self._view.state.sensors.get(asked.sensor_id)
        linky = sensor is not None and sensor.kind == "linky"
        issued |= {"urls": provisioning.LINKY_URLS if linky else provisioning.URLS, "settings": provisioning.SETTINGS}
        issued["time"] = timesync.stamps(asked.t0, received_ms, _now_ms())
        return _fresh(issued)

    async def token(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /powermon/token: the present token, or the secret, gives a new one."""
        header_token = bearer(request.headers.get(AUTHORIZATION))
        plain = b"" if not request.body_exists else await self._arrivals.read(request, BODY_MAX)
        if isinstance(plain, Rejection):
            return self._refuse(plain)
        asked = provisioning.refresh(plain, self._check_of(request), self._admit, self._holder, header_token, _now_ms())
        if isinstance(asked, Rejection):
            return self._refuse(asked)
        issued = await self._issue(asked.sensor_id, asked.by)
        return self._refuse(issued) if isinstance(issued, Rejection) else _fresh(issued)

    async def time(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /powermon/time: one exchange; it needs no token."""
        received_ms = _now_ms()
        plain = await self._arrivals.read(request, BODY_MAX)
        asked = plain if isinstance(plain, Rejection) else provisioning.time(plain)
        if isinstance(asked, Rejection):
            return self._refuse(asked)
        return _fresh(timesync.stamps(asked[1], received_ms, _now_ms()))

    def check_secret(self, sensor_id: str, secret: Any, address: str) -> Rejection | None:
        """Judge a secret, and count it when it is wrong.

        The right one always passes: else whoever knows a sensor's id could keep it out by wrong guesses.
        """
        if not self._view.caught_up:
            return unavailable("the gateway is starting and does not know its sensors yet")
        refused = secrets.check(self._view.state, sensor_id, secret)
        if refused is None or refused.status != 401 or secret is MISSING:
            return refused
        now_s = time.monotonic()
        self._meters.secrets_refused += 1
        more = self._seldom.more("secret", now_s)
        if more is not None:
            self._log.warning("secret refused", sensor_id=sensor_id, address=address, more=more)
        wait_s = self._wrong.wait_s((f"sensor {sensor_id}", f"address {addresses.counted(address) or address}"), now_s)
        if not wait_s:
            return refused
        self._meters.limited["secret"] += 1
        return Rejection(429, "rate_limited", "secret", "too many wrong secrets; wait", None, wait_s)

    def _check_of(self, request: web.BaseRequest) -> provisioning.CheckSecret:
        return lambda sensor_id, secret: self.check_secret(sensor_id, secret, self._address_of(request))

    def _admit(self, sensor_id: str, in_body: Any, in_header: str | None, now_ms: int) -> Admission | Rejection:
        if not self._view.caught_up:
            return unavailable("the gateway is starting and does not know its sensors yet")
        return admit(self._view.state, sensor_id, in_body, in_header, now_ms, kind=None)

    def _holder(self, in_body: Any, in_header: str | None) -> str | None:
        return holder(self._view.state, in_header if in_body is MISSING else in_body)

    async def _issue(self, sensor_id: str, by: str) -> dict[str, Any] | Rejection:
        """The members of an answer that hold a new token; the log decides whether there is one."""
        wait_s = self._tokens.wait_s(sensor_id, time.monotonic())
        if wait_s:
            self._meters.limited["tokens"] += 1
            return Rejection(429, "rate_limited", None, f"sensor {sensor_id} gets tokens too often; wait", sensor_id, wait_s)
        problem = self._view.problem()
        if problem is not None:
            return self._away(problem)
        token, command = grants.for_sensor(sensor_id, _now_ms())
        try:
            outcome = await self._view.submit(command, actor=f"sensor {sensor_id}")
        except PartUnavailable as error:
            return self._away(str(error))
        if outcome.code == "sensor_disabled":  # revoked while it asked
            return Rejection(403, "sensor_disabled", "sensor_id", outcome.detail)
        if not outcome.accepted:
            return unavailable(f"{outcome.detail}; try again")
        self._meters.issued[by] += 1
        return {
            "token": token,
            "token_type": "Bearer",
            "expires_in": (command.expires_at_ms - command.issued_at_ms) // 1000,
            "refresh_after": (command.refresh_at_ms - command.issued_at_ms) // 1000,
        }

    def _away(self, reason: str) -> Rejection:
        """The reason names parts of ours: it is for the log."""
        more = self._seldom.more("away", time.monotonic())
        if more is not None:
            self._log.warning("no token given", reason=reason, more=more)
        return unavailable("the catalog does not answer now; try again")

    def _refuse(self, rejection: Rejection) -> web.Response:
        self._meters.refused[rejection.code] += 1
        return replies.problem(rejection)


def _fresh(answer: Any) -> web.Response:
    """200, and nobody on the way keeps a copy."""
    return web.json_response(answer, headers={"Cache-Control": "no-store"})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

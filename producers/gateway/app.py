"""The gateway: sensors' posts to the log."""

import asyncio
import contextlib
import gc
import sys
import time
from collections.abc import Awaitable
from typing import Any, cast

import structlog
from aiohttp import web
from prometheus_client import REGISTRY

from infra import certificate, health
from infra.publish import LogUnavailable, Publisher
from infra.settings import Settings
from producers.gateway import addresses, files, guide, quick, replies, tls
from producers.gateway.arrival import Arrivals
from producers.gateway.connection import Connection, Server
from producers.gateway.entrance import Entrance
from producers.gateway.handlers import Handlers
from producers.gateway.limits import RateLimit, Seldom
from producers.gateway.members import echo
from producers.gateway.meters import Meters
from producers.gateway.routes import Handler, Routes
from producers.gateway.socket_parts import Parts
from producers.gateway.sockets import Sockets
from producers.gateway.tic_door import TicDoor
from producers.gateway.verdict import Rejection
from schemas import topics
from schemas.registry import Registry
from streams.catalog.view import CatalogView, Schemas, view_of

_HOT_PATH = "/powermon/data"
_SHUTDOWN_S = 15.0


class Gateway:
    """A gateway that serves. Made by `start`.

    Attributes:
        address: where it listens, "http://host:port".
    """

    def __init__(self, settings: Settings, view: CatalogView, publisher: Publisher, schema_id: int, tic_schema_id: int) -> None:
        self.address = ""
        self._stopped = False
        self._settings, self._view, self._publisher = settings, view, publisher
        self._following: asyncio.Task[None] | None = None
        self._trusted = addresses.networks(settings.gateway_trusted_proxies)
        found = certificate.of_gateway(settings)
        self.certificate = None if found is None else tls.Renewing(found)
        self._meters, self.arrivals = Meters(), Arrivals()
        limit = RateLimit(settings.gateway_rate_per_s, settings.gateway_burst)
        self._per_address = RateLimit(settings.gateway_address_rate_per_s, settings.gateway_address_burst)
        self._seldom = Seldom()
        handlers = Handlers(view, publisher, schema_id, limit, self._meters, self.arrivals)
        self._frames = TicDoor(view, publisher, tic_schema_id, limit, self._meters, self.arrivals)
        entrance = Entrance(view, self._meters, self.arrivals, self.address_of, settings.gateway_public_host)
        self._handlers, self._hot = handlers, handlers.post
        self._routes = Routes()
        self._routes.add("POST", _HOT_PATH, handlers.post)
        self._routes.add("POST", "/powermon/data/batch", handlers.batch)
        self._routes.add("POST", "/powermon/tic", self._frames.post)
        self._routes.add("POST", "/powermon/boot", entrance.boot)
        self._routes.add("POST", "/powermon/token", entrance.token)
        self._routes.add("POST", "/powermon/time", entrance.time)
        parts = Parts(view, publisher, schema_id, limit, self._meters, entrance.check_secret)
        self._sockets = Sockets(parts, self.arrivals, self._unread, self.address_of)
        for prefix in ("/powermon/ws", "/powermon/data"):
            self._routes.add_of_sensor("GET", prefix, self._sockets.connect)
        self._routes.add_of_sensor("POST", "/powermon/ws", self._sockets.call, "calls")
        for path, answer in guide.ROUTES.items():
            self._routes.add("GET", path, answer)
        for route in health.routes(self._alive, self._ready):
            self._routes.add("GET", route.path, cast(Handler, route.handler))
        most = files.connections(settings.gateway_connections)
        limits = most, settings.gateway_connections_per_address
        self._runner = web.ServerRunner(
            Server(self._dispatch, self._meters, limits, self._trusted),
            access_log=None,
            shutdown_timeout=_SHUTDOWN_S,
        )

    async def listen(self) -> None:
        """Open the port."""
        await self._runner.setup()
        host, port = self._settings.gateway_host, self._settings.gateway_port
        context = None if self.certificate is None else self.certificate.context
        await tls.Site(self._runner, host, port, backlog=1024, ssl_context=context).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"{'https' if context else 'http'}://{host}:{port}"
        if self.certificate is not None:
            self._following = asyncio.create_task(self.certificate.follow())
        REGISTRY.register(self._meters)
        structlog.get_logger(__name__).info("gateway listens", address=self.address)

    async def ready(self, timeout_s: float) -> None:
        """Wait until the catalog is known.

        Raises:
            PartUnavailable: not within timeout_s.
        """
        await self._view.ready(timeout_s)

    async def broken(self) -> None:
        """Wait until only a new process helps; for ever if all is well.

        Raises:
            LogUnavailable: the log's client has given up.
        """
        await self._publisher.broken.wait()
        raise LogUnavailable("the log's client has given up for good; the gateway ends so that a new one starts")

    async def stop(self) -> None:
        """Take no more, answer what is in flight, leave nothing in the client's queue. A second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        with contextlib.suppress(KeyError):
            REGISTRY.unregister(self._meters)
        if self._following is not None:
            self._following.cancel()
        await self._sockets.close()
        await self._runner.cleanup()
        self._handlers.close()
        self._frames.close()
        left = await self._publisher.close()
        await self._view.close()
        structlog.get_logger(__name__).info("gateway stopped", unacknowledged=left)

    def address_of(self, request: web.BaseRequest) -> str:
        """Who asks, also behind a proxy of ours."""
        connection = cast(Connection, request.protocol)
        if not connection.proxied:
            return connection.address
        return addresses.client(connection.address, request.headers.get("X-Forwarded-For"), self._trusted)

    def _dispatch(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        connection: Any = request.protocol  # a cast would be one call more for each request
        if connection.counted is not None or connection.proxied:
            wait_s = self._wait_s(request, connection)
            if wait_s:
                return self._too_often(wait_s)
        if request.method == "POST" and request.raw_path == _HOT_PATH:
            return self._hot(request)
        return self._route(request)

    def _wait_s(self, request: web.BaseRequest, connection: Connection) -> int:
        """Count a request of an address: 0, or after how many seconds to come again."""
        counted = addresses.counted(self.address_of(request)) if connection.proxied else connection.counted
        if counted is None:
            return 0
        now_s = time.monotonic()
        wait_s = self._per_address.wait_s(counted, now_s)
        if wait_s:
            self._meters.limited["address"] += 1
            more = self._seldom.more("address", now_s)
            if more is not None:
                structlog.get_logger(__name__).warning("address limited", address=counted, more=more)
        return wait_s

    async def _too_often(self, wait_s: int) -> web.StreamResponse:
        return self._refuse(Rejection(429, "rate_limited", None, "too many requests from this address; wait", None, wait_s))

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        found = self._routes.find(request.method, request.path)
        if found is None:
            return self._refuse(Rejection(404, "not_found", None, f"there is nothing at {echo(request.path, 80)}"))
        if isinstance(found, list):
            allowed = ", ".join(found)
            answer = self._refuse(Rejection(405, "method_not_allowed", None, f"{request.method[:20]!a} came; expected {allowed}"))
            answer.headers["Allow"] = allowed
            return answer
        return await found(request)

    def _refuse(self, rejection: Rejection) -> web.Response:
        self._meters.refused[rejection.code] += 1
        return replies.problem(rejection)

    def _unread(self) -> str | None:
        return None if self._view.caught_up else "the gateway is starting and does not know its sensors yet"

    async def _alive(self) -> str | None:
        return None

    async def _ready(self) -> str | None:
        return self._view.problem()


async def start(settings: Settings, registry: Schemas | None = None) -> Gateway:
    """Start a gateway and open its port.

    Raises:
        RegistryUnavailable: the schema's id is not known and cannot be asked for.
    """
    registry = registry or Registry(settings.registry, settings.schema_cache)
    await asyncio.to_thread(quick.warm)
    schema_id = await asyncio.to_thread(registry.id_of, topics.READINGS)
    tic_schema_id = await asyncio.to_thread(registry.id_of, topics.TIC_FRAMES)
    view = view_of(settings, registry)
    publisher = Publisher(settings.kafka, linger_ms=5, timeout_ms=settings.gateway_ack_timeout_ms)
    gateway = Gateway(settings, view, publisher, schema_id, tic_schema_id)
    try:
        await gateway.listen()
    except BaseException:
        await gateway.stop()
        raise
    return gateway


async def run(settings: Settings) -> None:
    """Serve until cancelled, then stop gracefully.

    Raises:
        LogUnavailable: the log's client has given up; start again.
    """
    gateway = await start(settings)
    calm_collector()
    share_interpreter()
    try:
        await gateway.broken()
    finally:
        await gateway.stop()


def calm_collector() -> None:
    """Let the garbage collector look less often: requests leave next to no cycles, and it took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def share_interpreter() -> None:
    """Let the event loop have the interpreter within 0.2 ms, not 5, when a large body is judged beside it."""
    sys.setswitchinterval(0.0002)

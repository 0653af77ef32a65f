"""The gateway: sensors' posts to the log."""

import asyncio
import contextlib
import gc
from collections.abc import Awaitable
from typing import cast

import structlog
from aiohttp import web
from prometheus_client import REGISTRY

from infra import health
from infra.publish import LogUnavailable, Publisher
from infra.settings import Settings
from producers.gateway import replies
from producers.gateway.connection import Server
from producers.gateway.handlers import Handlers
from producers.gateway.limits import RateLimit
from producers.gateway.meters import Meters
from producers.gateway.routes import Handler, Routes
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

    def __init__(self, settings: Settings, view: CatalogView, publisher: Publisher, schema_id: int) -> None:
        self.address = ""
        self._settings, self._view, self._publisher = settings, view, publisher
        self._meters = Meters()
        limit = RateLimit(settings.gateway_rate_per_s, settings.gateway_burst)
        handlers = Handlers(view, publisher, schema_id, limit, self._meters)
        self._hot = handlers.post
        self._routes = Routes()
        self._routes.add("POST", _HOT_PATH, handlers.post)
        self._routes.add("POST", "/powermon/data/batch", handlers.batch)
        for route in health.routes(self._alive, self._ready):
            self._routes.add("GET", route.path, cast(Handler, route.handler))
        self._runner = web.ServerRunner(
            Server(self._dispatch),
            access_log=None,
            shutdown_timeout=_SHUTDOWN_S,
        )

    async def listen(self) -> None:
        """Open the port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._settings.gateway_host, self._settings.gateway_port, backlog=1024).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"http://{host}:{port}"
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
        """Take no more, answer what is in flight, leave nothing in the client's queue."""
        await self._runner.cleanup()
        left = await self._publisher.close()
        await self._view.close()
        with contextlib.suppress(KeyError):
            REGISTRY.unregister(self._meters)
        structlog.get_logger(__name__).info("gateway stopped", unacknowledged=left)

    def _dispatch(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        if request.method == "POST" and request.raw_path == _HOT_PATH:
            return self._hot(request)
        return self._route(request)

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        found = self._routes.find(request.method, request.path)
        if found is None:
            return self._refuse(Rejection(404, "not_found", None, f"there is nothing at {request.path[:80]!a}"))
        if isinstance(found, list):
            allowed = ", ".join(found)
            answer = self._refuse(Rejection(405, "method_not_allowed", None, f"{request.method[:20]!a} came; expected {allowed}"))
            answer.headers["Allow"] = allowed
            return answer
        return await found(request)

    def _refuse(self, rejection: Rejection) -> web.Response:
        self._meters.refused[rejection.code] += 1
        return replies.problem(rejection)

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
    schema_id = await asyncio.to_thread(registry.id_of, topics.READINGS)
    view = view_of(settings, registry)
    publisher = Publisher(settings.kafka, timeout_ms=settings.gateway_ack_timeout_ms)
    gateway = Gateway(settings, view, publisher, schema_id)
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
    try:
        await gateway.broken()
    finally:
        await gateway.stop()


def calm_collector() -> None:
    """Let the garbage collector look less often: requests leave next to no cycles, and it took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

"""The web server: one address for pages, their plots and the REST API."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler
from bokeh.document import Document

from infra import health
from infra.errors import ConfigurationError, PartUnavailable, PowermonError
from infra.settings import Settings
from schemas.registry import Registry
from sinks.clickhouse import ClickHouse
from streams.catalog.view import view_of
from web import assets
from web.api import described, sensors
from web.api.meters import MetersApi
from web.api.openapi import OpenApi
from web.api.operation import Operation
from web.api.registration import RegistrationApi
from web.api.replays import Replays, ReplaysApi
from web.api.sensor_import import ImportApi
from web.api.sensors import SensorsApi
from web.api.sites import SitesApi
from web.api.sql import SqlApi
from web.api.tariffs import TariffsApi
from web.api.users import UsersApi
from web.auth import Auth, problem
from web.feed import Feed
from web.fleet import Fleet
from web.html import NONCE, new_nonce, page, secure
from web.identity import COOKIE, IDENTITY, Catalog, Identity, by_session
from web.meter_pages import MeterPages
from web.outages import Parts, asks_of
from web.pages.live import LivePage
from web.plots import Build, Plots
from web.sensor_source import SensorSource
from web.sessions import Sessions
from web.view import fleet as fleet_view
from web.view import minutes

_DEFAULT_HOURS = 1
_BODY_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Beside:
    """How the other work of a process is doing: None, or what is wrong with it.

    Attributes:
        problem: it does not do its work now.
        stalled: it never will; the process should start anew.
    """

    problem: Callable[[], str | None] = lambda: None
    stalled: Callable[[], str | None] = lambda: None


class Site:
    """Everything one web server holds.

    Args:
        clock: UTC seconds.
        beside: what else runs in this process.
    """

    def __init__(self, settings: Settings, db: ClickHouse, catalog: Catalog, clock: Callable[[], float], beside: Beside) -> None:
        self.settings, self.db, self.catalog, self.clock, self.beside = settings, db, catalog, clock, beside
        self.sessions = Sessions(settings.data / "web-sessions.json")
        self.auth = Auth(catalog, self.sessions, clock)
        self.fleet = Fleet(db, lambda: catalog.state, clock)
        self.feed = Feed(SensorSource(db, self.fleet.zone, self.fleet.newest), clock)
        self.meters = MeterPages(db, lambda: catalog.state, self._plotted, self._shell, clock)
        self.plots = Plots({"live": self._framed(self._build_live), "meter": self._framed(self.meters.build)})
        self.boot = secrets.token_hex(8)
        self._frames: dict[str, dict[str, object]] = {}

    # ---- pages

    async def live(self, request: web.Request) -> web.Response:
        """The live page; `sensor` and `hours` reopen the same view."""
        identity = request[IDENTITY]
        entries = await self.fleet.entries()
        asked = request.query.get("sensor", "").strip().lower()
        hours = next((h for h in minutes.HOURS if str(h) == request.query.get("hours")), _DEFAULT_HOURS)
        sensor_id = asked or fleet_view.first(entries, self.clock())
        if asked and not self.fleet.knows(asked):
            with contextlib.suppress(PowermonError):  # heard of since the list was made
                await self.fleet.newest(asked)
        if sensor_id is None or not self.fleet.knows(sensor_id):
            return self._shell("empty.html", identity, status=404 if asked else 200, asked=asked)
        await self.feed.prepare(sensor_id, hours)
        arguments = {"sensor": sensor_id, "hours": str(hours)}
        return await self._plotted("live", identity, arguments, sensor_id=sensor_id, hours=hours, all_hours=minutes.HOURS)

    def _build_live(self, document: Document, arguments: dict[str, str]) -> None:
        LivePage(document, self.feed, arguments["sensor"], int(arguments["hours"]), self.fleet.knows)

    async def _plotted(self, name: str, identity: Identity, arguments: dict[str, str], **values: object) -> web.Response:
        """A page around plots.

        Args:
            arguments: for what builds its document.
            values: for its template.
        """
        nonce = new_nonce()
        # Not in the request: that is logged and kept in the page.
        self._frames[nonce] = {**self._frame(identity, nonce), **values}
        try:
            text = await self.plots.page(name, {**arguments, "nonce": nonce})
        except PartUnavailable as error:
            return problem(503, "unavailable", str(error))
        finally:
            del self._frames[nonce]
        answer = web.Response(text=text, content_type="text/html", charset="utf-8")
        answer[NONCE] = nonce
        return answer

    def _framed(self, build: Build) -> Build:
        def framed(document: Document, arguments: dict[str, str]) -> None:
            document.template_variables.update(self._frames.get(arguments["nonce"], {}))
            build(document, arguments)

        return framed

    def _shell(self, name: str, identity: Identity, *, status: int = 200, **values: object) -> web.Response:
        nonce = new_nonce()
        answer = page(name, status=status, **self._frame(identity, nonce), **values)
        answer[NONCE] = nonce
        return answer

    def _frame(self, identity: Identity, nonce: str) -> dict[str, object]:
        csrf = identity.session.csrf if identity.session else ""
        return {"user": identity.name, "csrf": csrf, "nonce": nonce, "boot": self.boot, "versioned": assets.versioned}

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """A page's connection to its plots."""
        name = "meter" if request.path.startswith("/meters") else "live"
        identity = request[IDENTITY]
        origin = request.headers.get("Origin")
        if identity.session is None or origin is None or urlsplit(origin).netloc.lower() != request.host.lower():
            return problem(403, "other_origin", "plots are for pages of this server, opened by somebody signed in")
        cookie = request.cookies.get(COOKIE)
        return await self.plots.websocket(
            request, name, lambda: by_session(self.sessions, self.catalog.state, cookie, self.clock()) is not None
        )

    # ---- health

    async def alive(self) -> str | None:
        return self.feed.crashed() or self.meters.feed.crashed() or self.beside.stalled()

    async def ready(self) -> str | None:
        if (trouble := self.catalog.problem() or self.beside.problem()) is not None:
            return trouble
        try:
            async with asyncio.timeout(3):
                await self.db.run(self.db.rows, "SELECT 1")
        except (PartUnavailable, TimeoutError) as error:
            return f"ClickHouse does not answer: {error}"
        return None


def create_app(
    settings: Settings,
    clickhouse: ClickHouse,
    catalog_view: Catalog,
    clock: Callable[[], float] | None = None,
    beside: Beside | None = None,
    replays: Replays | None = None,
) -> web.Application:
    """The application, to be run on settings.web_host:web_port; its parts start and stop with it.

    Args:
        clickhouse: shared with whoever else uses it in this process; not closed here.
        catalog_view: who may come in, and which sensors there are.
        clock: UTC seconds, the machine's when None.
        beside: what else runs in this process: this server is no more alive and ready than that is.
        replays: what works for /api/v1/replays; None: that address is not there.
    """
    site = Site(settings, clickhouse, catalog_view, clock or time.time, beside or Beside())
    app = web.Application(middlewares=[_errors, site.auth.guard], client_max_size=_BODY_MAX)
    app.on_response_prepare.append(secure)

    async def parts(app: web.Application) -> AsyncIterator[None]:
        client = ClientSession()
        await site.plots.start()
        around = Parts(asks_of(settings, clickhouse, client), site.clock)
        api = SensorsApi(site.fleet, around, site.boot, site.clock)
        app[_API] = api
        yield
        await site.feed.close()
        await site.meters.feed.close()
        await site.plots.close()
        await client.close()
        site.sessions.save(site.clock())

    async def list_sensors(request: web.Request) -> web.Response:
        return await request.app[_API].sensors(request)

    async def status(request: web.Request) -> web.Response:
        return await request.app[_API].status(request)

    app.cleanup_ctx.append(parts)
    app.add_routes(health.routes(site.alive, site.ready))
    app.add_routes(site.auth.routes())
    app.add_routes(SqlApi(clickhouse).routes())
    if replays is not None:
        app.add_routes(ReplaysApi(replays).routes())
    app.add_routes(
        [
            web.get("/", site.live),
            web.get("/meters", site.meters.show),
            *(web.get(path, site.websocket) for path in ("/ws", "/meters/ws")),  # BokehJS asks for it beside the page
            web.get("/static/{name}", assets.serve),
            web.get("/favicon.ico", assets.favicon),
            web.get("/api/v1/status", status),
        ]
    )
    operations = [sensors.operation(list_sensors), *_operations(site)]
    app.add_routes(operation.route() for operation in operations)
    app.add_routes(OpenApi([*operations, *described.operations(replays=replays is not None)]).routes())
    return app


def _operations(site: Site) -> list[Operation]:
    """What can be done with the catalog; the more special path first."""
    catalog, clock = site.catalog, site.clock
    apis = (
        ImportApi(catalog),
        RegistrationApi(catalog, clock),
        SitesApi(catalog),
        UsersApi(catalog, site.auth.passwords, clock),
        TariffsApi(catalog),
        MetersApi(site.db, site.meters.meters, clock),
    )
    return [operation for api in apis for operation in api.operations()]


_API = web.AppKey("sensors_api", SensorsApi)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors of the API are JSON; a bug says 500 without its insides."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status >= 400 and request.path.startswith("/api/"):
            return problem(
                error.status, error.reason.lower().replace(" ", "_"), f"{request.method} {request.path}: {error.reason}"
            )
        raise
    except Exception:
        structlog.get_logger(__name__).exception("request failed", path=request.path)
        return problem(500, "internal", "the server failed at this request; its log says why")


async def serve(app: web.Application, settings: Settings) -> web.AppRunner:
    """Listen on the configured address. The caller cleans the runner up.

    Raises:
        ConfigurationError: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.web_host, settings.web_port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigurationError(
            f"the web server cannot listen on {settings.web_host}:{settings.web_port}: {error.strerror}; "
            "stop what uses the port or set POWERMON_WEB_PORT"
        ) from error
    return runner


async def run(settings: Settings, make_replays: Callable[[ClickHouse], Replays] | None = None) -> None:
    """The role `web`, until it is cancelled.

    Args:
        make_replays: gives what works for /api/v1/replays.

    Raises:
        ConfigurationError: no ClickHouse server is configured, or the port is taken.
    """
    clickhouse = await asyncio.to_thread(ClickHouse, settings)
    view = view_of(settings, Registry(settings.registry, settings.schema_cache))
    replays = make_replays(clickhouse) if make_replays else None
    runner = await serve(create_app(settings, clickhouse, view, replays=replays), settings)
    structlog.get_logger(__name__).info("web server ready", address=f"http://{settings.web_host}:{settings.web_port}")
    try:
        await asyncio.get_running_loop().create_future()  # until cancelled
    finally:
        await runner.cleanup()
        if replays is not None:
            await asyncio.to_thread(replays.close)
        await view.close()
        clickhouse.close()

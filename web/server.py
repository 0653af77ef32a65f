"""The web server: one address for pages, their plots and the REST API."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable

import structlog
from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler

from infra import health
from infra.errors import ConfigurationError
from infra.settings import Settings
from schemas.notification import Notification
from schemas.registry import Registry
from sinks.clickhouse import ClickHouse
from sinks.notify import outbox
from streams.catalog.state import Receiver, State
from streams.catalog.view import CatalogView, view_of
from web import assets, language
from web.anomaly_notes import NoteLog, Notes
from web.anomaly_pages import AnomalyPages, Around
from web.api import described, sensors
from web.api.anomalies import AnomaliesApi
from web.api.anomaly_trial import TrialApi
from web.api.cost import CostApi
from web.api.energy import EnergyApi
from web.api.meters import MetersApi
from web.api.notifications import NotificationsApi
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
from web.auth import problem
from web.bills import Bills
from web.cost_pages import CostPages
from web.cost_rows import CostRows
from web.datastore.api import Datastore
from web.datastore.body import Bodies
from web.datastore.meter import MeterLog
from web.datastore.partner_tokens import PartnerTokens
from web.datastore.record_doors import RecordDoors
from web.datastore.results import ResultsApi
from web.deliveries import DeliveryLog
from web.demand_pages import DemandPages
from web.energy_pages import Chosen, EnergyPages
from web.energy_source import EnergySource
from web.html import secure
from web.identity import Catalog
from web.kept_reads import KeptReads
from web.notices import told, try_out
from web.outages import Parts, asks_of
from web.project_pages import ProjectPages
from web.ready_made import ReadyMade
from web.receiver_pages import ReceiverPages
from web.receivers import Vault
from web.replay_pages import ReplayPages
from web.sensor_pages import SensorPages
from web.site import Beside, Site
from web.system import System
from web.system_pages import CLIENT, SystemPages

_BODY_MAX = 1 << 20


def create_app(
    settings: Settings,
    clickhouse: ClickHouse,
    catalog_view: Catalog,
    clock: Callable[[], float] | None = None,
    beside: Beside | None = None,
    replays: Replays | None = None,
    notes: Notes | None = None,
    messages: Callable[[], Iterable[Notification]] | None = None,
) -> web.Application:
    """The application, to be run on settings.web_host:web_port; its parts start and stop with it.

    Args:
        clickhouse: shared with whoever else uses it in this process; not closed here.
        catalog_view: who may come in, and which sensors there are.
        clock: UTC seconds, the machine's when None.
        beside: what else runs in this process: this server is no more alive and ready than that is.
        replays: what works for /api/v1/replays; None: that address is not there.
        notes: where what people say of anomalies goes; None: the log.
        messages: gives those to receivers, and may block; None: from the log.

    Raises:
        ConfigurationError: the key of registry tokens cannot be read.
    """
    site = Site(settings, clickhouse, catalog_view, clock or time.time, beside or Beside())
    system = System(settings, site.ready, site.clock)
    bodies = Bodies()
    kept = RecordDoors(settings, clickhouse, catalog_view, bodies)
    registry = Registry(settings.registry, settings.schema_cache)
    meter = MeterLog(settings.kafka, registry, clickhouse, catalog_view)
    notes = notes or NoteLog(settings.kafka, registry, clickhouse)
    deliveries = DeliveryLog(messages or (lambda: outbox.read(settings, registry)))
    endpoints = [*kept.endpoints(), *ResultsApi(catalog_view, meter).endpoints()]
    tokens = PartnerTokens(settings.registry_key)
    datastore = Datastore(
        catalog_view, site.clock, bodies=bodies, records=kept.records, tokens=tokens, meter=meter, endpoints=endpoints
    )
    ready = ReadyMade()
    doors = [language.choose, ready.soon, _errors, datastore.guard, site.auth.guard]
    app = web.Application(middlewares=doors, client_max_size=_BODY_MAX)
    app.on_response_prepare.append(secure)

    async def parts(app: web.Application) -> AsyncIterator[None]:
        client = ClientSession()
        await site.plots.start()
        await meter.start()
        around = Parts(asks_of(settings, clickhouse, client), site.clock)
        api = SensorsApi(site.fleet, around, site.boot, site.clock)
        app[_API], app[CLIENT] = api, client
        yield
        for one in (ready, system, site.feed, site.meters.feed, site.plots, client, kept, meter, notes, deliveries):
            await one.close()
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
    operations = [sensors.operation(list_sensors), *_operations(site, notes)]
    app.add_routes(operation.route() for operation in operations)
    all_operations = [*operations, *described.operations(replays=replays is not None)]
    app.add_routes(OpenApi(all_operations, datastore.described()).routes())
    app.add_routes(datastore.routes())
    for pages in (
        ProjectPages(clickhouse, catalog_view, meter, site.shell),
        SensorPages(site.fleet, catalog_view, site.shell, site.clock),
        ReceiverPages(catalog_view, deliveries, site.shell, on=settings.anomalies),
        ReplayPages(replays, site.shell),
        SystemPages(system, site.shell, site.clock),
    ):
        app.add_routes(pages.routes())
    app.add_routes(_energy_pages(site))
    return app


def _energy_pages(site: Site) -> list[web.RouteDef]:
    """Energy, demand, cost and anomalies."""

    def state() -> State:
        return site.catalog.state

    db, shell, clock, chosen = site.db, site.shell, site.clock, Chosen(state)
    kept = KeptReads(db)
    source, costs = EnergySource(kept, state, clock), CostRows(kept, state, clock)
    return [
        *EnergyPages(source, chosen, shell, clock).routes(),
        *DemandPages(costs, source.rows, chosen, shell, clock).routes(),
        *CostPages(Bills(kept, state, clock), costs, state, chosen, shell, clock).routes(),
        *AnomalyPages(Around(db, state, site.fleet.entries, shell, clock, on=site.settings.anomalies)).routes(),
    ]


def _operations(site: Site, notes: Notes) -> list[Operation]:
    """What can be done with the catalog; the more special path first."""
    catalog, clock, vault = site.catalog, site.clock, Vault(site.settings.registry_key)

    async def try_receiver(receiver: Receiver) -> dict[str, object]:
        return told(await try_out(site.settings, receiver, vault))

    apis = (
        ImportApi(catalog),
        RegistrationApi(catalog, clock),
        SitesApi(catalog),
        UsersApi(catalog, site.auth.passwords, clock),
        TariffsApi(catalog),
        MetersApi(site.db, site.meters.meters, clock),
        EnergyApi(site.db, lambda: catalog.state, clock),
        CostApi(site.db, lambda: catalog.state, clock),
        NotificationsApi(catalog, vault, try_receiver),
        AnomaliesApi(site.db, lambda: catalog.state, site.fleet, notes, clock),
        TrialApi(site.db, lambda: catalog.state, clock),
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


async def run(
    settings: Settings,
    make_replays: Callable[[ClickHouse], Replays] | None = None,
    beside_view: Callable[[CatalogView], Callable[[], None]] | None = None,
) -> None:
    """The role `web`, until it is cancelled.

    Args:
        make_replays: gives what works for /api/v1/replays.
        beside_view: starts what works with the catalog beside the server; gives what ends it, which may block.

    Raises:
        ConfigurationError: no ClickHouse server is configured, or the port is taken.
    """
    clickhouse = await asyncio.to_thread(ClickHouse, settings)
    view = view_of(settings, Registry(settings.registry, settings.schema_cache))
    replays = make_replays(clickhouse) if make_replays else None
    runner = await serve(create_app(settings, clickhouse, view, replays=replays), settings)
    end = beside_view(view) if beside_view else None
    structlog.get_logger(__name__).info("web server ready", address=f"http://{settings.web_host}:{settings.web_port}")
    try:
        await asyncio.get_running_loop().create_future()  # until cancelled
    finally:
        await runner.cleanup()
        if replays is not None:
            await asyncio.to_thread(replays.close)
        if end is not None:
            await asyncio.to_thread(end)
        await view.close()
        clickhouse.close()

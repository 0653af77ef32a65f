"""The worker role: one process, one member of the group."""

import asyncio
import contextlib
import signal
from dataclasses import replace

import structlog

from infra import health
from infra.errors import PartUnavailable
from infra.publish import Publisher
from infra.settings import Settings
from schemas import topics
from schemas.reading_decoder import ReadingDecoder
from schemas.registry import Registry
from schemas.tic_batch import FrameDecoder
from streams import warm
from streams.agents import minutes
from streams.agents.anomalies import Anomalies
from streams.agents.tic_minutes import TicMinutes
from streams.app import make_app
from streams.catalog.limits import CatalogLimits
from streams.catalog.view import view_of
from streams.fatal import die, fatal
from streams.transport import RunApp
from streams.watch import LOOK_S, Watch

CATALOG_S = 15.0
"""The catalog is waited for so long: without it every sensor has the usual thresholds."""

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Run the stream agents until SIGTERM or SIGINT.

    Raises:
        RegistryUnavailable: the registry is down and the cache does not know the schemas.
    """
    registry = Registry(settings.registry, settings.schema_cache)
    # While the broker is away it waits: what it would publish after a new start is the same.
    publisher = Publisher(settings.kafka, linger_ms=5, timeout_ms=0)
    dead_id = registry.id_of(topics.DEAD_LETTERS)
    outputs = minutes.Outputs(
        publisher,
        minutes_id=registry.id_of(topics.MINUTES),
        late_id=registry.id_of(topics.LATE),
        dead_id=dead_id,
        conflicts_id=registry.id_of(topics.CONFLICTS),
        conflicts=topics.CONFLICTS.name,
    )
    app = make_app(settings)
    work = minutes.Minutes(app, ReadingDecoder(registry.schema_of), outputs, settings.lateness_s * 1000)
    work.dead_letters_max = settings.dead_letters_max
    view = view_of(settings, registry) if settings.anomalies else None
    minutes.attach(app, work, settings.publish_interval_s)
    tic_outputs = minutes.Outputs(
        publisher,
        minutes_id=registry.id_of(topics.TIC_MINUTES),
        late_id=registry.id_of(topics.TIC_LATE),
        dead_id=dead_id,
        minutes=topics.TIC_MINUTES.name,
        late=topics.TIC_LATE.name,
    )
    tic_work = TicMinutes(app, FrameDecoder(registry.schema_of), tic_outputs, settings.lateness_s * 1000)
    tic_work.dead_letters_max = settings.dead_letters_max
    minutes.attach(app, tic_work, settings.tic_publish_interval_s, topics.TIC_FRAMES, "tic-minutes")

    works = {topics.READINGS.name: work, topics.TIC_FRAMES.name: tic_work}
    watch = Watch(app, works, settings.kafka, settings.session_timeout_s)
    if view is not None:
        work.anomalies = Anomalies(
            publisher,
            CatalogLimits(view),
            settings.kafka,
            registry.schema_of,
            registry.id_of(topics.ANOMALIES),
            registry.id_of(topics.ANOMALY_STATE),
            registry.id_of(topics.HABITS),
            lambda: watch.unready() is None,
        )
        tic_work.anomalies = replace(work.anomalies)

    async def alive() -> str | None:
        return app.failure() or watch.problem()

    async def ready() -> str | None:
        return app.failure() or watch.unready()

    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    runner = await health.serve("127.0.0.1", settings.worker_port, alive, ready)
    await asyncio.to_thread(warm.warm)
    if view is not None:
        with contextlib.suppress(PartUnavailable):  # then it begins with the thresholds that it knows
            await view.ready(CATALOG_S)
    working = asyncio.create_task(_work(app, watch))
    await stop.wait()
    working.cancel()
    if app.started:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), 10)
    if view is not None:
        await view.close()
    await publisher.close()
    await runner.cleanup()


async def _work(app: RunApp, watch: Watch) -> None:
    """Start the engine, and end the process when it has given up or hangs: neither shows from outside."""
    with fatal("watching over the worker"):
        await watch.broker_answers()
        starting = asyncio.create_task(_start(app))  # does not come back when the group does not let us in
        while not starting.cancelled():
            failure = app.failure()
            if failure is not None:
                die("the stream engine stopped", failure)
            await watch.look()
            problem = watch.problem()
            if problem is not None:
                die("the worker hangs", problem)
            await asyncio.sleep(LOOK_S)


async def _start(app: RunApp) -> None:
    with fatal("starting the stream engine"):
        await app.start()
    log.info("worker started", group=app.conf.id)

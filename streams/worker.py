"""The worker role: one process, one member of the group."""

import asyncio
import contextlib
import signal
import time

import structlog

from infra import health
from infra.publish import Publisher
from infra.settings import Settings
from schemas import topics, wire
from schemas.registry import Registry
from streams.agents import minutes
from streams.app import make_app
from streams.fatal import die
from streams.transport import RunApp

STALL_S = 60.0
"""A run in hand for longer than this is a stall: the process ends and starts anew."""

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Run the stream agents until SIGTERM or SIGINT.

    Raises:
        RegistryUnavailable: the registry is down and the cache does not know the schemas.
    """
    registry = Registry(settings.registry, settings.schema_cache)
    publisher = Publisher(settings.kafka, linger_ms=5)
    outputs = minutes.Outputs(
        publisher,
        minutes_id=registry.id_of(topics.MINUTES),
        late_id=registry.id_of(topics.LATE),
        dead_id=registry.id_of(topics.DEAD_LETTERS),
    )
    app = make_app(settings)
    work = minutes.Minutes(app, wire.ReadingDecoder(registry.schema_of), outputs, settings.lateness_s * 1000)
    minutes.attach(app, work, settings.publish_interval_s)

    async def alive() -> str | None:
        return _stalled(work)

    async def ready() -> str | None:
        if not app.consumer_generation_id:
            return "waiting for the broker to assign partitions"
        return _stalled(work)

    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    runner = await health.serve("127.0.0.1", settings.worker_port, alive, ready)
    await app.start()
    log.info("worker started", group=app.conf.id, broker=settings.kafka)
    watch = asyncio.create_task(_watch(app, work))
    await stop.wait()
    watch.cancel()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(app.stop(), 10)
    await publisher.close()
    await runner.cleanup()


def _stalled(work: minutes.Minutes) -> str | None:
    now = time.monotonic()
    if work.busy_since is not None and now - work.busy_since > STALL_S:
        return f"the run in hand was begun {now - work.busy_since:.0f} s ago"
    return None


async def _watch(app: RunApp, work: minutes.Minutes) -> None:
    """End the process when Faust has given up or the agent hangs: neither shows from outside."""
    while True:
        await asyncio.sleep(2)
        reason = app.crash_reason or app.runs._thread.crash_reason
        if reason is not None:
            die("the stream engine stopped", repr(reason))
        problem = _stalled(work)
        if problem:
            die("the worker hangs", problem)

"""The sink role: the sink, the rebuilders and the feed of traces, each in a thread, beside a ClickHouse server."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from infra import health
from infra.errors import PartUnavailable
from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from sinks.rebuild import Rebuilder
from sinks.records import RecordSink
from sinks.roller import Roller
from sinks.sink import Sink
from sinks.source_feed import Sourced, SourceFeed, sourced
from sinks.tic_rebuild import TicRebuilder
from streams.catalog.limits import CatalogLimits
from streams.catalog.view import view_of
from streams.core.anomaly.sensors import LimitsOf

EXIT_STATUS = 70
"""EX_SOFTWARE: the supervisor starts the role again."""

_RETRY_S = 2.0
_FINISH_S = 30.0

log = structlog.get_logger()


class Member(Protocol):
    """A thread's work: blocks in `work` until `stop`; says in `problem` what stands in its way, in `stalled` that it hangs."""

    def work(self) -> None: ...
    def stop(self) -> None: ...
    def problem(self) -> str | None: ...
    def stalled(self) -> str | None: ...


async def run(settings: Settings) -> None:
    """Carry the log into ClickHouse until cancelled.

    Raises:
        ConfigurationError: the tables do not fit this build, or the embedded folder is in use.
        KafkaException: this member was shut out of its group for good.
    """
    members: list[Member] = []

    async def alive() -> str | None:
        return stalled(members)

    async def ready() -> str | None:
        return problem(members) if members else "waiting for ClickHouse"

    runner = await health.serve("127.0.0.1", settings.sink_port, alive, ready)
    try:
        store = await opened(settings)
        view = view_of(settings, Registry(settings.registry, settings.schema_cache))
        try:
            members += make(settings, store, sourced(view), CatalogLimits(view).known if settings.anomalies else None)
            await run_members(members)
        finally:
            await view.close()
            store.close()
    finally:
        await runner.cleanup()


async def opened(settings: Settings) -> ClickHouse:
    """The store with its tables at this build's version; waits while a server does not answer."""
    while True:
        try:
            store = await asyncio.to_thread(ClickHouse, settings)
        except PartUnavailable as error:
            log.warning("waiting for ClickHouse", reason=str(error))
            await asyncio.sleep(_RETRY_S)
            continue
        try:
            await store.run(migrate, store, settings)
        except PartUnavailable as error:
            store.close()
            log.warning("waiting for ClickHouse", reason=str(error))
            await asyncio.sleep(_RETRY_S)
        except BaseException:
            store.close()
            raise
        else:
            return store


def make(settings: Settings, store: ClickHouse, traces: Sourced, limits: Callable[[], LimitsOf] | None = None) -> list[Member]:
    """The sink, the rebuilders and the feed, not yet at work.

    Args:
        traces: those that take the hours of a sensor or meter.
        limits: of anomalies; None: nobody looks for any.
    """
    registry = Registry(settings.registry, settings.schema_cache)
    consumption = RecordSink(settings, store, registry, topics.CONSUMPTION)
    return [
        Sink(settings, store, registry),
        Rebuilder(settings, store, registry, limits=limits),
        TicRebuilder(settings, store, registry),
        Roller(settings, store, registry),
        consumption,
        RecordSink(settings, store, registry, topics.WEATHER),
        SourceFeed(settings, store, registry, consumption, traces),
    ]


def problem(members: Sequence[Member]) -> str | None:
    """The first problem any of them has."""
    return next((found for member in members if (found := member.problem()) is not None), None)


def stalled(members: Sequence[Member]) -> str | None:
    """Why this process should end and start anew."""
    return next((found for member in members if (found := member.stalled()) is not None), None)


async def run_members(members: Sequence[Member]) -> None:
    """Let each work in a thread until this is cancelled or one fails; then stop all, and wait until they have finished.

    When one has failed and another does not finish, the process ends without it: everything is read again.
    """
    threads = ThreadPoolExecutor(len(members), thread_name_prefix="sink")
    loop = asyncio.get_running_loop()
    work = [loop.run_in_executor(threads, member.work) for member in members]
    try:
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    except Exception as error:
        log.critical("a thread of the sink has failed", reason=repr(error))
        for member in members:
            member.stop()
        _, hanging = await asyncio.wait(work, timeout=_FINISH_S)
        if hanging:
            os._exit(EXIT_STATUS)
        raise
    finally:
        for member in members:
            member.stop()
        with contextlib.suppress(Exception):
            await asyncio.gather(*work, return_exceptions=True)
        threads.shutdown()

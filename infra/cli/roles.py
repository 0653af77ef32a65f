"""`powermon gateway | worker | sink | web | store | meter`: one role each, until SIGTERM or Ctrl-C."""

import asyncio
import importlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import click

from infra import logs
from infra.settings import Settings


def start(role: str, module: str, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
    """Run `module.run(settings)` as a process of its own.

    Args:
        loop_factory: None: of the fastest event loop there is here.
    """
    settings = Settings()
    settings.data.mkdir(parents=True, exist_ok=True)
    logs.configure(settings, role)
    with asyncio.Runner(loop_factory=loop_factory or event_loop) as runner:
        runner.run(_until_stopped(importlib.import_module(module).run(settings)))


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run the role; a first SIGTERM or SIGINT cancels it, unless it handles them itself."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise


def event_loop() -> asyncio.AbstractEventLoop:
    """The fastest there is here."""
    try:
        import uvloop
    except ImportError:  # it does not exist for Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@click.command()
def gateway() -> None:
    """Accept what sensors post, and write it to the log."""
    start("gateway", "producers.gateway.app")


@click.command()
def worker() -> None:
    """Fold readings into minutes; run as many as there are cores."""
    start("worker", "streams.worker")


@click.command()
def sink() -> None:
    """Bring the log into ClickHouse."""
    start("sink", "sinks.service")


@click.command()
def web() -> None:
    """Serve the pages and the REST API."""
    start("web", "infra.pages")


@click.command()
def store() -> None:
    """Sink and web in one process, for the embedded ClickHouse engine."""
    start("store", "infra.store")


@click.command()
def meter() -> None:
    """Compute what was asked for in the datastore: project runs."""
    start("meter", "infra.meter")

"""Anomalies on a real log, receivers that answer or do not, and the notifier's process killed at the worst moment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from infra import child
from infra.programs import environment
from infra.settings import Settings
from schemas import topics
from schemas.anomaly import Anomaly
from schemas.notification import Notification, decode_notification
from schemas.registry import Registry
from sinks.notify import outbox
from streams.catalog.commands import PutSite, RegisterSensor, RemoveReceiver
from streams.catalog.view import CatalogView, view_of
from tests.fakes.mqtt import eventually
from tests.fakes.receivers import Posted, answers, hooks
from tests.notices import T0, anomaly
from tests.stack import publish, read_all
from web.receivers import Vault, command

NOTIFIER = """
import asyncio
from infra import logs, notify
from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog.view import view_of

async def run():
    settings = Settings()
    logs.configure(settings, "notifier")
    registry = Registry(settings.registry, settings.schema_cache)
    view = view_of(settings, registry)
    await view.ready(60)
    notify.beside(settings, view, registry)
    await asyncio.get_running_loop().create_future()

asyncio.run(run())
"""

Kill = Callable[[], None]


class Process:
    """The notifier alone, as the web server's process would run it."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._settings, self.log = settings, log
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.end()
        self.running = child.spawn([sys.executable, "-c", NOTIFIER], self.log, environment(self._settings))

    def kill(self) -> None:
        assert self.running is not None
        os.kill(self.running.pid, signal.SIGKILL)

    def end(self) -> None:
        if self.running is not None:
            child.stop(self.running, 30)

    async def tells(self, times: int = 1) -> None:
        await eventually(
            lambda: self.log.exists() and self.log.read_text().count("this process tells") == times, child.tail(self.log)
        )


@contextmanager
def notifier(settings: Settings, log: Path) -> Any:
    process = Process(settings, log)
    process.start()
    try:
        yield process
    finally:
        process.end()


@pytest.fixture
def stack(kafka: str, registry: str, make_settings: Callable[..., Settings], stack_settings: Settings) -> Settings:
    settings = make_settings(kafka_bootstrap=kafka, registry_url=registry, session_timeout_s=6, notify_hold_s=1)
    settings.schema_cache.write_bytes(stack_settings.schema_cache.read_bytes())
    return settings


def registry_of(settings: Settings) -> Registry:
    return Registry(settings.registry, settings.schema_cache)


async def catalog_of(settings: Settings) -> CatalogView:
    view = view_of(settings, registry_of(settings))
    await view.ready(60)
    return view


async def put(view: CatalogView, settings: Settings, name: str, **said: object) -> None:
    made, _ = command(name, said, view.state, Vault(settings.registry_key))
    assert (await view.submit(made)).accepted


def now(one: Anomaly, at_s: float) -> Anomaly:
    """The same as if T0 had been then."""
    moved = int((at_s - T0) * 1e6)
    return replace(one, start_us=one.start_us + moved, end_us=None if one.end_us is None else one.end_us + moved)


def tell(settings: Settings, found: list[Anomaly]) -> None:
    schema_id = registry_of(settings).id_of(topics.ANOMALIES)
    publish(settings, topics.ANOMALIES, [one.message(schema_id) for one in found])


def kept(settings: Settings, receiver: str) -> dict[str, Notification]:
    """The topic as a keyed table."""
    registry = registry_of(settings)
    values = [m.value() for m in read_all(settings, topics.NOTIFICATIONS) if m.value() is not None]
    found = [decode_notification(value, registry.schema_of) for value in values]
    return {one.id: one for one in found if one.receiver == receiver}


async def test_a_hundred_silent_sensors_are_one_message_with_one_key_through_kill_9(
    stack: Settings, tmp_path: Path, clock_s: float
) -> None:
    names = [f"note{n:06}" for n in range(100)]
    view = await catalog_of(stack)
    async with hooks() as heard:
        await view.submit(PutSite(site_id="mill", zone="Europe/Paris", name="Mill"))
        await view.submit_all([RegisterSensor(sensor_id=name, secret_sha256="0" * 64, site="mill") for name in names])
        await put(view, stack, "mill", channel="webhook", url=f"{heard.url}/mill", sensors=names)
        await put(view, stack, "deaf", channel="webhook", url=f"{heard.url}/deaf", sensors=names)
        heard.answers["/deaf"] = answers(503)
        with notifier(stack, tmp_path / "n.log") as process:
            await process.tells()

            async def die(_: Posted) -> web.StreamResponse:
                process.kill()
                return web.Response(status=204)

            heard.answers["/mill"] = die
            silent = [now(anomaly(name, n % 3), clock_s) for n, name in enumerate(names)]
            tell(stack, silent)
            await eventually(lambda: heard.at("/mill"), f"a message; {child.tail(process.log)}")
            del heard.answers["/mill"]
            process.start()
            await process.tells(2)
            await eventually(lambda: len(heard.at("/mill")) == 2, "the same message again")
            first, again = heard.at("/mill")
            assert first.key == again.key
            assert first.body == again.body
            assert first.document["sources"]["total"] == 100
            assert first.document["site_name"] == "Mill"
            assert "100 sensors" in first.document["text"]
            tell(stack, [now(anomaly(name, n % 3, 60, final=True), clock_s) for n, name in enumerate(names)])
            await eventually(lambda: len(heard.at("/mill")) == 3, "that they are back")
            over = heard.at("/mill")[2].document
            assert (over["transition"], over["anomalies"]["closed"], over["group"]) == ("ended", 100, first.key)
            await eventually(lambda: [one.state for one in kept(stack, "mill").values()] == ["delivered"] * 2, "what was taken")
            deaf = kept(stack, "deaf").values()
            assert {(one.state, one.reason) for one in deaf} >= {("due", "it answered 503")}
            assert len({one.key for one in heard.at("/deaf")}) == 1, "what follows on it waits for it"
            await view.submit_all([RemoveReceiver(receiver_id="mill"), RemoveReceiver(receiver_id="deaf")])
            await eventually(
                lambda: not any(one.receiver in ("mill", "deaf") for one in outbox.read(stack, registry_of(stack))), "gone"
            )
    await view.close()


async def test_one_that_says_410_is_switched_off_and_nothing_older_is_told_at_the_first_start(
    stack: Settings, tmp_path: Path, clock_s: float
) -> None:
    view = await catalog_of(stack)
    async with hooks() as heard:
        await put(view, stack, "gone", channel="webhook", url=f"{heard.url}/gone", sensors=["note000501"])
        heard.answers["/gone"] = answers(410)
        with notifier(stack, tmp_path / "n.log") as process:
            await process.tells()
            tell(stack, [now(anomaly("note000501"), clock_s)])
            await eventually(lambda: view.state.receivers["gone"].off is not None, "switched off")
            assert view.state.receivers["gone"].off == "it answered 410: it wants no more messages"
            await eventually(lambda: [one.state for one in kept(stack, "gone").values()] == ["given_up"], "given up")
            assert len(heard.posted) == 1
        await view.submit(RemoveReceiver(receiver_id="gone"))
    await view.close()


@pytest.fixture
def clock_s() -> float:
    """A moment from which anomalies of the test are new to a process with the machine's clock."""

    return float(int(time.time()) - 30)

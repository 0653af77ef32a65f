"""The web server on a real embedded ClickHouse and a catalog in memory, in a thread of its own."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from argon2 import PasswordHasher

from infra.settings import Settings
from schemas.notification import Notification
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from streams.catalog.commands import AddUser, IssueUserToken, RegisterSensor
from streams.catalog.tokens import hash_of
from tests.fakes.anomalies import FakeNotes
from tests.fakes.catalog import FakeCatalog
from web.api.replays import Replays
from web.server import create_app, serve

ADMIN_PASSWORD, VIEWER_PASSWORD, ONE_TIME = "north-lamp-seven-tea", "quiet-river-stone-42", "abcd-efgh-jkmn-pqrs"
OPERATOR, READER, LINK, SENSORLESS = "pm1_operator", "pm1_reader", "pm1_link", "pm1_write"
PARTS = ("log", "worker", "gateway")


class Website:
    """One running web server.

    Attributes:
        url: where it listens.
        db, catalog: what it shows; a test may change both.
        clock: UTC seconds.
        notes: what people said of anomalies.
        messages: to receivers, as the log has them.

    Args:
        clock: UTC seconds; None: the machine's.
        replays: what works for replays; None: nothing does.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] | None = None, replays: Replays | None = None) -> None:
        self.settings, self.clock, self._replays = settings, clock or time.time, replays
        self.messages: list[Notification] = []
        self.url = f"http://127.0.0.1:{settings.web_port}"
        self.db = ClickHouse(settings)
        migrate(self.db, settings)
        self.notes = FakeNotes(self.db)
        self.catalog = people()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="website")
        self._thread.start()
        self._parts: dict[str, asyncio.Server] = {}
        for part in PARTS:
            self.start_part(part)
        self.start()

    def start(self) -> None:
        async def begin() -> None:
            self._runner = await serve(
                create_app(
                    *(self.settings, self.db, self.catalog, self.clock),
                    replays=self._replays,
                    notes=self.notes,
                    messages=lambda: list(self.messages),
                ),
                self.settings,
            )

        self.run(begin())

    def stop(self) -> None:
        """Stop listening, as a restart does; the data stays."""
        self.run(self._runner.cleanup())

    def close(self) -> None:
        self.stop()
        for part in list(self._parts):
            self.stop_part(part)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.db.close()

    def start_part(self, part: str) -> None:
        """Something that answers where the server looks for a part."""
        port = {"log": self.settings.kafka_port, "worker": self.settings.worker_port, "gateway": self.settings.gateway_port}[part]

        async def begin() -> None:
            self._parts[part] = await asyncio.start_server(_answer, "127.0.0.1", port)

        self.run(begin())

    def stop_part(self, part: str) -> None:
        async def end() -> None:
            server = self._parts.pop(part)
            server.close()
            await server.wait_closed()

        self.run(end())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


def people() -> FakeCatalog:
    hasher = PasswordHasher(time_cost=1, memory_cost=1024)
    later = 4_000_000_000_000
    return FakeCatalog(
        RegisterSensor(sensor_id="gre000001", secret_sha256="a" * 64),
        RegisterSensor(sensor_id="gre000002", secret_sha256="a" * 64, zone="Europe/Paris"),
        AddUser(name="root", role="admin", password_hash=hasher.hash(ADMIN_PASSWORD)),
        AddUser(name="ann", role="viewer", password_hash=hasher.hash(VIEWER_PASSWORD)),
        AddUser(name="new", role="admin", password_hash=hasher.hash(ONE_TIME), one_time=True),
        IssueUserToken(name="root", token_sha256=hash_of(OPERATOR), scope="read write admin", expires_at_ms=later),
        IssueUserToken(name="ann", token_sha256=hash_of(READER), scope="read", expires_at_ms=later),
        IssueUserToken(name="root", token_sha256=hash_of(SENSORLESS), scope="write", expires_at_ms=later),
        IssueUserToken(name="ann", token_sha256=hash_of(LINK), scope="signin", expires_at_ms=later),
    )


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(4096)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    writer.close()

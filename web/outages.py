"""Asks the other parts whether they are there; only when a page asks, and at most every REFRESH_S."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from aiohttp import ClientError, ClientSession, ClientTimeout

from infra.errors import PowermonError
from infra.settings import Settings
from sinks.clickhouse import ClickHouse
from web.view.parts import NONE, Outages

REFRESH_S = 1.5
TIMEOUT_S = 1.5

Ask = Callable[[], Awaitable[bool]]


class Parts:
    """Which parts answer.

    Args:
        asks: by part, a question that is answered within TIMEOUT_S or not at all.
        clock: UTC seconds.
    """

    def __init__(self, asks: Mapping[str, Ask], clock: Callable[[], float] = time.time) -> None:
        self._asks, self._clock = asks, clock
        self._outages = NONE
        self._asked_s = -math.inf
        self._lock = asyncio.Lock()

    async def outages(self) -> Outages:
        async with self._lock:
            now_s = self._clock()
            if now_s - self._asked_s >= REFRESH_S:
                self._asked_s = now_s
                answers = await asyncio.gather(*(self._answers(ask) for ask in self._asks.values()))
                self._outages = self._outages.next(dict(zip(self._asks, answers, strict=True)), now_s)
            return self._outages

    @staticmethod
    async def _answers(ask: Ask) -> bool:
        with suppress(TimeoutError, OSError, ClientError, PowermonError):
            async with asyncio.timeout(TIMEOUT_S):
                return await ask()
        return False


def asks_of(settings: Settings, db: ClickHouse, client: ClientSession) -> dict[str, Ask]:
    """The questions that make sense here: to roles on other hosts there is no address to ask."""

    async def database() -> bool:
        await db.run(db.rows, "SELECT 1")
        return True

    async def log() -> bool:
        for broker in settings.kafka.split(","):
            host, _, port = broker.strip().rpartition(":")
            with suppress(OSError):
                _, writer = await asyncio.open_connection(
                    host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port or 9092)
                )
                writer.close()
                return True
        return False

    def http(url: str) -> Ask:
        async def ask() -> bool:
            async with client.get(url, timeout=ClientTimeout(total=TIMEOUT_S)) as answer:
                return answer.status < 500

        return ask

    def every(each: list[Ask]) -> Ask:
        async def ask() -> bool:
            return all(await asyncio.gather(*(one() for one in each)))

        return ask

    asks: dict[str, Ask] = {"database": database, "log": log}
    if not settings.kafka_bootstrap:  # `powermon up`: all roles are on this machine
        asks["worker"] = every([http(f"http://127.0.0.1:{port}/healthz") for port in settings.worker_ports.values()])
    if settings.gateway_url or not settings.kafka_bootstrap:
        asks["gateway"] = http(f"{settings.gateway}/healthz")
    return asks

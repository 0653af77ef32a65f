"""Asks the parts of the system for their health and figures; only when a page asks, at most every REFRESH_S."""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from prometheus_client import generate_latest

from infra.errors import PowermonError
from infra.letters import Kept, Letters
from infra.settings import Settings
from web.view.metrics import Figures, figures

REFRESH_S = 2.0
LETTERS_EVERY_S = 10.0
LETTERS = 50
"""Dead letters on the page."""
TIMEOUT_S = 1.5
_APART_S = 5.0
"""Rates are taken over at least this long."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it is now.

    Attributes:
        problem: None: it is ready; else what it says, or that it does not answer.
        answers: whether anything came.
        figures: None when there are none.
    """

    name: str
    problem: str | None
    answers: bool
    figures: Figures | None


@dataclass(frozen=True, slots=True)
class Look:
    """All parts at one moment.

    Attributes:
        before: their figures some seconds ago, for rates; those of parts that gave both times alone.
        letters: the newest dead letters; `letters_problem`: why they are not known.
        letters_known: they were read at least once.
    """

    at_s: float
    parts: tuple[Part, ...] = ()
    before: Mapping[str, Figures] = field(default_factory=dict)
    letters: tuple[Kept, ...] = ()
    letters_problem: str | None = None
    letters_known: bool = False


class System:
    """The parts of one stack.

    Args:
        ready: of this process: what is wrong with it, or None.
        clock: UTC seconds.
    """

    def __init__(self, settings: Settings, ready: Callable[[], Any], clock: Callable[[], float] = time.time) -> None:
        self._settings, self._ready, self._clock = settings, ready, clock
        self._look = Look(-math.inf)
        self._kept: list[tuple[float, dict[str, Figures]]] = []
        self._letters: tuple[Kept, ...] | None = None
        self._letters_problem: str | None = None
        self._reading: asyncio.Task[None] | None = None
        self._read_s = -math.inf
        self._lock = asyncio.Lock()

    def addresses(self) -> dict[str, str]:
        """Where each part answers; on other hosts there is no address to ask."""
        one = self._settings
        here = {"gateway": one.gateway} if one.gateway_url or not one.kafka_bootstrap else {}
        if not one.kafka_bootstrap:
            here |= {name: f"http://127.0.0.1:{port}" for name, port in one.worker_ports.items()}
            here["meter"] = f"http://127.0.0.1:{one.meter_port}"
        return here

    async def look(self, client: ClientSession) -> Look:
        """All parts, as of at most REFRESH_S ago."""
        async with self._lock:
            now_s = self._clock()
            if now_s - self._look.at_s < REFRESH_S:
                return self._look
            parts = await asyncio.gather(
                self._own(now_s), *(self._ask(client, name, url, now_s) for name, url in self.addresses().items())
            )
            current = {part.name: part.figures for part in parts if part.figures is not None}
            older = [kept for kept in self._kept if now_s - kept[0] >= _APART_S] or self._kept[:1]
            before = {name: found for name, found in older[-1][1].items() if name in current} if older else {}
            self._kept = [*(kept for kept in self._kept if now_s - kept[0] < 60), (now_s, current)]
            if self._reading is None or (self._reading.done() and now_s - self._read_s >= LETTERS_EVERY_S):
                self._read_s, self._reading = now_s, asyncio.create_task(self._dead())  # a broker may be slow: no page waits
            known = self._letters is not None
            self._look = Look(now_s, tuple(parts), before, self._letters or (), self._letters_problem, known)
            return self._look

    async def _own(self, now_s: float) -> Part:
        found = figures(generate_latest().decode(), now_s)
        return Part("store" if found.total("powermon_sink_rows_total") is not None else "web", await self._ready(), True, found)

    async def _ask(self, client: ClientSession, name: str, url: str, now_s: float) -> Part:
        wait = ClientTimeout(total=TIMEOUT_S)
        try:
            async with client.get(f"{url}/readyz", timeout=wait) as answer:
                told = await answer.json(content_type=None) if answer.status != 200 else {}
            async with client.get(f"{url}/metrics", timeout=wait) as answer:
                text = await answer.text()
        except (ClientError, TimeoutError, OSError, ValueError):
            return Part(name, "", False, None)
        problem = str(told.get("detail", "")) or None if isinstance(told, dict) else None
        try:
            return Part(name, problem, True, figures(text, now_s))
        except ValueError:
            return Part(name, problem, True, None)

    async def _dead(self) -> None:
        def read() -> tuple[Kept, ...]:
            letters = Letters(self._settings)
            try:
                return tuple(itertools.islice(letters.newest_first(0), LETTERS))
            finally:
                letters.close()

        try:
            self._letters, self._letters_problem = await asyncio.to_thread(read), None
        except PowermonError as error:
            self._letters_problem = str(error)

    async def close(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

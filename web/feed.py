"""What open pages look at: one poller, however many pages look, silent when nobody does.

A tick queries all that is watched at once, builds the columns of each once, and hands the same lists to
every page. Updates wait for a page that is busy; one that is far behind gets everything instead.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

import structlog
from prometheus_client import Counter, Gauge, Histogram

from infra.errors import PowermonError
from web.watched import Update

DEEP_EVERY = 10
"""Every so many ticks the whole window is asked for again."""
MINUTES_EVERY = 5
"""Every so many ticks the minutes are looked at."""
WAITING_MOST = 12
"""Updates that may wait for a busy page, some seconds of them."""
KEEP_S = 60
"""How long a thing is remembered that nobody looks at."""

PAGES = Gauge("powermon_web_pages", "Open pages with live plots", ["kind"])
WATCHED = Gauge("powermon_web_watched", "Sensors and meters that open pages look at", ["kind"])
TICKS = Histogram("powermon_web_tick_seconds", "One tick of the pages' poller: query, build, hand over")
BEHIND = Counter("powermon_web_pages_behind_total", "Times a page was too busy for its updates and got everything instead")

Deliver = Callable[[Update], Awaitable[None]]
_NOTHING = Update()

Shown = tuple[str, int]
"""What a page shows: the name of a thing, and which of its past."""


@dataclass(slots=True, eq=False)
class Page:
    """One open page.

    Attributes:
        name: what it shows, the id of a sensor or meter.
        span: which of its past: the last so many hours, or a day.
        deliver: applies an update; may take as long as its connection does.
        waiting: updates not delivered yet.
        stale: it missed something and needs everything.
    """

    name: str
    span: int
    deliver: Deliver
    waiting: list[Update] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    stale: bool = False


class Watching(Protocol):
    """What is held of one thing that pages look at."""

    def whole(self, span: int, now_s: float) -> Update:
        """Everything, for a page that shows nothing yet."""


W = TypeVar("W", bound=Watching)


class Source(Protocol[W]):
    """Where news of one kind of thing come from.

    Attributes:
        tick_s: how often somebody asks for them.
    """

    kind: str
    tick_s: float

    def begin(self, name: str, now_s: float) -> W:
        """Something nobody has looked at yet."""

    async def load(self, watched: W, now_s: float) -> None:
        """Read its present."""

    async def news(self, watched: list[W], now_s: float, *, deep: bool) -> list[Update]:
        """What is new of each.

        Args:
            deep: look at the whole window again, for what came late.
        """

    async def past(self, wanted: list[tuple[W, int]], now_s: float) -> list[Update]:
        """Read the minutes of each thing and span."""


@dataclass(slots=True)
class _Seat(Generic[W]):
    """A watched thing, the pages that look at it, and when one last did."""

    watched: W
    pages: set[Page] = field(default_factory=set)
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    used_s: float = 0.0


class Feed(Generic[W]):
    """Watches one kind of thing for pages.

    Args:
        source: where news come from.
        clock: UTC seconds.
    """

    def __init__(self, source: Source[W], clock: Callable[[], float] = time.time) -> None:
        self._source, self._clock = source, clock
        self._seats: dict[str, _Seat[W]] = {}
        self._task: asyncio.Task[None] | None = None
        self._ticks = 0
        self._in_tick = False
        self._log = structlog.get_logger(__name__)
        self.trouble: str | None = None
        """Why the last tick brought nothing; None when it did."""

    def crashed(self) -> str | None:
        """Why the poller ended although pages look; None when it did not."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        error = self._task.exception()
        return None if error is None else f"the pages' poller has stopped: {error!r}; restart this process"

    # ---- for pages

    async def prepare(self, name: str, span: int, timeout_s: float = 3) -> None:
        """Load a thing, so that a page made next shows data at once; without an answer in time it just shows none yet."""
        seat = self._seat(name)
        with contextlib.suppress(PowermonError, TimeoutError):
            async with asyncio.timeout(timeout_s), seat.loading:
                if not seat.pages:
                    await self._source.load(seat.watched, self._clock())
                if not any(page.span == span for page in seat.pages):
                    await self._source.past([(seat.watched, span)], self._clock())

    def whole(self, name: str, span: int) -> Update:
        """Everything known of a thing."""
        return self._seat(name).watched.whole(span, self._clock())

    def watch(self, page: Page) -> None:
        """Deliver to a page that shows `whole` from now on."""
        page.stale = self._in_tick  # what this tick has found already is in `whole`, and would come twice
        self._seat(page.name).pages.add(page)
        PAGES.labels(self._source.kind).inc()
        if self._task is None or (self._task.done() and self.crashed() is None):
            self._task = asyncio.create_task(self._run())

    def unwatch(self, page: Page) -> None:
        seat = self._seats.get(page.name)
        if seat is not None and page in seat.pages:
            seat.pages.remove(page)
            seat.used_s = self._clock()
            PAGES.labels(self._source.kind).dec()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._task

    # ---- the poller

    async def _run(self) -> None:
        """Tick until nobody looks."""
        while any(seat.pages for seat in self._seats.values()):
            began = time.perf_counter()
            try:
                with TICKS.time():
                    await self._tick()
                self.trouble = None
            except PowermonError as error:
                if self.trouble is None:
                    self._log.warning("live pages stand still", reason=str(error))
                self.trouble = str(error)
            finally:
                self._in_tick = False
            await asyncio.sleep(max(0.05, self._source.tick_s - (time.perf_counter() - began)))
        WATCHED.labels(self._source.kind).set(0)

    async def _tick(self) -> None:
        self._in_tick = True
        self._forget()
        self._ticks += 1
        seats = [seat for seat in self._seats.values() if seat.pages]
        WATCHED.labels(self._source.kind).set(len(seats))
        deep = self._ticks % DEEP_EVERY == 0
        updates = await self._source.news([seat.watched for seat in seats], self._clock(), deep=deep)
        past = await self._past(seats) if self._ticks % MINUTES_EVERY == 0 else {}
        for seat, update in zip(seats, updates, strict=True):
            self._hand_out(seat, update, past)

    async def _past(self, seats: list[_Seat[W]]) -> dict[Shown, Update]:
        """What is new in the minutes that pages show."""
        async with contextlib.AsyncExitStack() as loading:
            for seat in seats:
                await loading.enter_async_context(seat.loading)
            shown = list({(page.name, page.span): seat.watched for seat in seats for page in seat.pages}.items())
            try:
                found = await self._source.past([(watched, span) for (_, span), watched in shown], self._clock())
            except PowermonError:
                for seat in seats:
                    for page in seat.pages:
                        page.stale = True  # what is new of this moment is not handed over
                raise
        return dict(zip((key for key, _ in shown), found, strict=True))

    # ---- handing over

    def _hand_out(self, seat: _Seat[W], update: Update, by_shown: dict[Shown, Update]) -> None:
        for page in seat.pages:
            past = by_shown.get((page.name, page.span), _NOTHING)
            if not (update or past or page.stale):
                continue
            if len(page.waiting) >= WAITING_MOST:
                BEHIND.inc()
                page.stale = True
            if not page.stale:
                page.waiting.append(replace(update, past=past.past, change=past.change) if past else update)
            if page.task is None or page.task.done():
                page.task = asyncio.create_task(self._hand_over(page))

    async def _hand_over(self, page: Page) -> None:
        while page.waiting or page.stale:
            if page.stale:
                page.stale = False
                page.waiting[:] = [self.whole(page.name, page.span)]
            try:
                await page.deliver(page.waiting.pop(0))
            except Exception as error:  # one page's broken connection is not the others' trouble
                page.waiting.clear()
                page.stale = True
                self._log.info("a page did not take its update", reason=repr(error))
                return

    # ---- bookkeeping

    def _seat(self, name: str) -> _Seat[W]:
        seat = self._seats.get(name)
        if seat is None:
            now_s = self._clock()
            seat = self._seats[name] = _Seat(self._source.begin(name, now_s), used_s=now_s)
        return seat

    def _forget(self) -> None:
        now_s = self._clock()
        for name in [n for n, seat in self._seats.items() if not seat.pages and now_s - seat.used_s > KEEP_S]:
            del self._seats[name]

"""What open pages look at: one poller, however many pages look, silent when nobody does.

A tick queries all watched sensors at once, builds the columns of each once, and hands the same lists to
every page. Updates wait for a page that is busy; one that is far behind gets everything instead.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog
from prometheus_client import Counter, Gauge, Histogram

from infra.errors import PowermonError
from sinks.clickhouse import ClickHouse
from web import queries
from web.view import seconds
from web.view.clock import zone_at
from web.watched import Found, Update, Watched

TICK_S = 0.4
OVERLAP_S = 6
"""Seconds before the newest that are asked for again: what came out of order."""
DEEP_EVERY = 10
"""Every so many ticks the whole window is asked for again."""
MINUTES_EVERY = 5
"""Every so many ticks the minutes are looked at."""
WAITING_MOST = 12
"""Updates that may wait for a busy page, some seconds of them."""
KEEP_S = 60
"""How long a sensor is remembered that nobody looks at."""

PAGES = Gauge("powermon_web_pages", "Open live pages")
SENSORS = Gauge("powermon_web_watched_sensors", "Sensors that open pages look at")
TICKS = Histogram("powermon_web_tick_seconds", "One tick of the pages' poller: query, build, hand over")
BEHIND = Counter("powermon_web_pages_behind_total", "Times a page was too busy for its updates and got everything instead")

Deliver = Callable[[Update], Awaitable[None]]
_NOTHING = Update()


@dataclass(slots=True, eq=False)
class Page:
    """One open page.

    Attributes:
        deliver: applies an update; may take as long as its connection does.
        waiting: updates not delivered yet.
        stale: it missed something and needs everything.
    """

    sensor_id: str
    hours: int
    deliver: Deliver
    waiting: list[Update] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    stale: bool = False


@dataclass(slots=True)
class _Seat:
    """A watched sensor, the pages that look at it, and when one last did."""

    watched: Watched
    pages: set[Page] = field(default_factory=set)
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    used_s: float = 0.0


class Feed:
    """Watches sensors for pages.

    Args:
        db: where readings and minutes are.
        zone_of: the IANA zone of a sensor, None when not known.
        newest_of: the newest second of a sensor, however old.
        clock: UTC seconds.
    """

    def __init__(
        self,
        db: ClickHouse,
        zone_of: Callable[[str], str | None],
        newest_of: Callable[[str], Awaitable[int | None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._db, self._zone_of, self._newest_of, self._clock = db, zone_of, newest_of, clock
        self._seats: dict[str, _Seat] = {}
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

    async def prepare(self, sensor_id: str, hours: int, timeout_s: float = 3) -> None:
        """Load a sensor, so that a page made next shows data at once; without an answer in time it just shows none yet."""
        seat = self._seat(sensor_id)
        with contextlib.suppress(PowermonError, TimeoutError):
            async with asyncio.timeout(timeout_s), seat.loading:
                if not seat.pages:
                    await self._load(seat.watched)
                if not any(page.hours == hours for page in seat.pages):
                    await self._load_minutes(seat.watched, hours)

    def whole(self, sensor_id: str, hours: int) -> Update:
        """Everything known of a sensor."""
        return self._seat(sensor_id).watched.whole(hours, self._clock())

    def watch(self, page: Page) -> None:
        """Deliver to a page that shows `whole` from now on."""
        page.stale = self._in_tick  # what this tick has found already is in `whole`, and would come twice
        self._seat(page.sensor_id).pages.add(page)
        PAGES.inc()
        if self._task is None or (self._task.done() and self.crashed() is None):
            self._task = asyncio.create_task(self._run())

    def unwatch(self, page: Page) -> None:
        seat = self._seats.get(page.sensor_id)
        if seat is not None and page in seat.pages:
            seat.pages.remove(page)
            seat.used_s = self._clock()
            PAGES.dec()

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
            await asyncio.sleep(max(0.05, TICK_S - (time.perf_counter() - began)))
        SENSORS.set(0)

    async def _tick(self) -> None:
        self._in_tick = True
        self._forget()
        self._ticks += 1
        seats = [seat for seat in self._seats.values() if seat.pages]
        SENSORS.set(len(seats))
        updates = await self._seconds([seat.watched for seat in seats])
        for nth, seat in enumerate(seats):
            due = (self._ticks + nth) % MINUTES_EVERY == 0
            by_hours = await self._minutes(seat) if due else {}
            self._hand_out(seat, updates[seat.watched.sensor_id], by_hours)

    async def _seconds(self, watched: list[Watched]) -> dict[str, Update]:
        now_s = self._clock()
        overlap_s = None if self._ticks % DEEP_EVERY == 0 else OVERLAP_S
        # One sensor that is far behind would widen the query for all: those wait for the deep look.
        starts = [w.since_s(now_s, overlap_s) for w in watched if w.newest_s is not None]
        recent = [s for s in starts if s >= now_s - seconds.WINDOW_S + OVERLAP_S]
        since_s = min(recent) if recent and overlap_s else int(now_s) - seconds.WINDOW_S - 2
        found = await queries.latest_seconds(self._db, [w.sensor_id for w in watched], since_s)
        if overlap_s is None:
            for w in watched:
                if not found[w.sensor_id]:
                    found[w.sensor_id] = await self._older(w)
        return {w.sensor_id: w.take(found[w.sensor_id], now_s, self._zone_of(w.sensor_id)) for w in watched}

    async def _older(self, watched: Watched) -> Found:
        """Data of a sensor that is silent or whose clock is far behind; nothing when there is no news."""
        newest_s = await self._newest_of(watched.sensor_id)
        if newest_s is None or (watched.newest_s is not None and newest_s <= watched.newest_s):
            return {}
        since_s = newest_s - seconds.WINDOW_S
        return (await queries.latest_seconds(self._db, [watched.sensor_id], since_s))[watched.sensor_id]

    async def _minutes(self, seat: _Seat) -> dict[int, Update]:
        async with seat.loading:
            return {hours: await self._load_minutes(seat.watched, hours) for hours in {page.hours for page in seat.pages}}

    async def _load(self, watched: Watched) -> None:
        now_s = self._clock()
        sensor = watched.sensor_id
        found = (await queries.latest_seconds(self._db, [sensor], watched.since_s(now_s, None)))[sensor]
        if not found:
            found = await self._older(watched)
        watched.sent_s = 0
        watched.take(found, now_s, self._zone_of(sensor))

    async def _load_minutes(self, watched: Watched, hours: int) -> Update:
        now_s = self._clock()
        since_s, until_s, deep = watched.minutes_wanted(hours, now_s)
        rows = await queries.minutes(self._db, watched.sensor_id, since_s, until_s)
        return watched.take_minutes(hours, rows, since_s, now_s, deep=deep)

    # ---- handing over

    def _hand_out(self, seat: _Seat, update: Update, by_hours: dict[int, Update]) -> None:
        for page in seat.pages:
            past = by_hours.get(page.hours, _NOTHING)
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
                page.waiting[:] = [self.whole(page.sensor_id, page.hours)]
            try:
                await page.deliver(page.waiting.pop(0))
            except Exception as error:  # one page's broken connection is not the others' trouble
                page.waiting.clear()
                page.stale = True
                self._log.info("a page did not take its update", reason=repr(error))
                return

    # ---- bookkeeping

    def _seat(self, sensor_id: str) -> _Seat:
        seat = self._seats.get(sensor_id)
        if seat is None:
            zone = zone_at(self._zone_of(sensor_id), self._clock())
            seat = self._seats[sensor_id] = _Seat(Watched(sensor_id, zone), used_s=self._clock())
        return seat

    def _forget(self) -> None:
        now_s = self._clock()
        for sensor_id in [s for s, seat in self._seats.items() if not seat.pages and now_s - seat.used_s > KEEP_S]:
            del self._seats[sensor_id]

"""Where news of meters come from: their newest frames and the minutes of a day, out of ClickHouse."""

from collections.abc import Awaitable, Callable

from sinks.clickhouse import ClickHouse
from web import meter_queries
from web.meter_watched import MeterWatched
from web.view import meter_live
from web.view.clock import zone_at
from web.view.meter import Frame
from web.watched import Update

OVERLAP_S = 15
"""Seconds before the newest that are asked for again: what came out of order."""
NAMES_S = 8 * 86_400
"""How far before a day to look for what the meter calls its tariffs."""


class MeterSource:
    """Reads what pages of meters show.

    Args:
        db: where frames and minutes are.
        zone_of: the IANA zone of a meter.
        newest_of: the newest moment of a meter, however old.
    """

    kind = "meter"
    tick_s = 1.0  # a Linky says something every second or two

    def __init__(self, db: ClickHouse, zone_of: Callable[[str], str], newest_of: Callable[[str], Awaitable[int | None]]) -> None:
        self._db, self._zone_of, self._newest_of = db, zone_of, newest_of

    def begin(self, name: str, now_s: float) -> MeterWatched:
        return MeterWatched(name, zone_at(self._zone_of(name), now_s))

    async def load(self, watched: MeterWatched, now_s: float) -> None:
        meter = watched.meter_id
        found = (await meter_queries.frames(self._db, [meter], watched.since_s(now_s, None)))[meter]
        if not found:
            found = await self._older(watched)
        watched.sent = None
        watched.take(found, now_s, self._zone_of(meter))

    async def news(self, watched: list[MeterWatched], now_s: float, *, deep: bool) -> list[Update]:
        overlap_s = None if deep else OVERLAP_S
        # One meter that is far behind would widen the query for all: those wait for the deep look.
        starts = [w.since_s(now_s, overlap_s) for w in watched if w.newest is not None]
        recent = [s for s in starts if s >= now_s - meter_live.WINDOW_S + OVERLAP_S]
        since_s = min(recent) if recent and overlap_s else int(now_s) - meter_live.WINDOW_S - 5
        found = await meter_queries.frames(self._db, [w.meter_id for w in watched], since_s)
        if deep:
            for w in watched:
                if not found[w.meter_id]:
                    found[w.meter_id] = await self._older(w)
        return [w.take(found[w.meter_id], now_s, self._zone_of(w.meter_id)) for w in watched]

    async def past(self, wanted: list[tuple[MeterWatched, int]], now_s: float) -> list[Update]:
        return [await self._day(watched, span, now_s) for watched, span in wanted]

    async def _day(self, watched: MeterWatched, span: int, now_s: float) -> Update:
        since_s, until_s, deep = watched.minutes_wanted(span, now_s)
        if deep:
            watched.names = await meter_queries.tariff_names(self._db, watched.meter_id, since_s - NAMES_S, until_s)
        rows = await meter_queries.minutes(self._db, watched.meter_id, since_s, until_s)
        return watched.take_minutes(span, rows, now_s, deep=deep)

    async def _older(self, watched: MeterWatched) -> dict[meter_queries.Key, Frame]:
        """The last frames of a meter that is silent; nothing when there is no news."""
        newest_s = await self._newest_of(watched.meter_id)
        if newest_s is None or (watched.newest is not None and newest_s <= watched.newest.at_s):
            return {}
        return (await meter_queries.frames(self._db, [watched.meter_id], newest_s - meter_live.WINDOW_S))[watched.meter_id]

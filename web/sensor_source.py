"""Where news of sensors come from: their newest seconds and their minutes, out of ClickHouse."""

from collections.abc import Awaitable, Callable

from sinks.clickhouse import ClickHouse
from web import queries
from web.view import seconds
from web.view.clock import zone_at
from web.watched import Found, Update, Watched

OVERLAP_S = 6
"""Seconds before the newest that are asked for again: what came out of order."""


class SensorSource:
    """Reads what pages of sensors show.

    Args:
        db: where readings and minutes are.
        zone_of: the IANA zone of a sensor, None when not known.
        newest_of: the newest second of a sensor, however old.
        contract_of: its contracted power in W, 0 when none is known; None: nobody knows any.
    """

    kind = "sensor"
    tick_s = 0.4

    def __init__(
        self,
        db: ClickHouse,
        zone_of: Callable[[str], str | None],
        newest_of: Callable[[str], Awaitable[int | None]],
        contract_of: Callable[[str], float] | None = None,
    ) -> None:
        self._db, self._zone_of, self._newest_of = db, zone_of, newest_of
        self._contract_of = contract_of or (lambda _: 0.0)

    def begin(self, name: str, now_s: float) -> Watched:
        return Watched(name, zone_at(self._zone_of(name), now_s))

    async def load(self, watched: Watched, now_s: float) -> None:
        sensor = watched.sensor_id
        found = (await queries.latest_seconds(self._db, [sensor], watched.since_s(now_s, None)))[sensor]
        if not found:
            found = await self._older(watched)
        watched.sent_s, watched.contract_w = 0, self._contract_of(sensor)
        watched.take(found, now_s, self._zone_of(sensor))

    async def news(self, watched: list[Watched], now_s: float, *, deep: bool) -> list[Update]:
        overlap_s = None if deep else OVERLAP_S
        # One sensor that is far behind would widen the query for all: those wait for the deep look.
        starts = [w.since_s(now_s, overlap_s) for w in watched if w.newest_s is not None]
        recent = [s for s in starts if s >= now_s - seconds.WINDOW_S + OVERLAP_S]
        since_s = min(recent) if recent and overlap_s else int(now_s) - seconds.WINDOW_S - 2
        found = await queries.latest_seconds(self._db, [w.sensor_id for w in watched], since_s)
        if overlap_s is None:
            for w in watched:
                if not found[w.sensor_id]:
                    found[w.sensor_id] = await self._older(w)
        for w in watched:
            w.contract_w = self._contract_of(w.sensor_id)
        return [w.take(found[w.sensor_id], now_s, self._zone_of(w.sensor_id)) for w in watched]

    async def past(self, wanted: list[tuple[Watched, int]], now_s: float) -> list[Update]:
        asked = [(watched, span, *watched.minutes_wanted(span, now_s)) for watched, span in wanted]
        # Those that want the same minutes, as all live ones do, are read together.
        together: dict[tuple[int, int], set[str]] = {}
        for watched, _, since_s, until_s, _ in asked:
            together.setdefault((since_s, until_s), set()).add(watched.sensor_id)
        rows = {window: await queries.minutes(self._db, sorted(sensors), *window) for window, sensors in together.items()}
        return [
            watched.take_minutes(span, rows[since_s, until_s][watched.sensor_id], since_s, now_s, deep=deep)
            for watched, span, since_s, until_s, deep in asked
        ]

    async def _older(self, watched: Watched) -> Found:
        """Data of a sensor that is silent or whose clock is far behind; nothing when there is no news."""
        newest_s = await self._newest_of(watched.sensor_id)
        if newest_s is None or (watched.newest_s is not None and newest_s <= watched.newest_s):
            return {}
        since_s = newest_s - seconds.WINDOW_S
        return (await queries.latest_seconds(self._db, [watched.sensor_id], since_s))[watched.sensor_id]

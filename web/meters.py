"""All meters: registered, or heard of in the log; when each was last heard, and its power now.

Looked up only when a page asks, at most every REFRESH_S however many ask.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.errors import PowermonError
from sinks.clickhouse import ClickHouse
from streams.catalog.state import State
from web import meter_queries
from web.view import meter_live
from web.view.clock import zone_at
from web.view.meter import DEFAULT_ZONE, LIVE_S
from web.view.say import joined, say

REFRESH_S = 1.5
DEEP_S = 30.0
RECENT_S = 60
"""How far back the quick look goes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One meter as the list needs it.

    Attributes:
        newest_s: its newest moment, UTC; None when nothing ever came.
        apparent_va: of its newest frame; None when not known.
        registered: in the catalog.
    """

    meter_id: str
    zone: str
    newest_s: int | None
    apparent_va: int | None
    registered: bool

    def live(self, now_s: float) -> bool:
        return self.newest_s is not None and self.newest_s >= now_s - LIVE_S


class Meters:
    """The list of meters.

    Args:
        db: where frames and minutes are.
        state: the catalog.
        clock: UTC seconds.
    """

    def __init__(self, db: ClickHouse, state: Callable[[], State], clock: Callable[[], float] = time.time) -> None:
        self._db, self._state, self._clock = db, state, clock
        self._newest: dict[str, int] = {}
        self._apparent: dict[str, int | None] = {}
        self._looked_s = self._deep_s = -math.inf
        self._lock = asyncio.Lock()
        self.trouble: str | None = None
        """Why the last look failed; None when it did not."""

    async def entries(self) -> list[Entry]:
        """Every meter by id; what was known before when the database does not answer."""
        async with self._lock:
            now_s = self._clock()
            if now_s - self._looked_s >= REFRESH_S:
                self._looked_s = now_s
                try:
                    await self._look(now_s)
                    self.trouble = None
                except PowermonError as error:
                    self.trouble = str(error)
        registered = self._registered()
        return [
            Entry(name, self.zone(name), self._newest.get(name), self._apparent.get(name), name in registered)
            for name in sorted(registered | self._newest.keys())
        ]

    async def newest(self, meter_id: str) -> int | None:
        """The newest moment of one meter, however old."""
        await self.entries()
        return self._newest.get(meter_id)

    def knows(self, meter_id: str) -> bool:
        """Whether the meter is registered or was ever heard."""
        return meter_id in self._newest or meter_id in self._registered()

    def zone(self, meter_id: str) -> str:
        """IANA name of the zone in which its days begin."""
        state = self._state()
        sensor = state.sensors.get(meter_id)
        return DEFAULT_ZONE if sensor is None else state.zone_of(sensor)

    def _registered(self) -> set[str]:
        return {name for name, sensor in self._state().sensors.items() if sensor.kind == "linky"}

    async def _look(self, now_s: float) -> None:
        if now_s - self._deep_s >= DEEP_S:
            self._merge(await meter_queries.newest_ever(self._db))
            self._deep_s = now_s
        recent = await meter_queries.recent(self._db, int(now_s) - RECENT_S)
        self._merge({name: newest for name, (newest, _) in recent.items()})
        self._apparent = {name: apparent for name, (_, apparent) in recent.items()}

    def _merge(self, newest: dict[str, int]) -> None:
        for name, at_s in newest.items():
            self._newest[name] = max(at_s, self._newest.get(name, at_s))


def rows(entries: list[Entry], text: str, now_s: float) -> dict[str, Any]:
    """The list as a page shows it, live ones first. `total` and `live` count all, `matching` those with this text."""
    found = [entry for entry in entries if text.lower() in entry.meter_id.lower()]
    found.sort(key=lambda entry: (not entry.live(now_s), entry.meter_id))
    return {
        "total": len(entries),
        "live": sum(entry.live(now_s) for entry in entries),
        "matching": len(found),
        "meters": [row(entry, now_s) for entry in found],
    }


def row(entry: Entry, now_s: float) -> dict[str, Any]:
    """One meter of the list."""
    if entry.live(now_s):
        state, detail = "live", joined(" ", meter_live.volt_amperes(entry.apparent_va))
    elif entry.newest_s is not None:
        state, detail = "silent", say("since {moment}", moment=zone_at(entry.zone, now_s).text(entry.newest_s, now_s))
    else:
        state, detail = "never", say("nothing received yet")
    return {
        "id": entry.meter_id,
        "state": state,
        "detail": detail,
        "newest_s": entry.newest_s,
        "apparent_va": entry.apparent_va if state == "live" else None,
        "zone": entry.zone,
        "registered": entry.registered,
    }


def first(entries: list[Entry], now_s: float) -> str | None:
    """Which meter to show when none was asked for: a live one, else the one heard last, else any."""
    if not entries:
        return None
    return min(entries, key=lambda e: (not e.live(now_s), -(e.newest_s or 0) if not e.live(now_s) else 0, e.meter_id)).meter_id

"""All sensors: registered, or heard of in the log; when each was last heard, and its power now.

Looked up only when a page asks, at most every REFRESH_S however many ask.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable

from infra.errors import PowermonError
from sinks.clickhouse import ClickHouse
from streams.catalog import terms
from streams.catalog.state import State
from streams.core import energy
from web import anomaly_queries, queries
from web.meters import Meters
from web.view.fleet import Entry

REFRESH_S = 1.5
DEEP_S = 30.0
ANOMALIES_S = 4.0
RECENT_S = 15
"""How far back the quick look goes."""
AHEAD_S = 330


class Fleet:
    """The list of sensors.

    Args:
        db: where readings and minutes are.
        state: the catalog.
        clock: UTC seconds.
        meters: tells when the Linkys were last heard; None: nobody does.
    """

    def __init__(
        self, db: ClickHouse, state: Callable[[], State], clock: Callable[[], float] = time.time, meters: Meters | None = None
    ) -> None:
        self._db, self._state, self._clock, self._meters = db, state, clock, meters
        self._newest: dict[str, int] = {}
        self._power: dict[str, float] = {}
        self._open: Counter[str] = Counter()
        self._looked_s = self._deep_s = self._anomalies_s = -math.inf
        self._lock = asyncio.Lock()
        self.trouble: str | None = None
        """Why the last look failed; None when it did not."""

    async def entries(self) -> list[Entry]:
        """Every sensor; what was known before when the database does not answer."""
        async with self._lock:
            now_s = self._clock()
            if now_s - self._looked_s >= REFRESH_S:
                self._looked_s = now_s
                try:
                    await self._look(now_s)
                    self.trouble = None
                except PowermonError as error:
                    self.trouble = str(error)
        state = self._state()
        sensors = state.sensors
        linkys = {} if self._meters is None else {one.meter_id: one for one in await self._meters.entries() if one.registered}
        return [
            Entry(
                sensor_id=name,
                zone=state.zone_of(sensors[name]) if name in sensors else None,
                newest_s=linkys[name].newest_s if name in linkys else self._newest.get(name),
                power_mw=self._power.get(name, math.nan),
                sensor=sensors.get(name),
                apparent_va=linkys[name].apparent_va if name in linkys else None,
                anomalies=self._open[name],
            )
            for name in sensors.keys() | self._newest.keys()
        ]

    async def newest(self, sensor_id: str) -> int | None:
        """The newest second of one sensor, however old."""
        await self.entries()
        known = self._newest.get(sensor_id)
        exact = await queries.newest_second(self._db, sensor_id, 0 if known is None else known - 3600)
        if exact is not None:
            self._merge({sensor_id: exact}, self._clock())
        # Its minutes may speak of later seconds than there are readings of: those that are there are shown.
        return self._newest.get(sensor_id) if exact is None else exact

    def knows(self, sensor_id: str) -> bool:
        """Whether the sensor is registered or was ever heard."""
        return sensor_id in self._newest or sensor_id in self._state().sensors

    def zone(self, sensor_id: str) -> str | None:
        """Its IANA zone; None when it is not registered."""
        state = self._state()
        sensor = state.sensors.get(sensor_id)
        return None if sensor is None else state.zone_of(sensor)

    def contract_w(self, sensor_id: str) -> float:
        """Its contracted power today; 0 when none is known."""
        state = self._state()
        sensor = state.sensors.get(sensor_id)
        if sensor is None:
            return 0.0
        return terms.on(sensor, energy.local_day(state.zone_of(sensor), self._clock()).isoformat()).contracted_power_w

    async def _look(self, now_s: float) -> None:
        if now_s - self._deep_s >= DEEP_S:
            self._merge(await queries.fleet_ever(self._db), now_s)
            self._deep_s = now_s
        recent = await queries.fleet_now(self._db, int(now_s) - RECENT_S)
        self._merge({name: newest for name, (newest, _) in recent.items()}, now_s)
        self._power = {name: power for name, (_, power) in recent.items()}

        if now_s - self._anomalies_s >= ANOMALIES_S:
            self._open = Counter(row["source"] for row in await anomaly_queries.open_ones(self._db))
            self._anomalies_s = now_s

    def _merge(self, newest: dict[str, int], now_s: float) -> None:
        for name, second in newest.items():
            if second <= now_s + AHEAD_S:
                self._newest[name] = max(second, self._newest.get(name, second))

"""/weather_records/: what a station measured, or its normal year."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from schemas.record_part import Records, weather_series
from streams.catalog.datastore import values
from streams.catalog.state import State
from web.datastore import record_bodies
from web.datastore.answers import Refused, answer
from web.datastore.body import Bodies
from web.datastore.door import BASE, Endpoint
from web.datastore.fields import Query
from web.datastore.record_bodies import SyncedWeather, Unfit
from web.datastore.record_log import RecordsRefused
from web.datastore.record_reads import Found, RecordReads, among, starts
from web.datastore.records import Writes, streamed
from web.datastore.sync import label_of
from web.identity import Catalog

PATH = f"{BASE}weather_records/"
OBSERVED, NORMAL = "OBSERVED", "NORMAL"


class WeatherRow(msgspec.Struct, gc=False):
    """As /weather_records/ says it."""

    id: int
    station_id: str
    start: str
    value: float
    kind: str


class WeatherApi:
    """The door of weather records."""

    def __init__(self, catalog: Catalog, bodies: Bodies, reads: RecordReads, log: Writes) -> None:
        self._catalog, self._bodies, self._reads, self._log = catalog, bodies, reads, log

    def endpoints(self) -> list[Endpoint]:
        sync2 = {"POST": "Set many records (station_id, start, value, kind OBSERVED or NORMAL): all or none"}
        return [
            Endpoint(PATH, {"GET": self.every}, about={"GET": "All weather records"}, filters=("station_id", "kind", "start")),
            Endpoint(f"{PATH}sync2/", {"POST": self.sync2}, about=sync2),
        ]

    async def every(self, request: web.Request) -> web.StreamResponse:
        """All records, or those of `station_id`, `kind` and `start`."""
        state = self._catalog.state
        condition = _condition(state, request.query)
        names = {pk: station.station_id for pk, station in state.stations.items()}
        live = {weather_series(pk, normal=normal) for pk in names for normal in (False, True)}
        found = among(await asyncio.to_thread(self._reads.where, condition), live)
        return await streamed(request, found, lambda part: _rows(part, names))

    async def sync2(self, request: web.Request) -> web.StreamResponse:
        body = await self._bodies.raw(request) or b"{}"
        try:
            await self._log.write(await self._bodies.beside(self._columns, body))
        except (Unfit, RecordsRefused):
            raise Refused(400, {"status": "error", "message": "Error attempting to sync"}) from None
        return answer({"status": "success"})

    def _columns(self, body: bytes) -> Records:
        return record_bodies.columns(body, SyncedWeather, self._series, blank=True)

    def _series(self, rows: list[SyncedWeather]) -> list[int]:
        known: dict[tuple[str | None, str], int] = {}
        named = [label_of(row.station_id) for row in rows]
        for name, kind in {(name, str(row.kind)) for name, row in zip(named, rows, strict=True)}:
            pk = None if name is None else self._catalog.state.index.one("station", name)
            if pk is None or kind not in (OBSERVED, NORMAL):
                raise Unfit
            known[name, kind] = weather_series(pk, normal=kind == NORMAL)
        return [known[name, str(row.kind)] for name, row in zip(named, rows, strict=True)]


def _condition(state: State, query: Query) -> str:
    parts = ["true"]
    if "station_id" in query:
        pk = state.index.one("station", query.getall("station_id")[-1])
        parts.append(
            "false" if pk is None else f"series IN ({weather_series(pk, normal=False)}, {weather_series(pk, normal=True)})"
        )
    if "kind" in query:
        kind = query.getall("kind")[-1]
        parts.append({OBSERVED: "series % 2 = 0", NORMAL: "series % 2 = 1"}.get(kind, "false"))
    if "start" in query:
        try:
            parts.append(f"start_us = {values.time_us(query.getall('start')[-1])}")
        except ValueError:
            parts.append("false")
    return " AND ".join(parts)


def _rows(found: Found, names: dict[int, str]) -> list[Any]:
    series = found.series.tolist()
    stations = [names[one // 2] for one in series]
    kinds = [NORMAL if one % 2 else OBSERVED for one in series]
    return list(map(WeatherRow, found.record_id.tolist(), stations, starts(found.start_us), found.value.tolist(), kinds))

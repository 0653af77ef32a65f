"""/consumption_records/: what was used, from each start to the next one's."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from aiohttp import web

from schemas.record_part import ESTIMATED, MOVED, RECORD, REMOVED, Records
from streams.catalog.datastore import values
from streams.catalog.state import State
from web.datastore import answers, record_bodies
from web.datastore.answers import Document, Invalid, Refused, answer, no_dictionary, not_found
from web.datastore.body import Bodies
from web.datastore.door import BASE, Endpoint
from web.datastore.fields import Field, Query, check
from web.datastore.filters import pk_of
from web.datastore.kinds import BOOLEAN, TIME, Kind, pk
from web.datastore.record_bodies import SentRecord, SyncedRecord, Unfit
from web.datastore.record_log import RecordsRefused
from web.datastore.record_reads import Found, RecordReads, among, consumption_rows, json_list, trace_rows
from web.datastore.record_sync import RecordSync
from web.identity import Catalog

PATH = f"{BASE}consumption_records/"

_SMALL = 1 << 16
_TAKEN = "The fields start, metadata must make a unique set."


def _value(_: State, value: Any) -> float:
    return record_bodies.number(value, blank=False)


VALUE = Kind(_value, {"type": "number"})
START, METADATA = Field("start", TIME, "start_us", required=True), Field("metadata", pk("traces"), required=True)
ESTIMATE = Field("estimated", BOOLEAN)
FIELDS = (START, Field("value", VALUE, required=True, null=True), ESTIMATE, METADATA)
"""Of a record in a body."""

OF_TRACE = FIELDS[:-1]
"""Of a record in a trace's body."""


class Writes(Protocol):
    """What is needed of web.datastore.record_log.RecordLog."""

    async def write(self, records: Records, /) -> None: ...


class RecordsApi:
    """The door of records, and the keeper of the records of traces.

    Args:
        catalog: which traces there are.
        bodies: reads requests.
        reads: what the store holds.
        log: where records are written.
    """

    def __init__(self, catalog: Catalog, bodies: Bodies, reads: RecordReads, log: Writes) -> None:
        self._catalog, self._bodies, self._reads, self._log = catalog, bodies, reads, log
        self._sync = RecordSync(catalog, reads, log)

    def endpoints(self) -> list[Endpoint]:
        one = {"GET": self.show, "PUT": self.put, "PATCH": self.patch, "DELETE": self.remove}
        each = {"GET": "One record", "PUT": "Change a record", "PATCH": "Change what is named", "DELETE": "Remove a record"}
        every = {"GET": "All records of all traces", "POST": "Add one record, or a list: all or none"}
        sync2 = {"POST": "Set many records (metadata_id, start, value, estimated): all or none"}
        return [
            Endpoint(PATH, {"GET": self.every, "POST": self.add}, about=every, filters=("metadata", "start")),
            Endpoint(f"{PATH}{{pk}}/", one, about=each),
            Endpoint(f"{PATH}sync/", {"POST": self.sync}, about={"POST": "Store records by project, interpretation and start"}),
            Endpoint(f"{PATH}sync2/", {"POST": self.sync2}, about=sync2),
        ]

    # ---- reading

    async def every(self, request: web.Request) -> web.StreamResponse:
        condition = _condition(request.query)
        found = among(await asyncio.to_thread(self._reads.where, condition), self._catalog.state.traces)
        return await streamed(request, found)

    async def show(self, request: web.Request) -> web.StreamResponse:
        return answer(consumption_rows(await self._one(request))[0])

    async def _one(self, request: web.Request) -> Found:
        """The record a path names.

        Raises:
            Refused: 404.
        """
        key = pk_of(request.match_info["pk"])
        found = None if key is None else among(await asyncio.to_thread(self._reads.with_id, key), self._catalog.state.traces)
        if found is None or not len(found):
            raise not_found()
        return found

    # ---- writing

    async def add(self, request: web.Request) -> web.StreamResponse:
        body = await self._bodies.raw(request) or b"{}"
        if body.lstrip()[:1] != b"[":
            said = check(FIELDS, self._catalog.state, record_bodies.json_of(body))
            records = _line(said["metadata"], said["start_us"], said["value"], estimated=said.get("estimated", False))
            await self._log.write(records)
            return answer(consumption_rows(await asyncio.to_thread(self._ordered, records))[0], 201)
        try:
            records = await self._columns(body, SentRecord, self._metadata, blank=False)
        except Unfit:
            sent = await self._bodies.beside(record_bodies.json_of, body)
            records = await self._bodies.beside(self._one_by_one, FIELDS, sent)
        await self._log.write(records)
        body = await asyncio.to_thread(lambda: b"".join(json_list(self._ordered(records), consumption_rows)))
        return web.Response(body=body, status=201, content_type="application/json")

    async def put(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, partial=False)

    async def patch(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, partial=True)

    async def remove(self, request: web.Request) -> web.StreamResponse:
        known = await self._one(request)
        try:
            await self._log.write(_line(int(known.series[0]), int(known.start_us[0]), math.nan, known, REMOVED))
        except RecordsRefused:
            raise not_found() from None
        return web.Response(status=204)

    async def sync(self, request: web.Request) -> web.StreamResponse:
        body = await self._bodies.raw(request)
        sent = await self._bodies.beside(record_bodies.json_of, body) if body else {}
        if isinstance(sent, dict):
            sent = [sent]
        if not isinstance(sent, list):
            raise no_dictionary(sent)
        entries = await self._sync.entries(sent)
        wrong = any("error" in entry["status"] for entry in entries)
        return answers.json_list(await answers.listed(entries, lambda entry: entry), 400 if wrong else 200)

    async def sync2(self, request: web.Request) -> web.StreamResponse:
        body = await self._bodies.raw(request) or b"{}"
        try:
            records = await self._columns(body, SyncedRecord, self._metadata_id, blank=True)
            await self._log.write(records)
        except (Unfit, RecordsRefused):
            raise Refused(400, {"status": "error", "message": "Error attempting to sync"}) from None
        return answer({"status": "success"})

    async def _change(self, request: web.Request, *, partial: bool) -> web.StreamResponse:
        known = await self._one(request)
        body = record_bodies.json_of(await self._bodies.raw(request) or b"{}")
        said = check(FIELDS, self._catalog.state, body, change=True, partial=partial)
        trace, start_us = int(known.series[0]), int(known.start_us[0])
        series, at_us = said.get("metadata", trace), said.get("start_us", start_us)
        value, estimated = said.get("value", float(known.value[0])), said.get("estimated", bool(known.estimated[0]))
        moves = (series, at_us) != (trace, start_us)
        changed = _line(series, at_us, value, known, MOVED if moves else 0, estimated=estimated)
        if moves:
            changed = np.concatenate([_line(trace, start_us, math.nan, known, REMOVED), changed])
        try:
            await self._log.write(changed)
        except RecordsRefused:
            await self._one(request)  # 404 when it is gone
            raise Invalid({"non_field_errors": [_TAKEN]}) from None
        return answer(consumption_rows(await self._one(request))[0])

    # ---- records of traces: web.datastore.ports.TraceRecords

    async def embedded(self, traces: Sequence[int]) -> Mapping[int, bytes]:
        """Each trace's records as a JSON list, by rising start."""
        if not traces:
            return {}
        asked = f"series IN ({', '.join(map(str, traces))})" if len(traces) <= 1000 else "true"
        return await asyncio.to_thread(self._embedded, asked, frozenset(traces))

    def _embedded(self, condition: str, traces: frozenset[int]) -> dict[int, bytes]:
        found = self._reads.where(condition, "series, start_us")
        edges = [0, *(np.flatnonzero(np.diff(found.series)) + 1).tolist(), len(found)]
        parts = (found.take(slice(first, end)) for first, end in pairwise(edges) if end > first)
        return {int(part.series[0]): b"".join(json_list(part, trace_rows)) for part in parts if int(part.series[0]) in traces}

    def checked(self, records: Sequence[Any]) -> Records:
        """Records of a trace's body, of which trace is not known yet.

        Raises:
            Invalid: one does not fit.
        """
        return self._one_by_one(OF_TRACE, records)

    async def store(self, trace: int, checked: Records) -> None:
        """Store what `checked` gave."""
        records = checked.copy()
        records["series"] = trace
        await self._log.write(records)

    # ---- what these are made of

    async def _columns(self, body: bytes, kind: Any, series_of: Any, *, blank: bool) -> Records:
        if len(body) <= _SMALL:
            return record_bodies.columns(body, kind, series_of, blank=blank)
        return await self._bodies.beside(record_bodies.columns, body, kind, series_of, blank=blank)

    def _metadata(self, rows: list[SentRecord]) -> list[int]:
        return self._traces([row.metadata for row in rows])

    def _metadata_id(self, rows: list[SyncedRecord]) -> list[int]:
        return self._traces([row.metadata_id for row in rows])

    def _traces(self, sent: list[Any]) -> list[int]:
        found = sent if set(map(type, sent)) <= {int} else [record_bodies.whole(one) for one in sent]
        known = self._catalog.state.traces
        if not all(one in known for one in set(found)):
            raise Unfit
        return found

    def _one_by_one(self, fields: tuple[Field, ...], sent: Sequence[Any]) -> Records:
        """Records checked each for itself.

        Raises:
            Invalids: one does not fit.
        """
        lines: list[Records] = []
        errors: list[Document] = []
        for record in sent:
            try:
                said = check(fields, self._catalog.state, record)
            except Invalid as error:
                errors.append(dict(error.errors))
                continue
            lines.append(_line(said.get("metadata", 1), said["start_us"], said["value"], estimated=said.get("estimated", False)))
            errors.append({})
        if any(errors):
            raise Invalids(errors)
        return np.concatenate(lines) if lines else np.zeros(0, RECORD)

    def _ordered(self, records: Records) -> Found:
        """The records as they are stored now, in the order of these.

        Raises:
            Refused: 404, somebody has removed one meanwhile.
        """
        found = self._reads.of(records)
        at = found.by_key()
        places = [at.get(key) for key in zip(records["series"].tolist(), records["start_us"].tolist(), strict=True)]
        if None in places:
            raise not_found()
        return found.take(places)


class Invalids(Invalid):
    """400: what is wrong, record by record; {} for the good ones."""

    def __init__(self, errors: list[Document]) -> None:
        super().__init__({})
        self.body = errors


async def streamed(request: web.Request, found: Found, rows_of: Any = consumption_rows) -> web.StreamResponse:
    """A list as it is made, so that a long one needs little memory and others their turn."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    if request.method != "HEAD":
        pieces = json_list(found, rows_of)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            await response.write(piece)
    await response.write_eof()
    return response


def _condition(query: Query) -> str:
    """The records that a list's filters select."""
    parts = ["true"]
    if "metadata" in query:
        trace = pk_of(query.getall("metadata")[-1])
        parts.append("false" if trace is None else f"series = {trace}")
    if "start" in query:
        try:
            parts.append(f"start_us = {values.time_us(query.getall('start')[-1])}")
        except ValueError:
            parts.append("false")
    return " AND ".join(parts)


def _line(
    series: int, start_us: int, value: float | None, known: Found | None = None, flags: int = 0, *, estimated: bool = False
) -> Records:
    """One record for the log.

    Args:
        known: the record it must be; None: whatever stands there.
    """
    record_id = 0 if known is None else int(known.record_id[0])
    flags |= ESTIMATED if estimated else 0
    return np.array([(series, start_us, math.nan if value is None else value, record_id, flags)], RECORD)

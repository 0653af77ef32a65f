"""/consumption_records/sync/: records one after the other, found by project, interpretation, label and start."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from schemas.record_part import ESTIMATED, RECORD, Records
from streams.catalog.datastore import projects, traces, values
from streams.catalog.state import State
from web.datastore.answers import Document
from web.datastore.kinds import NOT_NULL, iso
from web.datastore.record_bodies import number
from web.datastore.record_reads import RecordReads, among
from web.datastore.sync import MISSING, label_of
from web.identity import Catalog

CREATED, UPDATED, SAME = "created", "updated", "unchanged - same record"
_KEYS = ("project_id", "interpretation", "start")
_SYNCED = ("value", "estimated")
_AT_ONCE = 250

Key = tuple[int, int]


class Writes(Protocol):
    """What is needed of web.datastore.record_log.RecordLog."""

    async def write(self, records: Records, /) -> None: ...


@dataclass(slots=True)
class Line:
    """One record of a request on its way.

    Attributes:
        entry: its answer, when that is an error whatever is stored.
        wrong: what is wrong with it, as (status, message), to which it is added whether it is there.
    """

    trace: int = 0
    start_us: int = 0
    value: float = math.nan
    estimated: bool = False
    entry: Document | None = None
    wrong: tuple[str, str] | None = None

    @property
    def key(self) -> Key:
        return self.trace, self.start_us


class RecordSync:
    """Stores what can be stored, and says of each record what became of it."""

    def __init__(self, catalog: Catalog, reads: RecordReads, log: Writes) -> None:
        self._catalog, self._reads, self._log = catalog, reads, log

    async def entries(self, sent: Sequence[Any]) -> list[Document]:
        """The answer to a list of records."""
        lines: list[Line] = []
        for at in range(0, len(sent), _AT_ONCE):
            lines += [line_of(self._catalog.state, record) for record in sent[at : at + _AT_ONCE]]
            await asyncio.sleep(0)
        named = [line for line in lines if line.entry is None]
        keys = _records(named)
        known = among(await asyncio.to_thread(self._reads.of, keys), self._catalog.state.traces)
        statuses, changed = await asyncio.to_thread(
            _judged, named, known.by_key(), known.value.tolist(), known.estimated.tolist()
        )
        await self._log.write(_records(changed))
        now = await asyncio.to_thread(self._reads.of, keys) if changed else known
        ids = {key: int(now.record_id[at]) for key, at in now.by_key().items()}
        told = iter(statuses)
        return [line.entry if line.entry is not None else _entry(line, next(told), ids) for line in lines]


def line_of(state: State, record: Any) -> Line:
    """A record read, as far as it can be without looking at what is stored."""
    if not isinstance(record, dict):
        said = f"Invalid data. Expected a dictionary, but got {type(record).__name__}."
        return Line(entry={"status": "error - bad field value - create", "message": said})
    line = _keyed(state, record)
    if line.entry is None:
        _read_values(line, record)
    return line


def _keyed(state: State, record: Document) -> Line:
    """Which record it is."""
    lacks = next((name for name in _KEYS if name not in record), None)
    trace = trace_of(state, record) if lacks in (None, "start") else None
    if lacks is not None:
        return Line(entry={"start": _utc(record.get("start")), "metadata": trace, "status": MISSING, "message": f"'{lacks}'"})
    if trace is None:
        named = {name: record[name] for name in ("start", "project_id", "interpretation")}
        return Line(entry={"status": "error - no consumption metadata", **named})
    try:
        return Line(trace, values.time_us(record["start"]))
    except ValueError as error:
        status = f"error - {'integrity error' if record['start'] is None else 'bad field value'} - create"
        return Line(entry={"start": record["start"], "metadata": trace, "status": status, "message": f"start: {error}"})


def _read_values(line: Line, record: Document) -> None:
    """What it says, or what is wrong with that."""
    lacks = next((name for name in _SYNCED if name not in record), None)
    if lacks is not None:
        line.entry = {"start": iso(line.start_us), "metadata": line.trace, "status": MISSING, "message": f"'{lacks}'"}
        return
    name = "value"
    try:
        line.value = number(record["value"], blank=True)
        name = "estimated"
        line.estimated = values.boolean(record["estimated"])
    except ValueError as error:
        null = record[name] is None
        said = NOT_NULL if null else str(error)
        line.wrong = f"error - {'integrity error' if null else 'bad field value'}", f"{name}: {said}"


def trace_of(state: State, record: Document) -> int | None:
    """The trace a record names: the newest with its label if it names one that there is, else the newest."""
    project = projects.by_label(state, label_of(record["project_id"]) or "")
    if project is None:
        return None
    found = [one for one in traces.of_project(state, project.pk) if one.interpretation == record["interpretation"]]
    label = label_of(record.get("label"))
    if label is not None or record.get("label", "") is None:
        found = [one for one in found if one.label == label] or found
    return found[-1].pk if found else None


def _judged(
    lines: Sequence[Line], known: dict[Key, int], value: list[float], estimated: list[bool]
) -> tuple[list[str], list[Line]]:
    """The status of each, and those that change something."""
    held = {key: (value[at], estimated[at]) for key, at in known.items()}
    statuses: list[str] = []
    changed: list[Line] = []
    for line in lines:
        there = held.get(line.key)
        if line.wrong is not None:
            statuses.append(f"{line.wrong[0]} - {'create' if there is None else 'update'}")
            continue
        if there is not None and there[1] == line.estimated and _same(there[0], line.value):
            statuses.append(SAME)
            continue
        statuses.append(CREATED if there is None else UPDATED)
        held[line.key] = line.value, line.estimated
        changed.append(line)
    return statuses, changed


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _entry(line: Line, status: str, ids: dict[Key, int]) -> Document:
    if line.wrong is not None:
        return {"start": iso(line.start_us), "metadata": line.trace, "status": status, "message": line.wrong[1]}
    return {
        "id": ids[line.key],
        "start": iso(line.start_us),
        "value": line.value,
        "estimated": line.estimated,
        "metadata": line.trace,
        "status": status,
    }


def _records(lines: Sequence[Line]) -> Records:
    made = np.zeros(len(lines), RECORD)
    made["series"] = [line.trace for line in lines]
    made["start_us"] = [line.start_us for line in lines]
    made["value"] = [line.value for line in lines]
    made["flags"] = [ESTIMATED if line.estimated else 0 for line in lines]
    return made


def _utc(start: Any) -> Any:
    try:
        return iso(values.time_us(start))
    except ValueError:
        return start

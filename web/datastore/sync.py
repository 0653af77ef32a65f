"""Sync: records stored one after the other, each found by its key, each with its own verdict."""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from streams.catalog.outcome import Outcome
from streams.catalog.state import State
from web.datastore.answers import Document, no_dictionary, shown
from web.datastore.fields import Field
from web.identity import Catalog

MISSING = "error - missing field"
_AT_ONCE = 250
"""Records judged without a pause for the loop's other work."""

_REFUSED = {
    "integrity_error": "error - integrity error",
    "bad_field_value": "error - bad field value",
    "bad_payload": "error - bad field value",
}
_SAME = "unchanged - same record"

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Needed:
    """Something a record names that must be there.

    Attributes:
        name: the field.
        index: the look-up that finds it.
        status: when it does not.
        code: of the refusal when it goes away in between.
    """

    name: str
    index: str
    status: str
    code: str


@dataclass(frozen=True, slots=True)
class Sync:
    """How the records of one resource are stored.

    Attributes:
        keys: names of the fields that find the object.
        fields: all that a record must have, the key's first.
        command: of one record.
        find: the primary key of what a record's key finds.
        say: the stored object in its summary form.
        needed: what a record names besides.
        renamed: what an error entry calls a field of the key.
    """

    keys: tuple[str, ...]
    fields: tuple[Field, ...]
    command: Callable[..., Any]
    find: Callable[[State, Record], int | None]
    say: Callable[[State, Any], Document]
    needed: tuple[Needed, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def error(self, record: Record, status: str, message: str) -> Document:
        named = {self.renamed.get(name, name): echoed(record.get(name)) for name in self.keys}
        return {**named, "status": status, "message": message}

    def key(self, record: Record) -> Hashable:
        return tuple(label_of(record.get(name)) for name in self.keys)


@dataclass(slots=True)
class _Bad:
    """A record that never becomes a command.

    Attributes:
        status: lacks `- create` or `- update` when `found` counts.
        found: whether there was such an object; None: it does not matter.
    """

    record: Record
    status: str
    message: str
    found: bool | None = None


async def synced(sync: Sync, catalog: Catalog, records: Any, actor: str) -> tuple[bool, list[bytes]]:
    """Store what can be stored, and say of each record what became of it.

    Returns:
        whether all went well; the pieces of a JSON list of what became of each.

    Raises:
        Invalid: the body is neither a list nor an object.
        PartUnavailable: the catalog does not answer; some records may be stored.
    """
    if isinstance(records, dict):
        records = [records]
    if not isinstance(records, list):
        raise no_dictionary(records)
    well, said = True, []
    for start in range(0, len(records), _AT_ONCE):
        part = records[start : start + _AT_ONCE]
        judged = [_judged(sync, catalog.state, record) for record in part]
        commands = [one for one in judged if not isinstance(one, _Bad | dict)]
        outcomes = iter(await catalog.submit_all(commands, actor=actor) if commands else ())
        entries = _entries(sync, catalog.state, part, judged, outcomes)
        well = well and not any("error" in entry["status"] for entry in entries)
        said.append(msgspec.json.encode(entries)[1:-1])  # here, so that no moment is long
        await asyncio.sleep(0)
    return well, said


def _judged(sync: Sync, state: State, record: Any) -> Any:
    """A record's command, or what is wrong with it: a _Bad or the entry itself."""
    if not isinstance(record, dict):
        said = f"Invalid data. Expected a dictionary, but got {type(record).__name__}."
        return {"status": "error - bad field value - create", "message": said}
    for name in sync.keys:
        if name not in record:
            return _Bad(record, MISSING, f"'{name}'")
    for needed in sync.needed:
        label = label_of(record[needed.name])
        if label is None or state.index.one(needed.index, label) is None:
            return {"status": needed.status, needed.name: echoed(record[needed.name])}
    values: dict[str, Any] = {}
    for one in sync.fields:
        if one.name not in record:
            return _Bad(record, MISSING, f"'{one.name}'")
    for one in sync.fields:
        value = record[one.name]
        try:
            values[one.of] = one.read(state, value)
        except ValueError as error:
            status = "error - integrity error" if value is None else "error - bad field value"
            return _Bad(record, status, f"{one.name}: {error}", sync.find(state, record) is not None)
    return sync.command(**values)


def _entries(sync: Sync, state: State, part: Sequence[Any], judged: Sequence[Any], outcomes: Any) -> list[Document]:
    found: list[Document] = []
    stored: set[Hashable] = set()
    for record, one in zip(part, judged, strict=True):
        if isinstance(one, dict):
            found.append(one)
        elif isinstance(one, _Bad):
            known = one.found or sync.key(one.record) in stored
            way = "" if one.found is None else " - update" if known else " - create"
            found.append(sync.error(one.record, one.status + way, one.message))
        else:
            outcome: Outcome = next(outcomes)
            if outcome.accepted:
                stored.add(sync.key(record))
                status = _SAME if outcome.code == "unchanged" else outcome.code
                found.append({**sync.say(state, outcome.entry), "status": status})
            else:
                found.append(_refused(sync, record, outcome))
    return found


def _refused(sync: Sync, record: Record, outcome: Outcome) -> Document:
    for needed in sync.needed:
        if outcome.code == needed.code:
            return {"status": needed.status, needed.name: echoed(record[needed.name])}
    if outcome.code == "multiple_records":
        return sync.error(record, "error - multiple records", outcome.detail)
    status = _REFUSED.get(outcome.code, "error - bad field value")
    return sync.error(record, f"{status} - {'create' if outcome.pk is None else 'update'}", outcome.detail)


def echoed(value: Any) -> Any:
    """A value as it came, when an answer can hold it; else what is seen of it."""
    fits = value is None or isinstance(value, bool | float) or (isinstance(value, int) and -(2**63) <= value < 2**63)
    return value if fits else shown(value)


def label_of(value: Any) -> str | None:
    """A text of a record as the catalog has it; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return shown(value, 1000).strip()

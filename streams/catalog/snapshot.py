"""The folded catalog as a file, so that a start need not fold the whole log again.

A file is good for one place in one log and for the rules that made it; anything else is as if there were none.
Its frames are length-prefixed msgpack: a header, entries by table, and an end that holds a hash of all before.
"""

import gc
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, get_args

import msgspec

from streams.catalog.datastore.entries import (
    Attribute,
    AttributeKey,
    Block,
    Connection,
    Counter,
    DatastoreTable,
    Owner,
    Project,
    Run,
    Station,
    Trace,
)
from streams.catalog.state import Entry, Receiver, Sensor, SensorToken, Site, State, Table, Tariff, User, UserToken

_CHUNK = 1000
"""Entries encoded in one go: a millisecond or two in which the process does nothing else."""

_FRAME_MAX = 1 << 30
_NOT_RULES = {"view.py", "writer.py", "snapshot.py", "log_end.py"}
_TYPES: dict[Table, type[Entry]] = {
    "sensors": Sensor,
    "sensor_tokens": SensorToken,
    "sites": Site,
    "tariffs": Tariff,
    "receivers": Receiver,
    "users": User,
    "user_tokens": UserToken,
    "counters": Counter,
    "owners": Owner,
    "projects": Project,
    "blocks": Block,
    "attribute_keys": AttributeKey,
    "attributes": Attribute,
    "traces": Trace,
    "runs": Run,
    "connections": Connection,
    "stations": Station,
}
_KEYS: dict[Table, str] = {
    "sensors": "sensor_id",
    "sensor_tokens": "token_sha256",
    "sites": "site_id",
    "tariffs": "tariff_id",
    "receivers": "receiver_id",
    "users": "name",
    "user_tokens": "token_sha256",
    **dict.fromkeys(get_args(DatastoreTable), "pk"),
    "counters": "kind",
}
assert set(_TYPES) == set(_KEYS) == {*get_args(get_args(Table)[0]), *get_args(DatastoreTable)}


@dataclass(frozen=True, slots=True)
class Place:
    """How far the log is folded in, and how to tell that it is that log.

    Attributes:
        offset: of the last message folded.
        digest: SHA-256 of its value.
    """

    offset: int
    digest: bytes


class _Header(msgspec.Struct):
    rules: str
    offset: int
    digest: bytes


class Damaged(Exception):
    """A snapshot cannot be used; the sentence says why."""


def freeze(state: State) -> dict[Table, list[Entry]]:
    """The entries of a state as they are now; quick, for the thread that changes it."""
    return {table: list(getattr(state, table).values()) for table in _TYPES}


def write(path: Path, entries: dict[Table, list[Entry]], place: Place) -> None:
    """Write a snapshot, whole or not at all; only its owner reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mkstemp makes it mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            seal = hashlib.sha256()
            for frame in _frames(entries, place):
                seal.update(frame)
                file.write(len(frame).to_bytes(4, "big") + frame)
            file.write(bytes(4) + seal.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _frames(entries: dict[Table, list[Entry]], place: Place) -> Iterator[bytes]:
    encode = msgspec.msgpack.encode
    yield encode(_Header(rules(), place.offset, place.digest))
    for table, rows in entries.items():
        for start in range(0, len(rows), _CHUNK):
            yield encode((table, rows[start : start + _CHUNK]))


def read(path: Path) -> tuple[State, Place]:
    """Read a snapshot.

    Raises:
        FileNotFoundError: there is none.
        Damaged: it is cut off, altered, or made by other rules.
    """
    seal, state, place = hashlib.sha256(), State(), None
    with path.open("rb") as file:
        while frame := _frame(file):
            seal.update(frame)
            try:
                if place is None:
                    header = msgspec.msgpack.decode(frame, type=_Header)
                    place = Place(header.offset, header.digest)
                    if header.rules != rules():
                        raise Damaged("it was made by other rules")
                else:
                    _take(state, frame)
            except (msgspec.MsgspecError, ValueError, LookupError) as error:
                raise Damaged(f"it is altered: {error}") from error
        if place is None or file.read() != seal.digest():
            raise Damaged("it is cut off or altered")
    return state, place


def _frame(file: BinaryIO) -> bytes:
    length = int.from_bytes(_exactly(file, 4), "big")
    if length > _FRAME_MAX:
        raise Damaged("it is altered")
    return _exactly(file, length)


def _exactly(file: BinaryIO, length: int) -> bytes:
    found = file.read(length)
    if len(found) != length:
        raise Damaged("it is cut off")
    return found


class _Chunk(msgspec.Struct, array_like=True):
    table: Table
    rows: msgspec.Raw


def _take(state: State, frame: bytes) -> None:
    chunk = msgspec.msgpack.decode(frame, type=_Chunk)
    rows: list[Any] = _decoder(chunk.table).decode(chunk.rows)
    entries = dict(zip(map(attrgetter(_KEYS[chunk.table]), rows), rows, strict=True))
    getattr(state, chunk.table).update(entries)
    state.index.add(chunk.table, iter(entries.items()))
    gc.freeze()  # these stay: else the collector walks through all of them several times before the last is read


@cache
def _decoder(table: Table) -> msgspec.msgpack.Decoder[Any]:
    kind: Any = _TYPES[table]
    return msgspec.msgpack.Decoder(list[kind])


@cache
def rules() -> str:
    """What names the rules: a hash of their source, so that another release folds the log anew."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources())).hexdigest()


def sources() -> list[Path]:
    """The files in which the rules stand."""
    here = Path(__file__).parent
    return sorted(path for folder in (here, here / "datastore") for path in folder.glob("*.py") if path.name not in _NOT_RULES)

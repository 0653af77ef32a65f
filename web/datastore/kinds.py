"""Kinds of fields: how one is read from JSON, how it is said, and its schema."""

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from streams.catalog.datastore import values
from streams.catalog.datastore.source import DRAWN, INJECTED, KINDS, POWER_ENERGIES, USUAL, TraceSource, problem
from streams.catalog.state import State
from web.datastore.answers import Document, shown

Read = Callable[[State, Any], Any]
"""A value as the command wants it, or ValueError with the contract's text."""

NOT_NULL = "This field may not be null."
PK_END = 2**53
_ITEMS_MOST = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """Attributes:
    read: reads a value that is not null.
    say: an entry's value as JSON, when it is not null.
    blank_is_null: an empty text stands for null.
    not_null: what null is answered with where it may not be.
    """

    read: Read
    schema: Document
    say: Callable[[Any], Any] = _same
    blank_is_null: bool = False
    not_null: str = NOT_NULL


def iso(time_us: int) -> str:
    """A time as the datastore says it: UTC, microseconds only when not zero."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.replace(tzinfo=None).isoformat() + "Z"


def text(most: int, *, blank: bool = False) -> Kind:
    """Text without outer blanks; numbers are taken."""

    def read(_: State, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("Not a valid string.")
        found = str(value).strip()
        if not found and not blank:
            raise ValueError("This field may not be blank.")
        if len(found) > most:
            raise ValueError(f"Ensure this field has no more than {most} characters.")
        return found

    return Kind(read, {"type": "string", "maxLength": most, **({} if blank else {"minLength": 1})})


def choice(*options: str) -> Kind:
    def read(_: State, value: Any) -> str:
        if not isinstance(value, str) or value not in options:
            raise ValueError(f'"{shown(value, 100)}" is not a valid choice.')
        return value

    return Kind(read, {"enum": list(options)})


def pk(table: str | None) -> Kind:
    """The primary key of an object in a table of the state, "users" among them; None: any whole number."""

    def read(state: State, value: Any) -> int:
        found = _whole(value)
        if found is None:
            raise ValueError(f"Incorrect type. Expected pk value, received {type(value).__name__}.")
        if table is not None and not (0 < found < PK_END and _known(state, table, found)):
            raise ValueError(f'Invalid pk "{shown(value, 40)}" - object does not exist.')
        return found

    return Kind(read, {"type": "integer", "minimum": 1}, blank_is_null=True)


def pks(table: str, *, empty: bool) -> Kind:
    """A list of primary keys."""
    one = pk(table)

    def read(state: State, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list):
            raise ValueError(f'Expected a list of items but got type "{type(value).__name__}".')
        if not value and not empty:
            raise ValueError("This list may not be empty.")
        return tuple(dict.fromkeys(one.read(state, item) for item in value))

    schema = {"type": "array", "items": one.schema, **({} if empty else {"minItems": 1})}
    return Kind(read, schema, say=list)


def texts(most: int) -> Kind:
    """A list of short texts."""
    one = text(most)

    def read(state: State, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError(f'Expected a list of items but got type "{type(value).__name__}".')
        if len(value) > _ITEMS_MOST:
            raise ValueError(f"Ensure this list has no more than {_ITEMS_MOST} items.")
        return tuple(dict.fromkeys(one.read(state, item) for item in value))

    return Kind(read, {"type": "array", "items": one.schema, "maxItems": _ITEMS_MOST}, say=list)


def _plain(reader: Callable[[object], Any], schema: Document, say: Callable[[Any], Any] = _same) -> Kind:
    return Kind(lambda _, value: reader(value), schema, say)


def _uuid(_: State, value: Any) -> str:
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f'"{shown(value, 100)}" is not a valid UUID.') from None


def _zone(_: State, value: Any) -> str:
    try:
        if isinstance(value, str) and 0 < len(value) <= 64:
            ZoneInfo(value)
            return value
    except (ZoneInfoNotFoundError, OSError, ValueError):  # none of that name, or no name at all
        pass
    raise ValueError(f'"{shown(value, 100)}" is not a time zone; expected an IANA name such as America/Chicago.')


def _source(_: State, value: Any) -> TraceSource:
    """A source; which sensor may be one is judged by the catalog."""
    if not isinstance(value, dict) or not {"kind", "id"} <= value.keys() <= {"kind", "id", "energy"}:
        raise ValueError('Expected {"kind": "power" or "linky", "id": "<sensor or meter>", "energy": "<which>"}.')
    try:
        found = msgspec.convert({"energy": USUAL.get(str(value["kind"]), "")} | value, TraceSource)
    except msgspec.ValidationError as error:
        raise ValueError(f"{str(error)[:200]}.") from None
    if (wrong := problem(found)) is not None:
        raise ValueError(wrong)
    return found


def _json(_: State, value: Any) -> str:
    found = msgspec.json.encode(value).decode()
    if len(found) > 100_000:
        raise ValueError("Ensure this field has no more than 100000 characters.")
    return found


TIME = _plain(values.time_us, {"type": "string", "format": "date-time"}, iso)
DATE = _plain(values.day, {"type": "string", "format": "date"})
BOOLEAN = _plain(values.boolean, {"type": "boolean"})
NUMBER = _plain(values.number, {"type": "number"})
INTEGER = _plain(values.integer, {"type": "integer"})
UUID = Kind(_uuid, {"type": "string", "format": "uuid"})
ZONE = Kind(_zone, {"type": "string"})
JSON = Kind(_json, {}, say=msgspec.json.decode)
SOURCE = Kind(
    _source,
    {
        "type": "object",
        "required": ["kind", "id"],
        "properties": {
            "kind": {"enum": list(KINDS)},
            "id": {"type": "string", "description": "of the sensor or meter"},
            "energy": {
                "type": "string",
                "description": f"of a power sensor: {', '.join(POWER_ENERGIES)} (default import); "
                f"of a Linky: {DRAWN} (default), {INJECTED}, or an index as EASF01",
            },
        },
        "additionalProperties": False,
        "description": "the sensor or meter of ours whose hours the trace takes; answers hold it when there is one",
    },
    say=msgspec.to_builtins,
)


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, int):
        return value
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 40 else None


def _known(state: State, table: str, found: int) -> bool:
    return state.index.one("user", found) is not None if table == "users" else found in getattr(state, table)

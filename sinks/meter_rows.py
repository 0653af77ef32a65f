"""What the meter wrote, to the rows of its tables. Few messages: a record at a time."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from schemas import topics, wire
from schemas.meter_model import decode_model
from schemas.meter_result import decode_result
from schemas.meter_run_status import decode_status
from schemas.topics import Topic
from sinks import meter_tables
from sinks.tables import Table

Decode = Callable[[bytes | None, wire.SchemaOf], Any]

_TIMES = {"at": ("at_ms", "ms"), "computed_at": ("computed_at_us", "us")}
"""Columns that are instants, and the fields they come from."""

_TEXT = pa.string()
_TYPES = {
    "traceback": _TEXT,
    "model": _TEXT,
    "reasons": pa.list_(_TEXT),
    "warnings": pa.list_(_TEXT),
    "start_us": pa.int64(),
    "end_us": pa.int64(),
    "attempt": pa.uint8(),
}
"""Of columns that may hold nothing, so that Arrow does not guess."""


FEEDS: tuple[tuple[Topic, Table, Decode], ...] = (
    (topics.METER_RESULTS, meter_tables.METER_RESULTS_RAW, decode_result),
    (topics.METER_MODELS, meter_tables.METER_MODELS_RAW, decode_model),
    (topics.METER_RUN_STATUS, meter_tables.METER_RUN_STATUS_RAW, decode_status),
)
"""The meter's topics, their tables, and how a value is read."""


def rows(
    table: Table, decode: Decode, schema_of: wire.SchemaOf, values: Sequence[bytes | None], offsets: Sequence[int]
) -> tuple[pa.RecordBatch, list[tuple[int, str]]]:
    """Values of a topic to rows, and what could not be read: its position and why."""
    found: list[dict[str, Any]] = []
    rejected: list[tuple[int, str]] = []
    for at, (value, offset) in enumerate(zip(values, offsets, strict=True)):
        try:
            found.append(asdict(decode(value, schema_of)) | {"version": offset})
        except wire.WireError as error:
            rejected.append((at, str(error)))
    return batch(table, found), rejected


def batch(table: Table, found: list[dict[str, Any]]) -> pa.RecordBatch:
    """Records to rows of a table, column by column."""
    columns = {name: _column(name, found) for name in table.columns}
    return pa.RecordBatch.from_pydict(columns)


def _column(name: str, found: list[dict[str, Any]]) -> "pa.Array[Any]":
    if name in _TIMES:
        field, unit = _TIMES[name]
        return pa.array([row[field] for row in found], pa.int64()).cast(pa.timestamp(unit, "UTC"))
    return pa.array([row[name] for row in found], _TYPES.get(name))

"""Anomalies and what people said of them, to the rows of their tables. Few messages: a record at a time."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from schemas import wire
from schemas.anomaly import Anomaly, decode_anomaly
from schemas.anomaly_note import AnomalyNote, decode_note

Rejected = list[tuple[int, str]]
T = TypeVar("T")

_LATEST_US = 2**32 * 1_000_000

_MOMENT = pa.timestamp("us", "UTC")
_ANOMALY_FIELDS: list[tuple[str, pa.DataType]] = [
    *((name, pa.string()) for name in ("id", "rule", "kind", "source")),
    ("phase", pa.uint8()),
    *((name, _MOMENT) for name in ("start_at", "end_at", "last_at")),
    ("state", pa.string()),
    ("final", pa.bool_()),
    *((name, pa.string()) for name in ("severity", "unit")),
    *((name, pa.int64()) for name in ("worst", "limit_value")),
    *((name, pa.string()) for name in ("ieee1159", "en50160")),
    ("details", pa.map_(pa.string(), pa.int64())),
    ("sample_second", pa.list_(pa.uint32())),
    ("sample_probe", pa.list_(pa.uint8())),
    ("sample_power_mw", pa.list_(pa.list_(pa.int32()))),
    ("sample_pf_pct", pa.list_(pa.list_(pa.int8()))),
    ("sample_voltage_mv", pa.list_(pa.list_(pa.int32()))),
    ("log_partition", pa.int32()),
    ("log_offset", pa.int64()),
    ("version", pa.uint64()),
]
_NOTE_FIELDS: list[tuple[str, pa.DataType]] = [
    ("anomaly", pa.string()),
    ("acknowledged", pa.bool_()),
    ("note", pa.string()),
    ("said_by", pa.string()),
    ("said_at", pa.timestamp("ms", "UTC")),
    ("version", pa.uint64()),
]
_ANOMALY, _NOTE = pa.schema(_ANOMALY_FIELDS), pa.schema(_NOTE_FIELDS)


def anomalies(
    schema_of: wire.SchemaOf, values: Sequence[bytes | None], offsets: Sequence[int]
) -> tuple[pa.RecordBatch, Rejected]:
    """Upserts to rows of `anomalies_raw`.

    Args:
        offsets: of each value in its partition.

    Returns:
        the rows, and what could not be read: its position and why.
    """
    found, rejected = _read(_checked_anomaly, schema_of, values)
    return pa.RecordBatch.from_pylist([_anomaly(one, offsets[at]) for at, one in found], _ANOMALY), rejected


def notes(schema_of: wire.SchemaOf, values: Sequence[bytes | None], offsets: Sequence[int]) -> tuple[pa.RecordBatch, Rejected]:
    """What people said to rows of `anomaly_notes_raw`; as `anomalies`."""
    found, rejected = _read(_checked_note, schema_of, values)
    return pa.RecordBatch.from_pylist([note_row(one, offsets[at]) for at, one in found], _NOTE), rejected


def note_row(one: AnomalyNote, offset: int) -> dict[str, Any]:
    """One row of `anomaly_notes_raw`."""
    return {
        "anomaly": one.anomaly,
        "acknowledged": one.acknowledged,
        "note": one.note,
        "said_by": one.by,
        "said_at": one.at_ms,
        "version": offset,
    }


def _read(
    decode: Callable[[bytes | None, wire.SchemaOf], T], schema_of: wire.SchemaOf, values: Sequence[bytes | None]
) -> tuple[list[tuple[int, T]], Rejected]:
    found: list[tuple[int, T]] = []
    rejected: Rejected = []
    for at, value in enumerate(values):
        try:
            found.append((at, decode(value, schema_of)))
        except wire.WireError as error:
            rejected.append((at, str(error)))
    return found, rejected


def _checked_anomaly(value: bytes | None, schema_of: wire.SchemaOf) -> Anomaly:
    """An anomaly that fits its columns.

    Raises:
        WireError: it is none.
    """
    one = decode_anomaly(value, schema_of)
    times = [at for at in (one.start_us, one.end_us, one.last_us) if at is not None]
    times += [second.timestamp_s * 1_000_000 for second in one.samples]
    if not all(0 <= at < _LATEST_US for at in times) or not 0 <= one.phase <= 3:
        raise wire.WireError(f"phase {one.phase} and times {times[:3]} came; expected 0 to 3, microseconds from 1970 to 2106")
    for second in one.samples:
        if not 1 <= second.probe_id <= 3 or len(second.power_mw) % 4 or len(second.voltage_mv) % 4:
            raise wire.WireError(f"samples of second {second.timestamp_s} are not packed as anomaly.avsc says")
    return one


def _checked_note(value: bytes | None, schema_of: wire.SchemaOf) -> AnomalyNote:
    """A note that fits its columns.

    Raises:
        WireError: it is none.
    """
    one = decode_note(value, schema_of)
    if not 0 <= one.at_ms * 1000 < _LATEST_US:
        raise wire.WireError(f"time {one.at_ms} ms came; expected one from 1970 to 2106")
    return one


def _anomaly(one: Anomaly, offset: int) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in ("id", "rule", "kind", "source", "phase", "state", "final", "severity", "unit")},
        "start_at": one.start_us,
        "end_at": one.end_us,
        "last_at": one.last_us,
        "worst": one.worst,
        "limit_value": one.limit,
        "ieee1159": one.ieee1159,
        "en50160": one.en50160,
        "details": sorted(one.details.items()),
        "sample_second": [second.timestamp_s for second in one.samples],
        "sample_probe": [second.probe_id for second in one.samples],
        **_samples(one),
        "log_partition": one.log_partition,
        "log_offset": one.version,
        "version": offset,
    }


def _samples(one: Anomaly) -> dict[str, list[list[int]]]:
    lists = [second.lists() for second in one.samples]
    names = ("sample_power_mw", "sample_pf_pct", "sample_voltage_mv")
    return {name: [three[at].tolist() for three in lists] for at, name in enumerate(names)}

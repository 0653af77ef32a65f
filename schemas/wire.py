"""Bytes to records and columns, and back: `schemas/avro.py`, and the writers of what is hot."""

import struct
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from schemas import columns
from schemas.avro import (
    HEADER,
    HEADER_LAYOUT,
    Schema,
    SchemaOf,
    WireError,
    decode,
    decode_body,
    encode,
    encode_body,
    header,
    parsed_schema,
    raw_schema,
)
from schemas.sensor_reading import PROBE_TYPES, SensorReading

__all__ = [
    "HEADER",
    "HEADER_LAYOUT",
    "Schema",
    "SchemaOf",
    "WireError",
    "decode",
    "decode_body",
    "encode",
    "encode_body",
    "header",
    "parsed_schema",
    "raw_schema",
]
"""What comes from avro.py, for those who read from here."""

_Pack = Callable[..., bytes]

# ---- readings --------------------------------------------------------------------------------------------

_KINDS = {name: columns.varint(i) for i, name in enumerate(PROBE_TYPES)}
_SMALL = [columns.varint(i) for i in range(256)]

Probe = tuple[int, str, list[int], list[int], list[int]]
"""probe_id, probe_type, power_mw, pf_pct, voltage_mv; n samples each, the last n or one."""


def encode_reading(head: bytes, timestamp_s: int, received_at_ms: int, format_version: str, packed: bytes) -> bytes:
    """One reading to one value, without going through a general encoder.

    Args:
        head: `reading_head` of the sensor.
        packed: its probes, see `pack`.
    """
    return b"".join((head, _number(timestamp_s), _number(received_at_ms), _version(format_version), packed))


def pack(probes: Sequence[Probe]) -> bytes:
    """Probes as a reading's bytes hold them."""
    out = [_SMALL[len(probes)]]
    for probe_id, probe_type, power, pf, voltage in probes:
        layout, before, between, behind = _probe_layout(probe_id, probe_type, len(power), len(pf), len(voltage))
        out.append(layout(before, *power, between, *pf, behind, *voltage))
    out.append(b"\0")
    return b"".join(out)


@lru_cache(maxsize=4096)
def _probe_layout(probe_id: int, probe_type: str, power: int, pf: int, voltage: int) -> tuple[_Pack, bytes, bytes, bytes]:
    """One probe's bytes as one C struct, and the lengths and tags that stand between the samples."""
    before = _SMALL[probe_id] + _KINDS[probe_type] + _SMALL[4 * power]
    between, behind = _SMALL[pf], _SMALL[4 * voltage]
    layout = f"<{len(before)}s{power}i{len(between)}s{pf}b{len(behind)}s{voltage}i"
    return struct.Struct(layout).pack, before, between, behind


_number = lru_cache(maxsize=4096)(columns.varint)
"""Many sensors send the same second, and many readings come within a millisecond."""


@lru_cache(maxsize=4096)
def _version(text: str) -> bytes:
    return _text(text)


def reading_head(schema_id: int, sensor_id: str) -> bytes:
    """What every value of one sensor begins with."""
    return header(schema_id) + _text(sensor_id)


def encode_sensor_reading(schema_id: int, reading: SensorReading) -> bytes:
    return encode_reading(
        reading_head(schema_id, reading.sensor_id),
        reading.timestamp_s,
        reading.received_at_ms,
        reading.format_version,
        pack([(p.probe_id, p.probe_type, p.power_mw, p.pf_pct, p.voltage_mv) for p in reading.probes]),
    )


def _text(text: str) -> bytes:
    raw = text.encode()
    return columns.varint(len(raw)) + raw


def layout(schema: Any) -> Any:
    """A schema without what does not move a byte (names of records, docs, defaults)."""
    if isinstance(schema, list):
        return [layout(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema["type"]
    if kind == "record":
        return [(f["name"], layout(f["type"])) for f in schema["fields"]]
    if kind == "array":
        return ("array", layout(schema["items"]))
    if kind == "enum":
        return ("enum", tuple(schema["symbols"]))
    return layout(kind)


def unpack_reading(record: dict[str, Any]) -> dict[str, Any]:
    """A decoded reading with its packed samples as lists, for people."""

    def ints(code: str, raw: bytes) -> list[int]:
        return array(code, raw).tolist()

    probes = [
        p | {"power_mw": ints("i", p["power_mw"]), "pf_pct": ints("b", p["pf_pct"]), "voltage_mv": ints("i", p["voltage_mv"])}
        for p in record["probes"]
    ]
    return record | {"probes": probes}

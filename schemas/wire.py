"""Bytes to records and columns, and back: the Confluent wire format over Avro, and the only Avro imports.

A value is 0x00, the schema's id in the registry (4 bytes, big-endian), then the Avro body.
"""

import io
import json
import struct
from array import array
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, cast

import fastavro

from schemas import columns, topics
from schemas.sensor_reading import PROBE_TYPES, SensorReading

HEADER = 5
HEADER_LAYOUT = struct.Struct(">bI")
_Pack = Callable[..., bytes]

Schema = dict[str, Any]
SchemaOf = Callable[[int], Schema | None]
"""Finds a writer's schema by id; None when the registry knows no such id. May raise RegistryUnavailable."""


class WireError(Exception):
    """Bytes that are not a value of this topic: says what came and what was expected."""


@cache
def raw_schema(topic: topics.Topic) -> Schema:
    """The topic's .avsc as written."""
    return cast(Schema, json.loads(topic.schema_path.read_text()))


@cache
def parsed_schema(topic: topics.Topic) -> Schema:
    return cast(Schema, fastavro.parse_schema(raw_schema(topic)))


def header(schema_id: int) -> bytes:
    """The five bytes before a body."""
    return HEADER_LAYOUT.pack(0, schema_id)


def encode(topic: topics.Topic, schema_id: int, record: dict[str, Any]) -> bytes:
    """One record, one value. For events that are few; the hot ones have their own writers below."""
    out = io.BytesIO()
    out.write(header(schema_id))
    fastavro.schemaless_writer(out, parsed_schema(topic), record)
    return out.getvalue()


def decode(topic: topics.Topic, value: bytes | None, schema_of: SchemaOf) -> dict[str, Any]:
    """One value, one record, read with its writer's schema and seen through ours.

    Raises:
        WireError: the bytes are not a value of this topic.
    """
    if value is None or len(value) < HEADER:
        came = "no value" if value is None else f"{len(value)} bytes"
        raise WireError(f"{came}; expected 0x00, a 4-byte schema id and an Avro body")
    magic, schema_id = HEADER_LAYOUT.unpack_from(value)
    if magic != 0:
        raise WireError(f"first byte is 0x{value[0]:02x}; expected 0x00 of the Confluent wire format")
    writer = schema_of(schema_id)
    if writer is None:
        raise WireError(f"schema id {schema_id} is not in the registry")
    body = io.BytesIO(value)
    body.seek(HEADER)
    try:
        record = fastavro.schemaless_reader(body, _parsed(schema_id, writer), parsed_schema(topic))
    except Exception as error:  # a decoder fed with noise raises nearly anything
        raise WireError(f"body does not fit schema {schema_id}: {type(error).__name__}: {error}"[:300]) from error
    if body.tell() != len(value):
        raise WireError(f"{len(value) - body.tell()} bytes left over after the record of schema {schema_id}")
    return cast(dict[str, Any], record)


_parsed_writers: dict[tuple[int, str], Schema] = {}


def _parsed(schema_id: int, writer: Schema) -> Schema:
    key = (schema_id, str(writer.get("name")))
    if key not in _parsed_writers:
        _parsed_writers[key] = cast(Schema, fastavro.parse_schema(writer))
    return _parsed_writers[key]


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

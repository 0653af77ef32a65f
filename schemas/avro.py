"""The Confluent wire format over Avro, a record at a time.

A value is 0x00, the schema's id in the registry (4 bytes, big-endian), then the Avro body.
No numpy here: the reader of a meter encodes with this alone on a small machine.
"""

import io
import json
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import fastavro

from schemas import topics

HEADER = 5
HEADER_LAYOUT = struct.Struct(">bI")

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
    """One record, one value. For events that are few; the hot ones have their own writers in wire.py."""
    return header(schema_id) + encode_body(topic, record)


def encode_body(topic: topics.Topic, record: dict[str, Any]) -> bytes:
    """What stands behind the header."""
    out = io.BytesIO()
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
    return decode_body(topic, value[HEADER:], writer, schema_id)


def decode_body(topic: topics.Topic, body: bytes, writer: Schema, schema_id: int | str) -> dict[str, Any]:
    """A body read with its writer's schema and seen through ours.

    Args:
        schema_id: what names the writer's schema; the same name is the same schema.

    Raises:
        WireError: the bytes are not a record of it.
    """
    stream = io.BytesIO(body)
    try:
        record = fastavro.schemaless_reader(stream, _parsed(schema_id, writer), parsed_schema(topic))
    except Exception as error:  # a decoder fed with noise raises nearly anything
        raise WireError(f"body does not fit schema {schema_id}: {type(error).__name__}: {error}"[:300]) from error
    if stream.tell() != len(body):
        raise WireError(f"{len(body) - stream.tell()} bytes left over after the record of schema {schema_id}")
    return cast(dict[str, Any], record)


_parsed_writers: dict[tuple[int | str, str], Schema] = {}


def _parsed(schema_id: int | str, writer: Schema) -> Schema:
    key = (schema_id, str(writer.get("name")))
    if key not in _parsed_writers:
        _parsed_writers[key] = cast(Schema, fastavro.parse_schema(writer))
    return _parsed_writers[key]

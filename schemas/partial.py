"""As much of a value as can be read: for a person who looks at a dead letter."""

import io
from typing import Any

import fastavro

from schemas import topics, wire
from schemas.topics import Topic


def readable(topic: Topic, value: bytes | None, schema_of: wire.SchemaOf) -> tuple[dict[str, Any], str | None]:
    """Read field by field until it goes no further.

    Args:
        topic: whose value it was to be.
        value: as it came.
        schema_of: finds writers' schemas.

    Returns:
        the fields, samples as lists, and why there are no more; None when the value is whole.
    """
    if value is None or len(value) < wire.HEADER or value[0] != 0:
        return {}, "it does not begin with a schema id"
    schema_id = int.from_bytes(value[1 : wire.HEADER], "big")
    known = schema_of(schema_id)
    schema = known or wire.raw_schema(topic)
    whose = f"schema {schema_id}" if known else f"schemas/{topic.schema} (schema {schema_id} is not in the registry)"
    body = io.BytesIO(value)
    body.seek(wire.HEADER)
    found: dict[str, Any] = {}
    for field in schema.get("fields", []):
        try:
            found[field["name"]] = fastavro.schemaless_reader(body, fastavro.parse_schema(field["type"]), None)
        except Exception as error:  # a decoder fed with noise raises nearly anything
            return found, f"by {whose}, {field['name']} cannot be read at byte {body.tell()}: {error}"[:300]
    if topic == topics.READINGS and known is not None:
        try:
            found = wire.unpack_reading(found)
        except (KeyError, TypeError, ValueError) as error:
            return found, f"the samples are not packed as expected: {error}"
    if body.tell() < len(value):
        return found, f"{len(value) - body.tell()} bytes are left over after the fields of {whose}"
    return found, None if known else f"read by {whose}"

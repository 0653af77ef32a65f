"""Dead letters of any size and age, and what can be read of a broken value."""

import pytest

from schemas import topics, wire
from schemas.dead_letter import VALUE_MAX, DeadLetter, decode_letter
from schemas.partial import readable
from tests.builders import reading

ID = 5
LETTER = DeadLetter("sensor.readings", 1, 7, b"gre000001", b"\0x", "why", 1_000, "worker")
GOOD = wire.encode_sensor_reading(ID, reading())


def schema_of(schema_id: int) -> wire.Schema | None:
    return {ID: wire.raw_schema(topics.READINGS), ID + 1: wire.raw_schema(topics.DEAD_LETTERS)}.get(schema_id)


def test_a_letter_travels() -> None:
    key, value = LETTER.message(ID + 1)
    assert key == b"sensor.readings"
    assert decode_letter(value, schema_of) == LETTER


def test_a_letter_of_an_earlier_version_is_read() -> None:
    whole = wire.raw_schema(topics.DEAD_LETTERS)
    before = whole | {"fields": [field for field in whole["fields"] if field["name"] not in ("value_bytes", "retry_of")]}
    _, value = LETTER.message(ID + 1)
    assert decode_letter(wire.header(94) + value[wire.HEADER : -2], lambda _: before) == LETTER


def test_a_message_that_fills_the_log_still_fits_into_a_letter() -> None:
    whole = DeadLetter("sensor.readings", 1, 7, None, bytes(1_048_000), "why", 1_000, "worker")
    _, value = whole.message(ID + 1)
    assert len(value) < VALUE_MAX + 1_000
    found = decode_letter(value, schema_of)
    assert found.is_cut
    assert (len(found.message_value or b""), found.value_bytes) == (VALUE_MAX, 1_048_000)


@pytest.mark.parametrize(
    ("value", "names", "stops"),
    [
        pytest.param(None, [], "does not begin", id="no value"),
        pytest.param(b"{}", [], "does not begin", id="JSON"),
        pytest.param(GOOD, ["sensor_id", "timestamp_s", "received_at_ms", "format_version", "probes"], None, id="whole"),
        pytest.param(GOOD[:-100], ["sensor_id", "timestamp_s", "received_at_ms", "format_version"], "probes cannot", id="cut"),
        pytest.param(GOOD[:18], ["sensor_id"], "timestamp_s cannot", id="cut early"),
        pytest.param(
            GOOD + b"!", ["sensor_id", "timestamp_s", "received_at_ms", "format_version", "probes"], "1 bytes are left", id="more"
        ),
        pytest.param(
            b"\0\0\0\0\x63" + GOOD[5:],
            ["sensor_id", "timestamp_s", "received_at_ms", "format_version", "probes"],
            "schema 99 is not in the registry",
            id="a schema that is not registered",
        ),
    ],
)
def test_a_broken_value_is_read_as_far_as_it_goes(value: bytes | None, names: list[str], stops: str | None) -> None:
    fields, why = readable(topics.READINGS, value, schema_of)
    assert list(fields) == names
    assert why is None if stops is None else stops in (why or "")

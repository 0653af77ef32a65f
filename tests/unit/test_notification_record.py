"""A notification as a record and as bytes."""

from dataclasses import fields

import pytest

from schemas import topics, wire
from schemas.avro import WireError, parsed_schema
from schemas.notification import DUE, Notification, NotifiedAnomaly, decode_notification, notified
from tests.notices import anomaly


def test_a_notification_is_read_as_it_was_written() -> None:
    one = Notification(
        "0f" * 16, "ops", "0f" * 16, "began", DUE, 1, 2, "{}", stage="open", covers=("a",), members=(notified(anomaly()),)
    )
    key, value = one.message(9)
    assert key == one.id.encode()
    assert decode_notification(value, lambda _: wire.raw_schema(topics.NOTIFICATIONS)) == one
    with pytest.raises(WireError):
        decode_notification(None, lambda _: wire.raw_schema(topics.NOTIFICATIONS))


def test_the_records_have_the_schema_s_fields() -> None:
    schema = parsed_schema(topics.NOTIFICATIONS)
    assert {one["name"] for one in schema["fields"]} == {one.name for one in fields(Notification)}
    (members,) = [one["type"]["items"] for one in schema["fields"] if one["name"] == "members"]
    assert {one["name"] for one in members["fields"]} == {one.name for one in fields(NotifiedAnomaly)}

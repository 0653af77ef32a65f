"""An anomaly as a record and as bytes; its id is a function of where it began."""

import json
from dataclasses import fields

import pytest

from schemas import topics, wire
from schemas.anomaly import CLOSED, POWER, WARNING, Anomaly, AnomalySecond, anomaly_id, decode_anomaly
from schemas.anomaly_note import AnomalyNote, decode_note
from schemas.anomaly_state import AnomalyState, decode_state

SAG = Anomaly(
    id=anomaly_id("sag", POWER, "gre000001", 2, 1_800_000_000_350_000),
    rule="sag",
    kind=POWER,
    source="gre000001",
    phase=2,
    start_us=1_800_000_000_350_000,
    end_us=1_800_000_000_500_000,
    last_us=1_800_000_000_500_000,
    state=CLOSED,
    final=True,
    severity=WARNING,
    unit="mV",
    worst=132_000,
    limit=198_000,
    ieee1159="instantaneous",
    en50160="70-40%/10-200ms",
    details={"residual_permille": 600},
    samples=(AnomalySecond(1_800_000_000, 2, b"\1\0\0\0\2\0\0\0", b"\x5a\xa6", b"\xa0\x03\2\0"),),
    log_partition=3,
    version=77,
)


def test_an_anomaly_is_read_as_it_was_written() -> None:
    key, value = SAG.message(9)
    assert key == SAG.id.encode()
    assert decode_anomaly(value, lambda _: wire.raw_schema(topics.ANOMALIES)) == SAG
    power, pf, voltage = SAG.samples[0].lists()
    assert (power.tolist(), pf.tolist(), voltage.tolist()) == ([1, 2], [90, -90], [132_000])
    assert SAG.duration_us == 150_000


def test_a_state_is_read_as_it_was_written() -> None:
    state = AnomalyState("gre000001", 3, 78, 1_800_000_000, 1, b"\x80")
    key, value = state.message(9)
    assert key == b"gre000001"
    assert decode_state(value, lambda _: wire.raw_schema(topics.ANOMALY_STATE)) == state


def test_a_note_is_read_as_it_was_written() -> None:
    said = AnomalyNote(SAG.id, True, "le démarrage du compresseur", "ann", 1_800_000_000_123)
    key, value = said.message(9)
    assert key == SAG.id.encode()
    assert decode_note(value, lambda _: wire.raw_schema(topics.ANOMALY_NOTES)) == said


RECORDS = [(topics.ANOMALIES, Anomaly), (topics.ANOMALY_STATE, AnomalyState), (topics.ANOMALY_NOTES, AnomalyNote)]


@pytest.mark.parametrize(("topic", "record"), RECORDS)
def test_the_record_has_the_fields_of_its_schema(topic: topics.Topic, record: type) -> None:
    schema = json.loads(topic.schema_path.read_text())
    assert [f.name for f in fields(record)] == [f["name"] for f in schema["fields"]]


def test_an_id_depends_on_what_began_where_and_when() -> None:
    parts = ("sag", POWER, "gre000001", 2, 5)
    others = [("swell", *parts[1:]), (*parts[:2], "gre000002", 2, 5), (*parts[:3], 1, 5), (*parts[:4], 6)]
    assert anomaly_id(*parts) == anomaly_id(*parts)
    assert len({anomaly_id(*p) for p in [parts, *others]}) == 5

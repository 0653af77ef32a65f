"""Anomalies and notes as rows: what fits, and what is put aside instead of stopping the sink."""

from dataclasses import replace
from typing import Any

import pytest

from schemas import topics, wire
from schemas.anomaly import OPEN, Anomaly, AnomalySecond
from schemas.anomaly_note import AnomalyNote
from sinks import anomaly_rows, tables
from tests.unit.test_anomaly_record import SAG


def rows(*values: bytes | None, topic: topics.Topic = topics.ANOMALIES) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    made = anomaly_rows.anomalies if topic is topics.ANOMALIES else anomaly_rows.notes
    batch, rejected = made(lambda _: wire.raw_schema(topic), values, list(range(40, 40 + len(values))))
    table = tables.ANOMALIES_RAW if topic is topics.ANOMALIES else tables.ANOMALY_NOTES_RAW
    assert tuple(batch.schema.names) == table.columns
    return batch.to_pylist(), rejected


def value(one: Anomaly) -> bytes:
    return one.message(9)[1]


def test_an_upsert_is_a_row_whose_version_is_its_place_in_the_log() -> None:
    found, rejected = rows(value(replace(SAG, state=OPEN, end_us=None)), b"\0\0", value(SAG))
    assert [(row["state"], row["end_at"] is None, row["version"]) for row in found] == [("open", True, 40), ("closed", False, 42)]
    assert [at for at, _ in rejected] == [1]
    assert found[1]["sample_voltage_mv"] == [[132_000]]
    assert (found[1]["sample_power_mw"], found[1]["sample_pf_pct"]) == ([[1, 2]], [[90, -90]])
    assert found[1]["details"] == [("residual_permille", 600)]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(replace(SAG, phase=300), id="a phase that is none"),
        pytest.param(replace(SAG, start_us=-1), id="before 1970"),
        pytest.param(replace(SAG, end_us=2**62), id="no time at all"),
        pytest.param(replace(SAG, samples=(AnomalySecond(5, 1, b"\1", b"", b""),)), id="bytes that are no samples"),
        pytest.param(replace(SAG, samples=(AnomalySecond(5, 9, b"", b"", b""),)), id="a probe that is none"),
    ],
)
def test_what_fits_no_column_is_put_aside(wrong: Anomaly) -> None:
    found, rejected = rows(value(wrong), value(SAG))
    assert len(found) == 1
    assert [at for at, _ in rejected] == [0]


def test_a_note_is_a_row() -> None:
    said = AnomalyNote(SAG.id, True, "seen", "ann", 1_800_000_000_123)
    found, rejected = rows(said.message(9)[1], replace(said, at_ms=-5).message(9)[1], None, topic=topics.ANOMALY_NOTES)
    assert [(row["anomaly"], row["note"], row["said_by"], row["version"]) for row in found] == [(SAG.id, "seen", "ann", 40)]
    assert [at for at, _ in rejected] == [1, 2]

"""Batches to table rows, against the records they were made of."""

import numpy as np
import pytest

from schemas import topics, wire
from schemas.power_minute import PROBE_FIELDS, MinuteDecoder, MinuteRows, encode_minutes
from schemas.reading_decoder import ReadingDecoder
from schemas.run import Run
from schemas.sensor_reading import SensorReading
from sinks import rows, tables
from tests.builders import probe, reading

APPENDED_MS = 1_900_000_000_000
RANK_0 = 2**64 - 1 - 70


def schema_of_readings(_: int) -> wire.Schema:
    return wire.raw_schema(topics.READINGS)


def as_rows(log: list[SensorReading], partition: int = 2) -> list[dict[str, object]]:
    values = [wire.encode_sensor_reading(1, one) for one in log]
    n = len(log)
    batch, rejected = ReadingDecoder(schema_of_readings).decode(Run.of(values, range(70, 70 + n), [APPENDED_MS] * n))
    assert not rejected
    made = rows.readings(batch, np.full(n, partition))
    assert tuple(made.schema.names) == tables.READINGS_RAW.columns
    return made.to_pylist()


def expected(log: list[SensorReading], partition: int = 2) -> list[tuple[object, ...]]:
    flat = [
        (r.sensor_id, r.timestamp_s, p.probe_id, p.probe_type, p.power_mw, p.pf_pct, p.voltage_mv, RANK_0 - at, partition)
        for at, r in enumerate(log)
        for p in r.probes
    ]
    return sorted(flat, key=repr)


@pytest.mark.parametrize(
    "log",
    [
        pytest.param([reading(timestamp_s=1_800_000_000 + s) for s in range(3)], id="three plain seconds"),
        pytest.param([reading("zz000001"), reading("aa000001"), reading("mm000002")], id="sensors not in alphabetical order"),
        pytest.param([reading(probes=[probe(k, n=n) for k, n in ((1, 18), (2, 22), (3, 20))])], id="18, 22 and 20 samples"),
        pytest.param([reading(probes=[probe(1, voltage=[230_001]), probe(3)])], id="one voltage a second, a probe absent"),
        pytest.param([reading(), reading()], id="a copy is a row too: the table drops it"),
        pytest.param([reading(probes=[probe(2, power=-2_000_000_000 + 7)])], id="export at the limit"),
    ],
)
def test_every_sample_reaches_its_row(log: list[SensorReading]) -> None:
    names = ("sensor_id", "second", "probe", "probe_type", "power", "pf", "voltage", "rank", "log_partition")
    found = [tuple(r[name] for name in names) for r in as_rows(log)]
    assert sorted(found, key=repr) == expected(log)


def test_rows_come_in_the_order_of_the_table() -> None:
    log = [reading(s, 1_800_000_000 + t) for t in (5, 1, 3) for s in ("b000001", "a000001")]
    keys = [(r["sensor_id"], r["second"], r["probe"]) for r in as_rows(log)]
    assert keys == sorted(keys)


def minute_rows(names: list[str], present: list[list[int]]) -> MinuteRows:
    n = len(names)
    mask = np.array(present).T
    probes = {name: np.arange(3 * n).reshape(3, n) + 100 + k for k, name in enumerate(PROBE_FIELDS)}
    probes = {name: np.where(mask == 1, values, 0) for name, values in probes.items()}
    return MinuteRows(names, np.arange(n), np.arange(n) * 60 + 1_800_000_000, np.arange(n) + 9, probes)


def test_a_minute_is_one_row_per_probe_that_was_there() -> None:
    made = rows.minutes(minute_rows(["b000001", "a000001"], [[1, 1, 1], [0, 1, 0]]))
    assert tuple(sorted(made.schema.names)) == tuple(sorted(tables.MINUTES_RAW.columns))
    assert [(r["sensor_id"], r["minute"], r["probe"], r["version"], r["energy_units"]) for r in made.to_pylist()] == [
        ("a000001", 1_800_000_060, 2, 10, 105),
        ("b000001", 1_800_000_000, 1, 9, 102),
        ("b000001", 1_800_000_000, 2, 9, 104),
        ("b000001", 1_800_000_000, 3, 9, 106),
    ]


def test_minutes_come_out_of_the_wire_as_they_went_in() -> None:
    sent = minute_rows(["b000001", "a000001", "c000009"], [[1, 1, 1], [0, 1, 0], [1, 0, 1]])
    values = [value for _, value in encode_minutes(wire.header(4), sent)]
    got, rejected = MinuteDecoder(lambda _: wire.raw_schema(topics.MINUTES)).decode(values)
    assert not rejected
    assert sorted(rows.minutes(got).to_pylist(), key=repr) == sorted(rows.minutes(sent).to_pylist(), key=repr)


def minute_record(**change: object) -> dict[str, object]:
    probe_minute = dict.fromkeys(PROBE_FIELDS, 1) | {"probe_id": 1, "samples": 20}
    record: dict[str, object] = {"sensor_id": "a000001", "minute_s": 60, "version": 3, "probes": [probe_minute]}
    for name, value in change.items():
        if name in record:
            record[name] = value
        else:
            probe_minute[name] = value  # type: ignore[assignment]
    return record


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(None, "no value", id="a tombstone"),
        pytest.param(b"\x00\x00", "2 bytes", id="cut off"),
        pytest.param(b"\x01\x00\x00\x00\x04abc", "first byte", id="another wire format"),
        pytest.param(b"\x00\x00\x00\x00\x04\x02", "does not fit", id="a body that ends early"),
        pytest.param(minute_record(minute_s=61), "start of a minute", id="not the start of a minute"),
        pytest.param(minute_record(version=-1), "an offset", id="a version below zero"),
        pytest.param(minute_record(probes=[]), "probe ids", id="no probe"),
        pytest.param(minute_record(probe_id=4), "probe ids", id="a fourth phase"),
        pytest.param(minute_record(seconds_mask=0), "1 to 60 seconds", id="no second"),
        pytest.param(minute_record(samples=5000), "1 to 60 seconds", id="more samples than 60 seconds hold"),
        pytest.param(minute_record(power_max_mw=1 << 40), "32-bit", id="more power than the column holds"),
        pytest.param(minute_record(sensor_id=""), "1 to 64", id="no sensor"),
    ],
)
def test_a_bad_minute_is_told_and_its_batch_goes_on(bad: bytes | dict[str, object] | None, reason: str) -> None:
    good = wire.encode(topics.MINUTES, 4, minute_record())
    value = wire.encode(topics.MINUTES, 4, bad) if isinstance(bad, dict) else bad
    decoder = MinuteDecoder(lambda _: wire.raw_schema(topics.MINUTES))
    got, rejected = decoder.decode([good, value, good])
    assert len(got) == 2
    assert [at for at, _ in rejected] == [1]
    assert reason in rejected[0][1]

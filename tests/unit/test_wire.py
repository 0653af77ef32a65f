"""Bytes to columns: every reading that is one, and no reading that is none."""

import io

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import columns, kernels, topics, wire
from schemas.figures import summarise
from schemas.reading_decoder import ReadingDecoder
from schemas.run import Run
from schemas.sensor_reading import ProbeSecond, SensorReading
from schemas.units import UNITS
from tests.builders import probe, reading

ID = 7


def schema_of(schema_id: int) -> wire.Schema | None:
    return wire.raw_schema(topics.READINGS) if schema_id == ID else None


def decode(values: list[bytes | None]) -> tuple[object, list[tuple[int, str]]]:
    decoder = ReadingDecoder(schema_of)
    return decoder.decode(Run.of(values, range(len(values)), [1_900_000_000_000] * len(values)))


samples = st.integers(18, 22).flatmap(
    lambda n: st.builds(
        ProbeSecond,
        st.just(1),
        st.sampled_from(["CT", "rogow_coil"]),
        st.lists(st.integers(-2_000_000_000, 2_000_000_000), min_size=n, max_size=n),
        st.lists(st.integers(-100, 100), min_size=n, max_size=n),
        st.one_of(st.integers(0, 1_000_000).map(lambda v: [v]), st.lists(st.integers(0, 1_000_000), min_size=n, max_size=n)),
    )
)
readings = st.builds(
    lambda sensor, at, probes, ids: SensorReading(
        sensor,
        at,
        at * 1000,
        "221013",
        [ProbeSecond(i, p.probe_type, p.power_mw, p.pf_pct, p.voltage_mv) for i, p in zip(ids, probes)],
    ),
    st.from_regex(r"[a-z]{1,12}[0-9]{6}", fullmatch=True),
    st.integers(1_577_836_800, 1_900_000_000),
    st.lists(samples, min_size=1, max_size=3),
    st.permutations([1, 2, 3]),
)


@given(st.lists(readings, max_size=6))
@settings(max_examples=60)
def test_what_the_fast_writer_wrote_any_avro_reader_reads(log: list[SensorReading]) -> None:
    for one in log:
        value = wire.encode_sensor_reading(ID, one)
        record = wire.unpack_reading(wire.decode(topics.READINGS, value, schema_of))
        assert record["sensor_id"] == one.sensor_id
        assert record["timestamp_s"] == one.timestamp_s
        assert [tuple(p.values()) for p in record["probes"]] == [
            (p.probe_id, p.probe_type, p.power_mw, p.pf_pct, p.voltage_mv) for p in one.probes
        ]


@given(st.lists(readings, max_size=8))
@settings(max_examples=80)
def test_columns_hold_what_was_written(log: list[SensorReading]) -> None:
    batch, rejected = decode([wire.encode_sensor_reading(ID, one) for one in log])
    assert rejected == []
    assert [batch.names[c] for c in batch.sensor] == [one.sensor_id for one in log]
    assert batch.timestamp_s.tolist() == [one.timestamp_s for one in log]
    figures = summarise(batch)
    found = {
        (r, p): (e, lo, hi, f, v)
        for r, p, e, lo, hi, f, v in zip(
            batch.reading.tolist(),
            batch.probe.tolist(),
            *figures.table[kernels.ENERGY : kernels.VOLTAGE + 1].tolist(),
        )
    }
    expected = {
        (r, p.probe_id - 1): (
            sum(p.power_mw) * (UNITS // len(p.power_mw)),
            min(p.power_mw),
            max(p.power_mw),
            sum(p.pf_pct) * (UNITS // len(p.pf_pct)),
            sum(p.voltage_mv) * (UNITS // len(p.voltage_mv)),
        )
        for r, one in enumerate(log)
        for p in one.probes
    }
    assert found == expected


GOOD = wire.encode_sensor_reading(ID, reading())
NO_PROBE = {"sensor_id": "a000001", "timestamp_s": 1, "received_at_ms": 1, "format_version": "221013", "probes": []}


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=3),
    st.integers(0, len(GOOD)),
    st.binary(max_size=4),
)
@settings(max_examples=300)
def test_broken_bytes_never_harm_their_neighbours(changes: list[tuple[int, int]], cut: int, tail: bytes) -> None:
    broken = bytearray(GOOD)
    for at, value in changes:
        broken[at] = value
    values = [GOOD, bytes(broken[:cut]) + tail, GOOD]
    batch, rejected = decode(values)
    assert {at for at, _ in rejected} <= {1}
    assert len(batch) + len(rejected) == 3
    assert batch.offset.tolist()[0] == 0
    assert batch.offset.tolist()[-1] == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(None, "no value", id="a tombstone"),
        pytest.param(b"", "0 bytes", id="nothing"),
        pytest.param(b"\x01" + GOOD[1:], "first byte is 0x01", id="another wire format"),
        pytest.param(wire.header(99) + GOOD[5:], "schema id 99 is not in the registry", id="an unknown schema"),
        pytest.param(GOOD + b"\0", "1 bytes left over", id="a byte too many"),
        pytest.param(GOOD[:-40], "does not fit", id="cut short"),
        pytest.param(wire.encode(topics.READINGS, ID, NO_PROBE), "probe ids are []", id="no probe"),
        pytest.param(
            wire.encode_sensor_reading(ID, reading(probes=[probe(1), probe(1)])), "probe ids are [1, 1]", id="a probe twice"
        ),
        pytest.param(wire.encode_sensor_reading(ID, reading(probes=[probe(4)])), "probe ids are [4]", id="a fourth phase"),
        pytest.param(wire.encode_sensor_reading(ID, reading(probes=[probe(1, n=17)])), "n from 18 to 22", id="too few samples"),
        pytest.param(wire.encode_sensor_reading(ID, reading(timestamp_s=1_900_003_601)), "3601 s ahead", id="from the future"),
    ],
)
def test_a_bad_value_is_told_apart_with_its_reason(value: bytes | None, words: str) -> None:
    batch, rejected = decode([GOOD, value, GOOD, value])
    assert batch.offset.tolist() == [0, 2]
    assert [at for at, _ in rejected] == [1, 3]
    assert all(words in reason for _, reason in rejected)


def test_a_value_of_another_writer_is_read_through_its_own_schema() -> None:
    other = wire.raw_schema(topics.READINGS) | {
        "fields": [{"name": "firmware", "type": "string"}, *wire.raw_schema(topics.READINGS)["fields"]]
    }
    record = wire.decode(topics.READINGS, GOOD, schema_of) | {"firmware": "9.1"}
    out = io.BytesIO(wire.header(8))
    out.seek(5)
    fastavro.schemaless_writer(out, fastavro.parse_schema(other), record)
    decoder = ReadingDecoder({ID: wire.raw_schema(topics.READINGS), 8: other}.get)
    batch, rejected = decoder.decode(Run.of([GOOD, out.getvalue(), GOOD], [4, 5, 6], [1_900_000_000_000] * 3))
    assert rejected == []
    assert batch.offset.tolist() == [4, 5, 6]
    assert len(set(summarise(batch).energy_units.tolist())) == 1


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=30))
def test_varints_go_and_come(values: list[int]) -> None:
    column = np.array(values, np.int64)
    bodies = columns.records([columns.varints(column)])
    assert bodies == [columns.varint(v) for v in values]
    schema = {"fields": [{"name": "v", "type": "long"}]}
    decoded, bad = columns.decode(schema, *columns.join(bodies))
    assert decoded.numbers["v"].tolist() == values
    assert not bad.any()


def test_ids_that_share_nothing_but_length_get_codes_of_their_own() -> None:
    decoder = ReadingDecoder(schema_of)
    ids = [f"{'abcdefgh'[i % 8] * (1 + i % 20)}{i:06d}" for i in range(500)]
    values = [wire.encode_sensor_reading(ID, reading(sensor_id=s, timestamp_s=1_700_000_000)) for s in [*ids, *reversed(ids)]]
    batch, _ = decoder.decode(Run.of(values, range(len(values)), [1_900_000_000_000] * len(values)))
    assert [batch.names[c] for c in batch.sensor] == [*ids, *reversed(ids)]
    assert len(decoder.names) == 500

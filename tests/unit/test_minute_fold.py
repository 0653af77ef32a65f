"""The laws of the fold: cuts, copies, restarts and order change nothing; late is reported, never counted."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics, wire
from schemas.power_minute import encode_minutes
from schemas.reading_decoder import ReadingDecoder
from schemas.units import UNITS
from streams.core.window import Partition
from tests.builders import oracle, probe, reading
from tests.folding import LATENESS_S, T0, Log, Rows, batch_of, run


def expected(log: Log) -> tuple[Rows, dict[tuple[str, int], int]]:
    """What the hot path must publish, and what it must report: by the rule, one reading at a time."""
    watermark, hot, late = 0, [], {}
    for offset, (appended, one) in enumerate(log):
        watermark = max(watermark, appended)
        minute = one.timestamp_s - one.timestamp_s % 60
        if (minute + 60 + LATENESS_S) * 1000 <= watermark:
            late[one.sensor_id, minute] = offset
            hot.append(reading("nobody", 0, []))
        else:
            hot.append(one)
    rows: Rows = {}
    truth = oracle(hot)
    versions: dict[tuple[str, int], int] = {}
    for (sensor, minute, _), row in truth.items():
        versions[sensor, minute] = max(versions.get((sensor, minute), -1), row.pop("last"))  # type: ignore[call-overload]
    for (sensor, minute, probe_id), row in truth.items():
        units = {f"{name}_units": int(Fraction(str(row.pop(name))) * UNITS) for name in ("energy", "pf", "voltage")}
        rows[sensor, minute, probe_id] = {**row, **units, "version": versions[sensor, minute]}
    return rows, late


entry = st.tuples(
    st.sampled_from(["a000001", "b000002", "c000003"]),
    st.integers(0, 400),  # the second that was measured
    st.one_of(st.integers(0, 20), st.integers(0, 400)),  # how long it took to arrive
    st.sampled_from([(1, 2, 3), (1, 2, 3), (1, 3), (2,), (3, 1)]),
    st.integers(18, 22),
    st.booleans(),  # voltage as one number
)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    entries = draw(st.lists(entry, max_size=60))
    log: Log = []
    for sensor, second, delay, probes, n, single in entries:
        made = [probe(k, 1000 * second + k, n, [220_000 + second] if single else None) for k in probes]
        log.append(((T0 + second + delay) * 1000, reading(sensor, T0 + second, made)))
    return sorted(log, key=lambda e: e[0])


@given(logs(), st.lists(st.integers(1, 60), max_size=8))
@settings(max_examples=150, deadline=None)
def test_the_rows_are_those_of_the_oracle_however_the_log_is_cut(log: Log, cuts: list[int]) -> None:
    rows, late = expected(log)
    got = run(log, cuts)
    assert got.rows == rows
    assert got.late == late


@given(
    logs(),
    st.lists(st.integers(1, 60), max_size=8),
    st.lists(st.integers(1, 8), max_size=4),
    st.lists(st.integers(1, 8), max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_a_crash_before_or_after_the_outputs_changes_nothing(
    log: Log, cuts: list[int], crashes: list[int], lost: list[int]
) -> None:
    rows, late = expected(log)
    got = run(log, cuts, crashes, lost)
    assert got.rows == rows
    assert got.late == late


@given(logs(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_within_the_bound_changes_no_figure(log: Log, random) -> None:
    log = [(T0 * 1000, one) for _, one in log]
    # Copies of one second carry the same values here, so whichever comes first, the figures agree.
    shuffled = log[:]
    random.shuffle(shuffled)
    plain = [{k: v for k, v in row.items() if k != "version"} for _, row in sorted(run(log, []).rows.items())]
    other = [{k: v for k, v in row.items() if k != "version"} for _, row in sorted(run(shuffled, [3, 9]).rows.items())]
    same = {(one.sensor_id, one.timestamp_s): one for _, one in log}
    if all(same[one.sensor_id, one.timestamp_s] == one for _, one in log):
        assert plain == other


def test_a_commit_never_passes_an_open_minute() -> None:
    log = [((T0 + s) * 1000, reading("a000001", T0 + s, [probe(1)])) for s in range(0, 300, 10)]
    state, decoder = Partition(LATENESS_S * 1000), ReadingDecoder(lambda i: wire.raw_schema(topics.READINGS))
    state.fold(batch_of(decoder, log, 0, len(log)))
    position = state.checkpoint(decoder.names.names).position
    assert position.offset == 12  # the watermark is at 290 s: minutes 0 and 1 ended 120 s ago or more
    assert position.next_offset == 30
    assert len(state.open) == 3


def test_a_minute_is_encoded_as_any_avro_reader_reads_it() -> None:
    log = [((T0 + s) * 1000, reading("a000001", T0 + s, [probe(k, -5000 * s) for k in (1, 3)])) for s in range(3)]
    state, decoder = Partition(LATENESS_S * 1000), ReadingDecoder(lambda i: wire.raw_schema(topics.READINGS))
    state.fold(batch_of(decoder, log, 0, len(log)))
    rows = state.checkpoint(decoder.names.names).minutes
    ((key, value),) = encode_minutes(wire.header(3), rows)
    record = wire.decode(topics.MINUTES, value, lambda i: wire.raw_schema(topics.MINUTES))
    assert key == b"a000001"
    assert (record["sensor_id"], record["minute_s"], record["version"]) == ("a000001", T0, 2)
    assert [p["probe_id"] for p in record["probes"]] == [1, 3]
    assert record["probes"][0]["seconds_mask"] == 0b111
    assert record["probes"][0] == {"probe_id": 1} | {n: int(v[0, 0]) for n, v in rows.probes.items()} | {}


@pytest.mark.parametrize("metadata", ["", "x", "1", "1,2,3", "1,2,3,x"])
def test_a_commit_that_is_not_ours_is_an_error(metadata: str) -> None:
    from streams.core.window import Position

    with pytest.raises(ValueError, match=r"."):
        Position.parse(1, metadata)

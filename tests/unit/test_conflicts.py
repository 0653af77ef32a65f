"""Copies with other values than the first: each is found, on time or late, and nothing else is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics, wire
from schemas.conflict import Conflicts, decode_conflicts, encode_conflicts
from schemas.late_minute import copies_of, encode_late
from schemas.reading_decoder import ReadingDecoder
from schemas.sensor_reading import ProbeSecond
from streams.core.late import COPIES_MAX
from streams.core.window import Partition
from tests.builders import probe, reading
from tests.folding import ID, LATENESS_S, T0, Conflict, Log, batch_of, digest_of, first_copies, run


def conflicting(log: Log) -> set[Conflict]:
    """Every copy with other samples than the first, by the rule, one at a time."""
    first = first_copies(log)
    return {
        (one.sensor_id, one.timestamp_s, p.probe_id, at[0], offset)
        for offset, (_, one) in enumerate(log)
        for p in one.probes
        if (at := first[one.sensor_id, one.timestamp_s, p.probe_id])[0] != offset
        and (p.power_mw, p.pf_pct, p.voltage_mv) != (at[1].power_mw, at[1].pf_pct, at[1].voltage_mv)
    }


@st.composite
def disagreeing_logs(draw: st.DrawFn) -> Log:
    """Few seconds and many copies, of which some differ in one sample, by one up and one down, or in their form."""
    log: Log = []
    for second, delay, probes, kind in draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 1, 2, 59, 60]),
                st.sampled_from([0, 3, 90, 250]),
                st.sampled_from([(1, 2, 3), (2,), (3, 1)]),
                st.integers(0, 5),
            ),
            min_size=1,
            max_size=50,
        )
    ):
        made = [probe(k, 1000 * second + k, 19 if kind == 4 else 20, [220_000] if kind == 5 else None) for k in probes]
        if kind == 1:
            made[0].power_mw[7] += 1
        if kind == 2:
            made[-1].power_mw[7], made[-1].power_mw[8] = made[-1].power_mw[7] + 1, made[-1].power_mw[8] - 1
        if kind == 3:
            made[0].pf_pct[3], made[0].pf_pct[11] = made[0].pf_pct[11], made[0].pf_pct[3] + 1
        log.append(((T0 + second + delay) * 1000, reading("a000001", T0 + second, made)))
    return sorted(log, key=lambda e: e[0])


@given(
    disagreeing_logs(),
    st.lists(st.integers(1, 60), max_size=8),
    st.lists(st.integers(1, 8), max_size=4),
    st.lists(st.integers(1, 8), max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_conflicts_are_those_of_the_oracle_on_time_or_late_however_cut_whatever_crashes(
    log: Log, cuts: list[int], crashes: list[int], lost: list[int]
) -> None:
    assert run(log, cuts, crashes, lost).conflicts_with(log) == conflicting(log)


def changed(power: dict[int, int] | None = None, pf: dict[int, int] | None = None, n: int = 20) -> ProbeSecond:
    one = probe(1, n=n)
    for at, by in (power or {}).items():
        one.power_mw[at] += by
    for at, by in (pf or {}).items():
        one.pf_pct[at] += by
    return one


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(changed({0: 1}), id="one mW in the first sample"),
        pytest.param(changed({19: -1}), id="one mW in the last"),
        pytest.param(changed({3: 1, 4: -1}), id="one up and its neighbour down"),
        pytest.param(changed({1: 1 << 20, 3: -(1 << 20)}), id="upper halves of two words"),
        pytest.param(changed({1: 5, 3: -10, 5: 5}), id="three that cancel"),
        pytest.param(changed(pf={2: 1, 9: -1}), id="power factors"),
        pytest.param(changed(n=19), id="a sample less"),
        pytest.param(probe(1, voltage=[220_000]), id="voltage as one number"),
        pytest.param(probe(1, voltage=[220_000 + 11 * i for i in range(19)] + [220_208]), id="the last voltage"),
    ],
)
def test_a_digest_tells_contents_apart(other: ProbeSecond) -> None:
    assert digest_of(other) >> 32 != digest_of(probe(1)) >> 32


def test_a_digest_never_changes() -> None:
    """Digests wait in power.late while a new version is installed."""
    assert [digest_of(probe(1, n=n)) for n in (18, 19, 20)] == [9001553733929332134, 5506598769383630466, 7704431050883544535]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_digest_is_the_same_for_the_hot_and_the_cold_path(data: st.DataObject) -> None:
    n = data.draw(st.integers(18, 22))
    single = data.draw(st.booleans())
    one = ProbeSecond(
        1,
        "CT",
        data.draw(st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=n, max_size=n)),
        data.draw(st.lists(st.integers(-100, 100), min_size=n, max_size=n)),
        data.draw(st.lists(st.integers(0, 1 << 20), min_size=1 if single else n, max_size=1 if single else n)),
    )
    log = [((T0 + 600) * 1000, reading(timestamp_s=T0 + 600)), ((T0 + 600) * 1000, reading(timestamp_s=T0, probes=[one]))]
    state, decoder = Partition(LATENESS_S * 1000), ReadingDecoder(lambda _: wire.raw_schema(topics.READINGS))
    state.fold(batch_of(decoder, log, 0, 2))
    late = state.checkpoint(decoder.names.names).late
    assert late.copies["digest"].tolist() == [digest_of(one)]


def test_late_copies_travel_and_a_crowded_minute_is_cut_into_messages() -> None:
    n = COPIES_MAX // 3 + 200
    log = [((T0 + 900) * 1000, reading(timestamp_s=T0 + 900))]
    log += [((T0 + 900) * 1000, reading(timestamp_s=T0 + k % 60)) for k in range(n)]
    state, decoder = Partition(LATENESS_S * 1000), ReadingDecoder(lambda _: wire.raw_schema(topics.READINGS))
    state.fold(batch_of(decoder, log, 0, len(log)))
    messages = encode_late(wire.header(ID), state.checkpoint(decoder.names.names).late, 2)
    found = [wire.decode(topics.LATE, value, lambda _: wire.raw_schema(topics.LATE)) for _, value in messages]
    assert [(m["minute_s"], m["log_partition"]) for m in found] == [(T0, 2), (T0, 2)]
    assert max(len(value) for _, value in messages) < 100_000
    copies = np.concatenate([copies_of(m["copies"]) for m in found])
    assert copies["log_offset"].tolist() == [k + 1 for k in range(n) for _ in range(3)]
    assert copies["second"].tolist() == [k % 60 for k in range(n) for _ in range(3)]
    assert copies["probe"].tolist() == [0, 1, 2] * n
    assert [m["log_offset"] for m in found] == [COPIES_MAX // 3 + 1, n]


def test_a_late_minute_of_an_earlier_version_has_no_copies() -> None:
    before = wire.raw_schema(topics.LATE) | {"fields": wire.raw_schema(topics.LATE)["fields"][:-1]}
    value = wire.header(93) + bytes([2 * 2]) + b"ab" + bytes([0, 2, 4])
    record = wire.decode(topics.LATE, value, lambda _: before)
    assert (record["sensor_id"], record["minute_s"], record["log_partition"], record["log_offset"]) == ("ab", 0, 1, 2)
    assert len(copies_of(record["copies"])) == 0


def test_conflicts_travel() -> None:
    columns = [np.array(c) for c in ([1, 0], [T0, T0 + 61], [0, 2], [7, 1 << 40], [9, (1 << 40) + 5])]
    messages = encode_conflicts(wire.header(ID), Conflicts(["a000001", "b000002"], *columns), 3)
    assert [key for key, _ in messages] == [b"b000002", b"a000001"]
    values = [value for _, value in messages]
    found, partition, rejected = decode_conflicts([values[0], b"none", values[1]], lambda _: wire.raw_schema(topics.CONFLICTS))
    assert [at for at, _ in rejected] == [1]
    assert partition.tolist() == [3, 3]
    assert [found.names[s] for s in found.sensor.tolist()] == ["b000002", "a000001"]
    got = (found.timestamp_s, found.probe, found.first_offset, found.later_offset)
    assert [c.tolist() for c in got] == [c.tolist() for c in columns[1:]]

"""The laws of a Linky's minutes: order, cuts, copies, crashes and lateness change nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.tic.bytes import with_parity
from producers.tic.decode import DecodedFrame, decode
from producers.tic.record import Received, record
from producers.tic.rules import LINE
from schemas.tic_facts import NUMBERS, facts
from schemas.tic_frame import TicFrame
from streams.core.tic_integrity import DRAWN, OTHERS, Indexes, check
from streams.core.tic_judge import broken
from streams.core.tic_minute import FRAMES_MAX
from streams.core.tic_window import TicPartition
from tests.tic import FRAMES
from tests.tic_minutes import LATENESS_S, T0, Log, batch_of, decoder, event_s, frame, oracle, run, status

METERS = ("992562000017", "992562000018")


def sent(kind: str, second: int, value: int) -> TicFrame:
    """A frame of a meter that draws a watt-hour every two seconds, or that a fault has damaged."""
    at_s, index = T0 + second, 10_000 + second // 2
    wrong = {"damaged": 5_000, "torn": -400}.get(kind, 0)
    if kind in ("historic", "short", "untimed"):
        if kind == "short":
            return frame(
                at_s, 0, {"ADIR1": 40, "ADCO": "992562000017", "IINST1": 40, "IINST2": value % 9}, mode="historic", characters=76
            )
        long = {"ISOUSC": 30, "HCHC": index, "HCHP": 7, "PTEC": "HC..", "IINST": value % 40, "PAPP": value, "DEMAIN": "ROUG"}
        return frame(at_s, 0, long, mode="historic", timed=kind != "untimed", characters=168)
    tariff = 2 if value % 5 == 0 else 1
    labels = {"DATE": None, "EAST": index + wrong, "SINSTS": value, "URMS1": 230 + value % 9, "IRMS1": value % 60, "PREF": 6}
    if value % 3:
        labels |= {"URMS3": 235, "EAIT": value % 2, "SINSTI": value // 2, "NTARF": tariff, "LTARF": "HP  BLEU"}
    link = (value % 2, value % 4, value % 3)
    stge = status(tariff, over=value % 7 == 0, tomorrow="red") if value % 4 else None
    return frame(at_s, 0, dict(labels), stge=stge, characters=863 + value % 600, link=link)


entry = st.tuples(
    st.sampled_from(METERS),
    st.sampled_from(["boot-1", "boot-1", "boot-2"]),
    st.integers(0, 400),  # when it was sent
    st.one_of(st.integers(0, 20), st.integers(0, 420)),  # how long it took to arrive
    st.sampled_from(["plain", "plain", "plain", "historic", "short", "damaged", "torn"]),
    st.integers(0, 6000),
    st.lists(st.integers(0, 400), max_size=2),  # copies, and how much later they come
)


@st.composite
def logs(draw: st.DrawFn, kinds: tuple[str, ...] = ()) -> Log:
    log: Log = []
    for counter, (meter, boot, second, delay, kind, value, copies) in enumerate(draw(st.lists(entry, max_size=50))):
        one = replace(
            sent(kinds[value % len(kinds)] if kinds else kind, second, value),
            meter_id=meter,
            boot_id=boot,
            counter=second * 3 + counter % 3,
        )
        log += [((T0 + second + delay + later) * 1000, one) for later in (0, *copies)]
    seen: dict[tuple[str, str, int], TicFrame] = {}
    same = [(at, seen.setdefault((one.meter_id, one.boot_id, one.counter), one)) for at, one in log]
    return sorted(same, key=lambda pair: pair[0])


cuts = st.lists(st.integers(1, 120), max_size=10)
steps = st.lists(st.integers(1, 10), max_size=4)


@given(logs(), cuts)
@settings(max_examples=60)
def test_the_rows_are_those_of_the_oracle_however_the_log_is_cut(log: Log, cuts: list[int]) -> None:
    assert run(log, cuts).rows == oracle(log)


@given(logs(), cuts, steps, steps)
@settings(max_examples=60)
def test_a_crash_before_or_after_the_outputs_changes_nothing(
    log: Log, cuts: list[int], crashes: list[int], lost: list[int]
) -> None:
    assert run(log, cuts, crashes, lost).rows == oracle(log)


@given(logs(("plain", "untimed", "historic")), cuts, steps)
@settings(max_examples=60)
def test_frames_without_a_time_count_once_at_the_logs(log: Log, cuts: list[int], crashes: list[int]) -> None:
    assert run(log, cuts, crashes).rows == oracle(log)


@given(logs(), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_order_changes_no_figure(log: Log, random) -> None:
    shuffled = [one for _, one in log]
    random.shuffle(shuffled)
    mixed = [(at, one) for (at, _), one in zip(log, shuffled, strict=True)]
    held = [(at, one) for at, one in mixed if event_s(at, one) <= at // 1000 + 3600]
    plain = {key: replace(row, version=0) for key, row in run(log, []).rows.items()}
    assert {key: replace(row, version=0) for key, row in run(held, [3, 9]).rows.items()} == plain


@given(logs())
@settings(max_examples=50)
def test_judging_all_at_once_is_judging_one_by_one(log: Log) -> None:
    batch = batch_of(decoder(), log, 0, len(log))
    known, found = Indexes(), set()
    for at, (_, one) in enumerate(log):
        known, rules = check(known, one, int(batch.at_s[at]))
        found |= {at} if rules else set()
    assert set(broken(facts(batch).table)) == found


def test_every_label_that_a_rule_needs_is_kept() -> None:
    assert {*DRAWN, *OTHERS} <= set(NUMBERS)


@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.stem)
def test_golden_frames_make_minutes(path: Path) -> None:
    (event,) = decode([with_parity(path.read_bytes())], LINE)
    assert isinstance(event, DecodedFrame)
    log: Log = []
    for counter in range(90):
        one = record(event, Received("992562000017", "boot-1", counter, (T0 + counter) * 1000, True, counter * 930, 0, 0))
        log.append(((T0 + counter + 1) * 1000, one if one.meter_at_s is None else replace(one, meter_at_s=T0 + counter)))
    rows = run(log, [20, 70]).rows
    assert rows == oracle(log)
    assert [row.frames for row in rows.values()] == [60, 30]


def drawn(values: list[tuple[int, int]], **more: object) -> list[int]:
    """Energy of each minute when frames at these seconds say these values."""
    log = [((T0 + s) * 1000, frame(T0 + s, n, {"EAST": value, "PREF": 6}, **more)) for n, (s, value) in enumerate(values)]  # type: ignore[arg-type]
    return [row.drawn_wh for _, row in sorted(run(log, [1, 2, 3]).rows.items())]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([(50, 100), (59, 101), (60, 102), (119, 130), (121, 131)], [1, 29, 1], id="minutes meet"),
        pytest.param([(40, 100), (45, 101), (60, 120), (70, 121)], [1, 1], id="a gap belongs to nobody"),
        pytest.param([(50, 100), (60, 120)], [0, 20], id="ten seconds are none"),
        pytest.param([(5, 100), (50, 160)], [60], id="a gap within a minute belongs to it"),
        pytest.param([(55, 100), (58, 100), (60, 9_000_000), (61, 101), (62, 102)], [0, 2], id="a damaged value adds nothing"),
        pytest.param([(55, 100), (60, 9_000_000), (61, 9_000_000), (62, 9_000_001)], [0, 1], id="nor does a new meter"),
    ],
)
def test_energy(values: list[tuple[int, int]], expected: list[int]) -> None:
    assert drawn(values) == expected


def test_short_frames_erase_nothing() -> None:
    long = {"ISOUSC": 20, "HCHC": 1000, "HCHP": 2000, "PTEC": "HP..", "IINST1": 3, "PAPP": 5000}
    short = {"ADIR1": 40, "IINST1": 40, "IINST2": 4, "IINST3": 2}
    labels = [
        (52, long),
        *((s, short) for s in range(55, 67)),
        (67, {**long, "HCHP": 2009}),
        *((s, short) for s in range(70, 80)),
    ]
    log = [((T0 + s) * 1000, frame(T0 + s, n, dict(one), mode="historic", characters=76)) for n, (s, one) in enumerate(labels)]
    rows = run(log, [4]).rows
    row = rows["992562000017", T0 + 60]
    assert rows == oracle(log)
    assert (row.tariff, row.tariff_name, row.contract_va, row.drawn_wh, row.over_power) == (2, "HP..", 12_000, 9, True)
    assert [(index.label, index.first_wh, index.energy_wh) for index in row.indexes] == [("HCHC", 1000, 0), ("HCHP", 2000, 9)]


def test_three_second_frames_cover_their_minute() -> None:
    log = [((T0 + s) * 1000, frame(T0 + s, s, {"PAPP": 1}, mode="historic", characters=354)) for s in range(1, 180, 3)]
    rows = sorted(run(log, [10]).rows.items())
    assert [row.seconds_mask.bit_count() for _, row in rows] == [59, 60, 60]


def test_a_frame_that_breaks_a_rule_is_told_once_when_its_minute_closes() -> None:
    log = [((T0 + s) * 1000, frame(T0 + s, s, {"EAST": 500 + s, "PREF": 6})) for s in range(300)]
    log[30] = (log[30][0], frame(T0 + 30, 30, {"EAST": 77, "PREF": 6}))
    for edges in ([10, 31, 60, 100, 299], [200, 250], list(range(1, 300, 7))):
        got = run(log, edges)
        assert got.quarantined == [30]
        assert got.rows["992562000017", T0].quarantined == 1


def test_what_is_quarantined_carries_its_bytes() -> None:
    log = [((T0 + s) * 1000, frame(T0 + s, s, {"EAST": 77 if s == 30 else 500 + s, "PREF": 6})) for s in range(300)]
    state, reader = TicPartition(LATENESS_S * 1000), decoder()
    state.fold(batch_of(reader, log, 0, len(log)))
    (found,) = state.checkpoint(reader.names.names).quarantined
    assert found.message == (*log[30][1].message(5), (T0 + 30) * 1000)
    assert found.reason.startswith("index_back: EAST 77 came after 529; expected")


def test_a_commit_never_passes_a_frame_that_is_needed() -> None:
    log = [((T0 + s) * 1000, frame(T0 + s, s, {"EAST": 500})) for s in range(0, 300, 10)]
    state, reader = TicPartition(LATENESS_S * 1000), decoder()
    state.fold(batch_of(reader, log, 0, len(log)))
    position = state.checkpoint(reader.names.names).position
    # The watermark is at 290 s: minutes 0 and 1 are closed, and minute 1 is kept for minute 2.
    assert (position.offset, position.next_offset, len(state.open)) == (6, 30, 4)


def test_a_clock_that_stands_still_does_not_grow_a_minute() -> None:
    log = [((T0 + n // 20) * 1000, frame(T0, n, {"EAST": 500})) for n in range(FRAMES_MAX + 500)]
    (row,) = run(log, [400, FRAMES_MAX + 20]).rows.values()
    assert (row.frames, row.version) == (FRAMES_MAX, FRAMES_MAX - 1)

"""The laws of the rules of Linkys: cuts, order, copies and crashes change no final interval; an oracle says what they are."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.anomaly import CLOSED, OPEN, WITHDRAWN
from schemas.tic_frame import TicFrame
from streams.core.anomaly.judge import Rulings
from streams.core.anomaly.limits import Limits
from streams.core.anomaly.meters import Meters
from streams.core.tic_window import TicPartition
from streams.core.window import Position
from tests.anomalies import Life, Same, Told, live_through
from tests.anomaly_oracle import Found
from tests.meter_anomaly_oracle import found
from tests.tic_minutes import LATENESS_S, T0, Log, batch_of, decoder, event_s, frame, status

METER, OTHER = "992562000017", "992562000018"
LIMITS = Limits(
    thresholds=tuple(
        {"meter_silence_s": 20, "slope_measured_s": 60, "link_s": 60, "clock_degraded_s": 5, "slope_slack_wh": 2}.items()
    )
)
QUARTER = -(-T0 // 900) * 900


def final(told: Told) -> set[tuple[object, ...]]:
    """What is over for good, of the meter that is watched."""
    return {
        (a.rule, a.phase, a.start_us, a.end_us, a.worst, a.limit, tuple(a.details.items()))
        for a in told.anomalies.values()
        if a.state == CLOSED and a.final and a.source == METER
    }


def left(told: Told) -> set[tuple[object, ...]]:
    return {(a.rule, a.source, a.start_us) for a in told.anomalies.values() if a.state == OPEN and a.final}


def run(log: Log, cuts: list[int], crashes: dict[int, int] | None = None, live_ms: int = 0) -> Told:
    """Fold a log of frames; see `live_through`."""

    def begin(told: Told, committed: Position | None) -> Life:
        state, reader = TicPartition.restore(committed, LATENESS_S * 1000), decoder()
        rules = Meters(0, Same(LIMITS))
        rules.restore(told.states.values(), state.decided)
        state.judged_by(rules)

        def fold(at: int, stop: int) -> tuple[Rulings, Position]:
            state.fold(batch_of(reader, log, at, stop))
            checkpoint = state.checkpoint(reader.names.names, live_ms)
            return checkpoint.rulings, checkpoint.position

        return Life(fold, state.next_offset)

    return live_through(len(log), cuts, crashes, begin)


class Shown(list):  # type: ignore[type-arg]
    """A list that a report of a failure shows in short."""

    def __repr__(self) -> str:
        return f"<{len(self)} frames>"


stretch = st.tuples(
    st.integers(1, 20),  # frames
    st.sampled_from([1, 2, 2, 3, 9, 25]),  # seconds from one to the next
    st.sampled_from(["plain", "plain", "over", "degraded", "noisy", "sums", "damaged", "jump", "back", "boot", "untold"]),
    st.sampled_from([0, 400, 3000]),  # apparent power
    st.sampled_from([100, 100, 0, 300]),  # of what it gives, so much is in the index, in percent
)


@st.composite
def houses(draw: st.DrawFn) -> list[tuple[int, TicFrame]]:
    """The frames of one meter, with their times."""
    t, wh, counter, boot = QUARTER - draw(st.sampled_from([30, 200])), 50_000.0, 0, 1
    out = []
    for length, step, kind, va, share in draw(st.lists(stretch, min_size=1, max_size=7)):
        wh += {"jump": 4000, "back": -2000}.get(kind, 0)
        boot += kind == "boot"
        for k in range(length):
            t, counter = t + step, counter + 1 + (kind == "noisy" and k % 4 == 0)
            wh += va * step / 3600 * share / 100
            east = int(wh) + (9000 if kind == "damaged" and k == 1 else 0)
            labels = {"EAST": east, "SINSTS": va, "PREF": 6}
            if kind == "untold":
                del labels["SINSTS"]
            labels |= {f"EASF{n:02}": (east + 500 * (kind == "sums") if n == 1 else 0) for n in range(1, 11)}
            link = (k % 2, int(k % 5 == 0), k % 3) if kind == "noisy" else (0, 0, 0)
            one = frame(t, counter, dict(labels), boot=f"boot-{boot}", stge=status(over=kind == "over"), link=link)
            out.append((t, replace(one, clock_degraded=kind == "degraded")))
    return Shown(out)


def closed(log: Log, end_s: int = 0) -> Log:
    """The log, and another meter's frame that closes all its minutes, and those up to a second."""
    end = max((at // 1000 for at, _ in log), default=0)
    end = max(end, end_s)
    later = end - end % 60 + 60 + LATENESS_S
    return [*log, (later * 1000, frame(later - 1, 0, {"EAST": 1}, meter=OTHER))]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """The frames of a meter in an order within the bound, some of them twice."""
    entries = [(t * 1000 + 1000 * draw(st.sampled_from([1, 1, 1, 2, 60])), n, one) for n, (t, one) in enumerate(draw(houses()))]
    entries += [(at + 50_000, len(entries) + k, one) for k, (at, _, one) in enumerate(entries) if draw(st.integers(0, 9)) == 0]
    return Shown((at, one) for at, _, one in sorted(entries, key=lambda entry: entry[:2]))


def expected(log: Log) -> set[Found]:
    """By the oracle, of the first copies."""
    first: dict[tuple[str, int], tuple[int, TicFrame]] = {}
    for at, one in log:
        first.setdefault((one.boot_id, one.counter), (event_s(at, one), one))
    whole = closed(log)
    sent = sorted(first.values(), key=lambda pair: (pair[0], pair[1].boot_id, pair[1].counter))
    return found(sent, LIMITS.meter_values(), (whole[-1][0] // 1000 - LATENESS_S) // 60 * 60)


def told(log: Log, cuts: list[int], end_s: int = 0) -> set[tuple[object, ...]]:
    return {one[:5] for one in final(run(closed(log, end_s), cuts))}


@given(logs())
@settings(max_examples=25)
def test_the_intervals_are_those_of_the_oracle(log: Log) -> None:
    assert told(log, []) == expected(log)


def test_a_clock_that_goes_wrong_again_is_measured_from_then_on() -> None:
    degraded = {t: t < 5 or t >= 70 for t in (*range(5), *range(5, 70, 9), *range(70, 75))}
    labels = {"EAST": 50_000, "SINSTS": 0, "PREF": 6}
    log = [
        ((QUARTER + t + 1) * 1000, replace(frame(QUARTER + t, k, labels), clock_degraded=bad))
        for k, (t, bad) in enumerate(degraded.items())
    ]
    found = told(log, [], QUARTER + 200)
    assert sorted(int(str(one[4])) for one in found if one[0] == "clock_degraded") == [5, 5]


@given(logs(), st.lists(st.integers(1, 250), max_size=12))
@settings(max_examples=15)
def test_no_cut_changes_a_final_interval(log: Log, cuts: list[int]) -> None:
    whole, cut = run(closed(log), []), run(closed(log), cuts)
    assert final(cut) == final(whole)
    assert left(cut) == left(whole)


@given(
    logs(),
    st.lists(st.integers(1, 250), min_size=1, max_size=12),
    st.dictionaries(st.integers(1, 9), st.integers(0, 2), min_size=1, max_size=4),
)
@settings(max_examples=15)
def test_no_crash_changes_a_final_interval(log: Log, cuts: list[int], crashes: dict[int, int]) -> None:
    whole, crashed = run(closed(log), []), run(closed(log), cuts, crashes)
    assert final(crashed) == final(whole)
    assert left(crashed) == left(whole)


@given(houses(), st.randoms(use_true_random=False), st.lists(st.integers(1, 250), max_size=6))
@settings(max_examples=12)
def test_no_order_within_the_bound_and_no_copy_changes_a_final_interval(house, random, cuts: list[int]) -> None:
    plain = [(t * 1000 + 1000, one) for t, one in house]
    moved = [(t * 1000 + random.randrange(1, 90) * 1000, one) for t, one in house + random.sample(house, len(house) // 4)]
    end_s = house[-1][0] + 100
    assert told(sorted(moved, key=lambda entry: entry[0]), cuts, end_s) == told(plain, [], end_s)


@given(logs(), st.lists(st.integers(1, 250), max_size=12))
@settings(max_examples=12)
def test_late_frames_change_nothing_that_was_said_for_good(log: Log, cuts: list[int]) -> None:
    whole = closed(log)
    late = [(whole[-1][0] + 1000, frame(t, 10_000 + n, {"EAST": 7})) for n, t in enumerate(range(QUARTER - 200, QUARTER + 60, 7))]
    assert final(run([*whole, *late], cuts)) == final(run(whole, []))


def steady(seconds: range, wh: int = 50_000) -> Log:
    return [
        ((QUARTER + s) * 1000 + 500, frame(QUARTER + s, s, {"EAST": wh + s // 12, "SINSTS": 300, "PREF": 6})) for s in seconds
    ]


def test_a_meter_that_falls_silent_is_told_although_nothing_arrives() -> None:
    log = steady(range(100))
    assert run(log, [50]).anomalies == {}
    quiet = run(log, [], live_ms=(QUARTER + 100 + 25) * 1000).anomalies.values()
    assert [(a.rule, a.kind, a.state, a.final, a.start_us) for a in quiet] == [
        ("silence", "linky", OPEN, False, (QUARTER + 100) * 1_000_000)
    ]


def test_an_index_that_jumped_is_told_at_once_and_ends_when_it_is_believed() -> None:
    log = [*steady(range(100)), *steady(range(100, 260), wh=55_000)]
    early = run(log[:110], [105])
    assert [(a.rule, a.state, a.worst) for a in early.anomalies.values()] == [("index", OPEN, 5000)]
    (index,) = (a for a in run(closed(log), [105, 150]).anomalies.values() if a.rule != "silence")
    assert (index.rule, index.unit, index.worst, index.end_us) == ("index", "Wh", 5000, (QUARTER + 101) * 1_000_000)


def test_a_frame_that_arrives_later_withdraws_a_silence_that_it_fills() -> None:
    whole = steady(range(100))
    gap = [one for one in whole if not 20 <= one[1].counter < 60]
    late = [((QUARTER + 105) * 1000, one) for _, one in whole if 20 <= one.counter < 60]
    found_ = run([*gap, *late], [len(gap)])
    assert [(a.rule, a.state) for a in found_.every] == [("silence", CLOSED), ("silence", WITHDRAWN)]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_what_a_crash_left_untold_is_told_by_the_next(steps: int) -> None:
    log = closed([*steady(range(100)), *steady(range(100, 200), wh=55_000)])
    whole = final(run(log, []))
    assert [one[0] for one in whole] == ["index"]
    for step in (2, 3, 4):
        assert final(run(log, [50, 110, 150, 200], {step: steps})) == whole

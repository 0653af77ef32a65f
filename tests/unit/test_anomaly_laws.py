"""The laws of the rules: cuts, order, copies and crashes change no final interval; an oracle says what they are."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.sensor_reading import ProbeSecond, SensorReading
from streams.core.anomaly.limits import Limits
from tests.anomalies import run
from tests.anomaly_oracle import Found, found
from tests.folding import T0, Log

LATENESS_S = 20
LIMITS = Limits(
    220.0,
    3.0,  # 1 kW a phase would be 3000 of it
    tuple(
        {
            "low_pf_s": 6, "load_imbalance_s": 6, "voltage_imbalance_s": 6, "stuck_s": 4, "clock_min_s": 6, "peak_after_s": 20,
            "reverse_power_w": 1, "reverse_power_s": 5,
        }.items()
    ),
)  # fmt: skip

POWERS = ([500] * 20, [900] * 19, [1500] * 20, [-800] * 20, list(range(600, 620)))
FACTORS = (95, 80, 40)
VOLTAGES: tuple[list[int], ...] = (
    [220_000] * 20,
    [215_000] * 20,
    [200_000] * 20,  # between the beginning and the end of a dip
    [220_000] * 6 + [150_000] * 3 + [201_000] * 2 + [150_000] * 2 + [220_000] * 7,
    [190_000] * 20,
    [5_000] * 20,
    [220_000] * 19 + [4_000],
    [12_000] + [220_000] * 19,
    [250_000] * 4 + [240_000] * 4 + [220_000] * 12,
    [150_000],
    [222_000],
)


class Shown(list):  # type: ignore[type-arg]
    """A list that a report of a failure shows in short."""

    def __repr__(self) -> str:
        return f"<{len(self)} readings>"


phase = st.tuples(
    st.sampled_from(range(len(POWERS))), st.sampled_from(FACTORS), st.one_of(st.just(0), st.sampled_from(range(len(VOLTAGES))))
)
stretch = st.tuples(
    st.integers(1, 40),  # how long it lasts
    st.one_of(st.lists(phase, min_size=3, max_size=3), st.none()),  # None: nothing is sent
    st.sampled_from([(0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 2)]),  # probes
    st.booleans(),  # whether each second is like the one before
    st.sampled_from([20, 20, 20, 6000, -7000, 9000]),  # received so long after its beginning
)


def probe_second(k: int, what: tuple[int, int, int], jitter: int) -> ProbeSecond:
    power, pf, volts = POWERS[what[0]], what[1], VOLTAGES[what[2]]
    volts = volts if len(volts) in (1, len(power)) else (volts * 2)[: len(power)]
    return ProbeSecond(k + 1, "CT", [x + jitter for x in power], [pf] * len(power), volts)


@st.composite
def houses(draw: st.DrawFn, begins: tuple[int, ...] = (0,)) -> list[SensorReading]:
    """The seconds of one sensor; they begin within a minute from one of these."""
    out: list[SensorReading] = []
    t = T0 + draw(st.sampled_from(begins)) + draw(st.integers(0, 59))
    for length, phases, probes, stuck, delay in draw(st.lists(stretch, min_size=1, max_size=8)):
        for k in range(length):
            if phases is not None:
                jitter = 0 if stuck else (t + k) % 7
                made = [probe_second(p, phases[p], jitter) for p in probes]
                out.append(SensorReading("a000001", t + k, (t + k) * 1000 + delay, "221013", made))
        t += length
    return Shown(out)


def closed(log: Log) -> Log:
    """The log, and what comes after it closes all its minutes."""
    end = max((one.timestamp_s for _, one in log), default=T0)
    later = end - end % 60 + 60 + LATENESS_S
    return [*log, (later * 1000, SensorReading("b000002", later - 1, later * 1000, "221013", [probe_second(0, (0, 95, 0), 0)]))]


@st.composite
def logs(draw: st.DrawFn, begins: tuple[int, ...] = (0, 600)) -> Log:
    """The seconds of a house, in an order within the bound, some of them twice, some with other values."""
    house = draw(houses(begins))  # the second one lasts into another quarter-hour
    entries: list[tuple[int, int, SensorReading]] = []
    for n, one in enumerate(house):
        entries.append((one.timestamp_s * 1000 + 1000 * draw(st.sampled_from([1, 1, 1, 1, 3, 17])), n, one))
    for n in draw(st.lists(st.integers(0, max(len(house) - 1, 0)), max_size=6)) if house else []:
        copy = house[n]
        if draw(st.booleans()):
            copy = replace(copy, probes=[replace(p, power_mw=[x + 1 for x in p.power_mw]) for p in copy.probes])
        entries.append((copy.timestamp_s * 1000 + 18_000, len(house) + n, copy))
    return Shown((at, one) for at, _, one in sorted(entries, key=lambda e: e[:2]))


def expected(log: Log, limits: Limits = LIMITS) -> set[Found]:
    """By the oracle, of the first copies of sensor a000001."""
    seconds: dict[int, dict[int, tuple[list[int], list[int], list[int]]]] = {}
    delays: dict[int, int] = {}
    conflicts: set[int] = set()
    for _, one in log:
        if one.sensor_id != "a000001":
            continue
        there = seconds.setdefault(one.timestamp_s, {})
        delays.setdefault(one.timestamp_s, one.received_at_ms - one.timestamp_s * 1000)
        for p in one.probes:
            value = p.power_mw, p.pf_pct, p.voltage_mv
            if there.setdefault(p.probe_id, value) != value:
                conflicts.add(one.timestamp_s)
    end = max((one.timestamp_s for _, one in log if one.sensor_id == "a000001"), default=T0)
    return found(seconds, limits, delays, conflicts, end - end % 60 + 60)


def told(log: Log, cuts: list[int], crashes: dict[int, int] | None = None, limits: Limits = LIMITS) -> set[Found]:
    return {(a[0], *a[2:6]) for a in run(closed(log), cuts, limits, crashes, LATENESS_S).final() if a[1] == "a000001"}


def dated(since_s: list[int], powers_w: list[float]) -> Limits:
    """LIMITS with another contracted power from each of these seconds on."""
    *earlier, newest = powers_w
    return replace(LIMITS, contracted_power_w=newest, earlier=tuple(zip(since_s, earlier)))


powers_w = st.sampled_from([0.0, 1.0, 1.6, 2.5, 3.0, 1000.0])


@given(logs())
@settings(max_examples=40)
def test_the_intervals_are_those_of_the_oracle(log: Log) -> None:
    assert told(log, []) == expected(log)


@given(logs(), st.lists(st.integers(1, 200), max_size=12))
@settings(max_examples=30)
def test_no_cut_changes_a_final_interval(log: Log, cuts: list[int]) -> None:
    whole, cut = run(closed(log), [], LIMITS, lateness_s=LATENESS_S), run(closed(log), cuts, LIMITS, lateness_s=LATENESS_S)
    assert cut.final() == whole.final()
    assert cut.left() == whole.left()


@given(logs((0, 840)), st.lists(powers_w, min_size=3, max_size=3), st.lists(st.integers(1, 200), max_size=6))
@settings(max_examples=40)
def test_each_second_is_judged_by_the_contracted_power_of_its_day(log: Log, powers: list[float], cuts: list[int]) -> None:
    limits = dated([T0, T0 + 900], powers)  # local days begin with a quarter-hour
    assert told(log, cuts, None, limits) == expected(log, limits)


def steady(begin_s: int, end_s: int) -> Log:
    """Always 2.7 W in all."""
    made = [(t * 1000 + 1000, [probe_second(p, (1, 95, 0), 0) for p in range(3)]) for t in range(T0 + begin_s, T0 + end_s)]
    return Shown((at, SensorReading("a000001", at // 1000 - 1, at, "221013", probes)) for at, probes in made)


@pytest.mark.parametrize(
    ("since_s", "powers_w", "overloads"),
    [
        pytest.param([900], [4.0, 2.0], [(900, 1200, 2000)], id="less from a day on: the days before were none"),
        pytest.param([900], [2.0, 4.0], [(600, 900, 2000)], id="more from a day on: the days before still were"),
        pytest.param([900], [2.0, 0.0], [(600, 900, 2000)], id="none from a day on"),
        pytest.param([900], [0.0, 2.0], [(900, 1200, 2000)], id="a first one from a day on"),
        pytest.param([720, 960], [4.0, 2.0, 4.0], [(720, 960, 2000)], id="for some days alone"),
        pytest.param([720, 960], [2.0, 4.0, 1.0], [(600, 720, 2000), (960, 1200, 1000)], id="each by its own limit"),
        pytest.param([900], [2.0, 1.0], [(600, 1200, 2000)], id="too much by both"),
        pytest.param([2000], [4.0, 2.0], [], id="a day that has not come"),
        pytest.param([0], [2.0, 4.0], [], id="a day that is long over"),
    ],
)
def test_an_overload_is_one_by_the_contracted_power_of_its_time(
    since_s: list[int], powers_w: list[float], overloads: list[tuple[int, int, int]]
) -> None:
    limits = dated([T0 + s for s in since_s], powers_w)
    log = steady(600, 1200)
    for cuts in ([], [100, 301, 302, 450]):
        found = run(closed(log), cuts, limits, lateness_s=LATENESS_S).anomalies.values()
        said = {(a.start_us // 10**6 - T0, a.last_us // 10**6 - T0, a.limit) for a in found if a.rule == "overload"}
        assert said == set(overloads)


@given(
    logs((840,)),
    st.lists(st.tuples(st.integers(14, 20), powers_w), max_size=4, unique_by=lambda one: one[0]),
    st.lists(st.integers(1, 200), min_size=1, max_size=12),
    st.dictionaries(st.integers(1, 9), st.integers(0, 2), max_size=2),
)
@settings(max_examples=40)
def test_no_cut_and_no_crash_changes_what_dated_contracts_make_an_overload(
    log: Log, days: list[tuple[int, float]], cuts: list[int], crashes: dict[int, int]
) -> None:
    days.sort()
    limits = dated([T0 + 60 * minute for minute, _ in days], [*(power for _, power in days), 3.0])
    whole, cut = (run(closed(log), k, limits, c, LATENESS_S) for k, c in (([], None), (cuts, crashes)))
    assert cut.final() == whole.final()
    assert cut.left() == whole.left()


@given(
    logs(),
    st.lists(st.integers(1, 200), min_size=1, max_size=12),
    st.dictionaries(st.integers(1, 9), st.integers(0, 2), min_size=1, max_size=4),
)
@settings(max_examples=30)
def test_no_crash_changes_a_final_interval(log: Log, cuts: list[int], crashes: dict[int, int]) -> None:
    whole = run(closed(log), [], LIMITS, lateness_s=LATENESS_S)
    crashed = run(closed(log), cuts, LIMITS, crashes, LATENESS_S)
    assert crashed.final() == whole.final()
    assert crashed.left() == whole.left()


@given(houses(), st.randoms(use_true_random=False), st.lists(st.integers(1, 200), max_size=6))
@settings(max_examples=20)
def test_no_order_within_the_bound_and_no_copy_changes_a_final_interval(house, random, cuts: list[int]) -> None:
    plain = [(one.timestamp_s * 1000 + 1000, one) for one in house]
    moved = [
        (one.timestamp_s * 1000 + random.randrange(1, 19) * 1000, one) for one in house + random.sample(house, len(house) // 4)
    ]
    assert told(sorted(moved, key=lambda e: e[0]), cuts) == told(plain, [])


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_what_a_crash_left_untold_is_told_by_the_next(steps: int) -> None:
    dip = [probe_second(0, (0, 95, 3), 0)]
    log = [((T0 + s + 1) * 1000, SensorReading("a000001", T0 + s, (T0 + s) * 1000 + 20, "221013",
            dip if s == 30 else [probe_second(0, (0, 95, 0), s % 7)])) for s in range(50)]  # fmt: skip
    whole = told(log, [])
    assert [(rule, phase) for rule, phase, *_ in whole] == [("sag", 1)]
    assert told(log, [10, 20, 45, 50], {3: steps}) == whole
    assert told(log, [10, 20, 45, 50], {5: steps, 4: steps}) == whole


@pytest.mark.parametrize("crashes", [{1: 2, 2: 2}, {1: 1, 2: 2}, {1: 2, 2: 1, 3: 2}, {2: 2, 3: 2, 4: 2}])
def test_what_was_told_before_a_crash_is_not_withdrawn_when_it_was_right(crashes: dict[int, int]) -> None:
    seconds = [(s, (0, 95, 4 if 50 <= s < 70 else 0)) for s in range(200)]
    log = [((T0 + s + 1) * 1000, SensorReading("a000001", T0 + s, (T0 + s) * 1000 + 20, "221013",
            [probe_second(0, what, s % 7)])) for s, what in seconds]  # fmt: skip
    whole = told(log, [])
    assert [(rule, phase) for rule, phase, *_ in whole] == [("sag", 1)]
    for cuts in ([60, 190], [55, 150, 180], [60, 100, 150]):
        assert told(log, cuts, crashes) == whole

"""Anomalies of minutes that came late: worker and cold path together find what the whole set of seconds holds."""

from dataclasses import replace

from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from schemas import topics, wire
from schemas.anomaly import CLOSED, WITHDRAWN, Anomaly
from schemas.reading_decoder import ReadingDecoder
from schemas.sensor_reading import SensorReading
from streams.core.anomaly.again import Judging, Stretch, corrections, differences, stretches, widened
from streams.core.anomaly.limits import Limits
from tests.anomalies import Same, Told, run
from tests.folding import T0, Log, batch_of
from tests.unit.test_anomaly_laws import LATENESS_S, LIMITS, houses, probe_second
from tests.unit.test_anomaly_laws import steady as always
from web.api.anomaly_trial import changed

SENSOR = "a000001"


def closer(at_s: int) -> tuple[int, SensorReading]:
    """Another sensor's second, by which the log's time goes on."""
    return at_s * 1000, SensorReading("b000002", at_s, at_s * 1000, "221013", [probe_second(0, (0, 95, 0), at_s % 7)])


def silences(told: Told) -> set[tuple[object, ...]]:
    """Those that go on; what else goes on stays as the worker sees it."""
    return {one for one in told.left() if one[:2] == ("silence", SENSOR)}


def correct(told: Told, house: list[SensorReading], late: set[int], edge_s: int, limits: Limits = LIMITS) -> list[Anomaly]:
    """As the rebuilder does: what it tells."""
    news: list[Anomaly] = []
    for touched in stretches([(SENSOR, s - s % 60) for s in late], edge_s):
        stretch, mine = touched, [one for one in told.anomalies.values() if one.source == SENSOR]
        for _ in range(8):
            stretch = widened(stretch, mine, edge_s)
        known = [one for one in mine if stretch.touches(one)]
        news += corrections(stretch, known, found_in(house, stretch, limits))
        told.tell(news)
    return news


def found_in(house: list[SensorReading], stretch: Stretch, limits: Limits = LIMITS) -> list[Anomaly]:
    log: Log = [(r.timestamp_s * 1000, r) for r in house if stretch.begin_s <= r.timestamp_s < stretch.end_s]
    decoder = ReadingDecoder(lambda i: wire.raw_schema(topics.READINGS))
    judging = Judging(Same(limits), 0, len(log))
    for at in range(0, len(log), 50):
        judging.take(batch_of(decoder, log, at, min(at + 50, len(log))))
    return judging.found(stretch.end_s)


@given(houses(), st.data())
@settings(max_examples=25, phases=[Phase.generate])
def test_late_seconds_change_what_was_told_into_what_all_of_them_hold(house: list[SensorReading], data: st.DataObject) -> None:
    seconds = [r.timestamp_s for r in house]
    first = data.draw(st.integers(0, max(len(house) - 1, 0)))
    length = data.draw(st.integers(1, 60))
    late = set(seconds[first : first + length])
    newest_first = data.draw(st.booleans())
    end_s = max(seconds, default=T0) // 60 * 60 + 60
    on_time: Log = [(r.timestamp_s * 1000 + 1000, r) for r in house if r.timestamp_s not in late]
    assume(on_time)  # what was never there in time is not silent: it may be an archive
    at_s = end_s + LATENESS_S
    behind = [r for r in house if r.timestamp_s in late]
    behind.sort(key=lambda r: -r.timestamp_s if newest_first else r.timestamp_s)
    after: Log = [((at_s + 1 + n // 20) * 1000, r) for n, r in enumerate(behind)]
    log = [*on_time, closer(at_s), *after, closer(at_s + 200)]
    cuts = data.draw(st.lists(st.integers(1, len(log)), max_size=6))
    told = run(log, cuts, LIMITS, lateness_s=LATENESS_S)
    correct(told, house, late, end_s + 120)
    in_time: Log = [(r.timestamp_s * 1000 + 1000, r) for r in house]
    whole = run([*in_time, closer(at_s), closer(at_s + 200)], [], LIMITS, lateness_s=LATENESS_S)
    going_on = {one[:3] for one in told.left() - silences(told)}  # stays the worker's until it ends
    assert {one for one in told.final() if one[:3] not in going_on} == {one for one in whole.final() if one[:3] not in going_on}
    assert silences(told) == silences(whole)


def steady(seconds: range, *, volts: int = 0) -> list[SensorReading]:
    return [
        SensorReading(SENSOR, T0 + s, (T0 + s) * 1000 + 20, "221013", [probe_second(0, (0, 95, volts), s % 7)]) for s in seconds
    ]


def test_a_silence_that_was_only_a_bad_link_is_withdrawn() -> None:
    house = steady(range(1200))
    late = {T0 + s for s in range(100, 900)}
    log: Log = [(r.timestamp_s * 1000 + 1000, r) for r in house if r.timestamp_s not in late]
    backlog = [(log[-1][0] + n, r) for n, r in enumerate(r for r in house if r.timestamp_s in late)]
    told = run([*log, closer(T0 + 1400), *backlog, closer(T0 + 1500)], [50, 150, len(log) + 1], LIMITS, lateness_s=LATENESS_S)
    (silence,) = (one for one in told.anomalies.values() if one.source == SENSOR and one.start_us == (T0 + 100) * 1_000_000)
    assert (silence.rule, silence.state) == ("silence", CLOSED)
    (news,) = correct(told, house, late, T0 + 1380)
    assert (news.id, news.state) == (silence.id, WITHDRAWN)


def test_a_dip_in_seconds_that_came_late_is_told() -> None:
    house = [*steady(range(200)), *steady(range(200, 210), volts=4), *steady(range(210, 1200))]
    late = {T0 + s for s in range(180, 240)}
    log: Log = [(r.timestamp_s * 1000 + 1000, r) for r in house if r.timestamp_s not in late]
    told = run([*log, closer(T0 + 1400), *((T0 * 1000 + 1_400_000, r) for r in house if r.timestamp_s in late)], [],
               LIMITS, lateness_s=LATENESS_S)  # fmt: skip
    news = {one.rule: one for one in correct(told, house, late, T0 + 1380)}
    assert {rule: one.state for rule, one in news.items()} == {"sag": CLOSED, "silence": WITHDRAWN}
    assert (news["sag"].start_us, news["sag"].end_us) == ((T0 + 200) * 1_000_000, (T0 + 210) * 1_000_000)
    assert {one.timestamp_s - T0 for one in news["sag"].samples} <= set(range(196, 214))
    assert correct(told, house, late, T0 + 1380) == []  # said once


def test_what_other_limits_would_find() -> None:
    house = [*steady(range(700)), *steady(range(700, 710), volts=4), *steady(range(710, 1200))]
    stretch = Stretch(SENSOR, T0 - 900, T0 + 1200)
    before = [replace(one, final=True) for one in found_in(house, stretch)]
    lower = replace(LIMITS, thresholds=(*LIMITS.thresholds, ("sag_pct", 80.0), ("sag_end_pct", 82.0)))
    found = differences(before, found_in(house, stretch, lower))
    assert [one.rule for one in found.gone] == ["sag"]
    assert (found.new, found.changed) == ([], [])
    assert differences(before, before).same == len(before)


def test_late_seconds_are_judged_by_the_contracted_power_of_their_own_day() -> None:
    house = [one for _, one in always(600, 1200)]
    less = replace(LIMITS, contracted_power_w=2.0, earlier=((T0 + 900, 4.0),))
    stretch = Stretch(SENSOR, T0 - 900, T0 + 1800)
    (one,) = [one for one in found_in(house, stretch, less) if one.rule == "overload"]
    assert (one.start_us // 10**6 - T0, one.limit) == (900, 2000)


def test_a_contracted_power_that_is_tried_is_tried_for_all_of_the_time() -> None:
    now = replace(LIMITS, earlier=((T0, 4.0),))
    assert changed(now, ["sag_pct=85"])[0].earlier == now.earlier
    tried, _ = changed(now, ["contracted_power_w=2"])
    assert (tried.contracted_power_w, tried.earlier) == (2.0, ())

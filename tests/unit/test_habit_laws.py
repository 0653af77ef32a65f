"""The laws of the learned rule: an oracle says what is unlike the habit; crashes, and what is sent again, change nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.anomaly import CLOSED, OPEN
from schemas.sensor_reading import SensorReading
from streams.core.anomaly.habit import Habit, Learned, Unlike, pass_time, step
from streams.core.anomaly.habit_limits import HabitLimits
from streams.core.anomaly.limits import Limits
from tests.anomalies import run
from tests.folding import Log
from tests.unit.test_anomaly_laws import probe_second

PARIS = HabitLimits(least_min=10, zone="Europe/Paris")
MONDAY = int(datetime(2026, 3, 2, 8, tzinfo=UTC).timestamp()) // 60
"""In March the clocks change in Paris: four weeks on, the same hour there is another one in UTC."""
WEEK = 7 * 24 * 60

Minutes = list[tuple[int, int]]
"""Number since 1970, mean in mW."""


def local_hour(minute: int, zone: str) -> tuple[int, int]:
    at = datetime.fromtimestamp(minute * 60, ZoneInfo(zone)).replace(tzinfo=UTC)
    return int(at.timestamp()) // 3600, at.minute // 15


def oracle(minutes: Minutes, limits: HabitLimits, until: int) -> list[tuple[int, int, int]]:
    """First and last minute, and how many, of every interval that is over."""
    by_quarter: dict[tuple[int, int], list[int]] = {}
    for minute, mean in minutes:
        by_quarter.setdefault(local_hour(minute, limits.zone), []).append(mean)

    def usual(hour: int) -> tuple[float, float] | None:
        values, weeks = [], 0
        for k in range(1, 9):
            known = [by_quarter.get((hour - 168 * k, q), []) for q in range(4)]
            means = [float(np.float16(sum(one) / len(one) / 8000)) for one in known if len(one) >= 12]
            if len(means) >= 3:
                values, weeks = values + means, weeks + 1
        if weeks < limits.weeks:
            return None
        middle = median(values)
        return middle * 8000, median(abs(v - middle) for v in values) * 1.4826 * 8000

    runs: list[list[int]] = []
    counts = False
    for minute, mean in minutes:
        hour, _ = local_hour(minute, limits.zone)
        if runs and minute - runs[-1][-1] > 6:
            counts = False
        if usual(hour) is None:
            continue
        bands = [found for h in (hour, hour - 1, hour + 1) if (found := usual(h)) is not None]
        away = min(abs(mean - m) / max(limits.mads * s, limits.share * abs(m), limits.floor_mw) for m, s in bands)
        if away > (0.8 if counts else 1.0):
            if not runs or minute - runs[-1][-1] > 6:
                runs.append([])
            runs[-1].append(minute)
            one = runs[-1]
            length = minute + 1 - one[0]
            counts = counts or (length >= limits.least_min and 100 * len(one) >= 90 * length)
    return [(r[0], r[-1], len(r)) for r in runs if until - 1 - r[-1] > 5 and _counted(r, limits)]


def _counted(run_: list[int], limits: HabitLimits) -> bool:
    return any(m + 1 - run_[0] >= limits.least_min and 100 * (k + 1) >= 90 * (m + 1 - run_[0]) for k, m in enumerate(run_))


@st.composite
def weeks(draw: st.DrawFn) -> Minutes:
    """Three hours a week, with other levels now and then, and with holes."""
    out = []
    for week in range(draw(st.integers(4, 6))):
        minute = MONDAY + week * WEEK
        for level, length in draw(
            st.lists(
                st.tuples(st.sampled_from([2000, 2000, 2000, 2300, 6000, 200, None]), st.integers(1, 70)), min_size=2, max_size=6
            )
        ):
            if level is not None:
                out += [
                    (m, level * 1000 + m % 7 * 9000) for m in range(minute, minute + length) if m < MONDAY + week * WEEK + 180
                ]
            minute += length
    return out


def told(minutes: Minutes, limits: HabitLimits, crashes: list[int], until: int) -> list[tuple[int, int, int]]:
    """Take all in; a crash goes back to what was safe before the last `back` minutes, but for the table."""
    habit, learned, safe = Habit(), Learned(), (0, Habit())
    found: dict[int, Unlike] = {}
    at = 0
    pending = sorted(crashes)
    while at < len(minutes):
        habit, over, wrote = step(habit, learned, *minutes[at], limits)
        if over is not None:
            found[over.start] = over
        at += 1
        if wrote:
            learned = Learned.unpacked(learned.packed())
        if pending and at >= pending[0]:
            pending.pop(0)
            at, habit = safe
        elif at % 5 == 0:
            safe = at, habit
    _, over = pass_time(habit, until)
    if over is not None:
        found[over.start] = over
    return [(one.start, one.last, one.count) for one in found.values()]


@given(weeks())
@settings(max_examples=40)
def test_what_is_unlike_the_habit_is_what_the_oracle_finds(minutes: Minutes) -> None:
    until = MONDAY + 8 * WEEK
    assert told(minutes, PARIS, [], until) == oracle(minutes, PARIS, until)


@given(weeks(), st.lists(st.integers(1, 900), max_size=6))
@settings(max_examples=25)
def test_no_crash_and_no_minute_twice_changes_it(minutes: Minutes, crashes: list[int]) -> None:
    until = MONDAY + 8 * WEEK
    whole = told(minutes, PARIS, [], until)
    assert told(minutes, PARIS, crashes, until) == whole
    assert told([one for m in minutes for one in (m, m)], PARIS, [], until) == whole


def day(week: int, watts: int, length: int = 60) -> Minutes:
    return [(MONDAY + week * WEEK + m, watts * 1000 + m % 5 * 10_000) for m in range(length)]


@pytest.mark.parametrize(
    ("minutes", "limits", "expected"),
    [
        pytest.param([*day(0, 900), *day(1, 900), *day(2, 900), *day(3, 5000)], PARIS, 1, id="three weeks are known"),
        pytest.param([*day(0, 900), *day(1, 900), *day(3, 5000)], PARIS, 0, id="two weeks are not enough"),
        pytest.param([*day(0, 900), *day(1, 900, 30), *day(2, 900), *day(3, 5000)], PARIS, 0, id="half an hour is no week"),
        pytest.param([*day(0, 900), *day(1, 900), *day(2, 900), *day(3, 1300)], PARIS, 0, id="within the floor"),
        pytest.param([*day(0, 9000), *day(1, 9000), *day(2, 9000), *day(3, 0)], PARIS, 1, id="nothing is drawn"),
        pytest.param([*day(0, 900), *day(1, 900), *day(2, 900), *day(3, 5000, 9)], PARIS, 0, id="nine minutes are short"),
        pytest.param([*day(0, 900), *day(1, 5000), *day(2, 2900), *day(3, 2000)], PARIS, 0, id="it varies"),
        pytest.param([*day(0, 900), *day(3, 900), *day(7, 900), *day(8, 5000)], PARIS, 0, id="the clocks changed"),
    ],
)  # fmt: skip
def test_a_table(minutes: Minutes, limits: HabitLimits, expected: int) -> None:
    assert len(told(minutes, limits, [], minutes[-1][0] + 100)) == expected


def test_a_learned_table_is_small() -> None:
    learned = Learned()
    rng = np.random.default_rng(1)
    for hour in range(168 * 9):
        learned.write(hour, [float(x) for x in rng.integers(200_000, 9_000_000, 4)])
    assert learned.means.nbytes == 12_096
    assert len(learned.packed()) < 12_500
    again = Learned.unpacked(learned.packed())
    assert again.newest == learned.newest
    assert np.array_equal(again.means, learned.means)


def readings(minutes: Minutes) -> Log:
    log: Log = []
    for minute, mean in minutes:
        for s in range(minute * 60, minute * 60 + 46):
            probe = replace(probe_second(0, (0, 95, 0), s % 7), power_mw=[mean + s % 9] * 20)
            log.append((s * 1000 + 1000, SensorReading("a000001", s, s * 1000 + 20, "221013", [probe])))
    return log


@pytest.mark.parametrize("crashes", [{}, {2: 0, 3: 1}, {3: 2, 4: 1, 5: 0}])
def test_a_worker_that_crashes_tells_the_same(crashes: dict[int, int]) -> None:
    limits = Limits(thresholds=(("habit_s", 600), ("habit_weeks", 1), ("stuck_s", 10_000)))
    log = readings([*day(0, 900, 61), *day(1, 5000, 25), (MONDAY + WEEK + 40, 900_000), (MONDAY + WEEK + 50, 900_000)])
    early = run(log[: 61 * 46 + 20 * 46], [100], limits)
    assert [(a.rule, a.state, a.final) for a in early.anomalies.values() if a.rule == "habit"] == [("habit", OPEN, True)]
    found = run(log, [61 * 46 - 3, 61 * 46, 61 * 46 + 700, len(log) - 1], limits, crashes)
    habit = [a for a in found.anomalies.values() if a.rule == "habit"]
    assert [(a.state, a.start_us, a.end_us, a.unit, a.details["minutes"]) for a in habit] == [
        (CLOSED, (MONDAY + WEEK) * 60_000_000, (MONDAY + WEEK + 25) * 60_000_000, "mW", 25)
    ]
    assert list(found.habits) == ["a000001"]

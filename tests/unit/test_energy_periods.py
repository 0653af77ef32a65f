"""Quarters into periods of any zone: the laws of time, days of 23 and 25 hours, exact sums."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from schemas.units import UNITS
from streams.core import energy
from streams.core.energy import DAY_S, QUARTER_S, Quarters

ZONES = (
    *("Europe/Paris", "Asia/Seoul", "UTC", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "America/St_Johns"),
    *("Asia/Beirut", "Pacific/Apia", "Africa/Casablanca", "Pacific/Chatham", "America/Santiago"),
)
zones = st.sampled_from(ZONES)
day = st.dates(date(2005, 1, 1), date(2037, 12, 1))


@pytest.mark.parametrize(
    ("zone", "when", "hours"),
    [
        pytest.param("Europe/Paris", date(2026, 3, 29), 23, id="Paris in spring"),
        pytest.param("Europe/Paris", date(2026, 10, 25), 25, id="Paris in autumn"),
        pytest.param("Europe/Paris", date(2026, 7, 1), 24, id="Paris in summer"),
        pytest.param("Asia/Seoul", date(2026, 3, 29), 24, id="Seoul in spring"),
        pytest.param("Asia/Seoul", date(2026, 10, 25), 24, id="Seoul in autumn"),
    ],
)
def test_hours_of_a_day(zone: str, when: date, hours: int) -> None:
    since, until = energy.midnight(zone, when), energy.midnight(zone, when + timedelta(1))
    edge = energy.edges(zone, since, until, "hour")
    assert len(edge) - 1 == hours
    assert (np.diff(edge) == 3600).all()
    assert len(energy.edges(zone, since, until, "day")) == 2


@given(zones, day, st.integers(1, 40), st.sampled_from(["hour", "day", "month", "year"]))
@given_settings(max_examples=60, deadline=None)
def test_periods_are_those_of_the_local_calendar(zone: str, first: date, days: int, resolution: str) -> None:
    since, until = energy.midnight(zone, first), energy.midnight(zone, first + timedelta(days))
    edge = energy.edges(zone, since, until, resolution)
    assert (edge[0], edge[-1]) == (since, until)
    assert (np.diff(edge) > 0).all()

    def key(at: int) -> tuple[object, ...]:
        local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
        return {
            "hour": (local.date(), local.hour, local.utcoffset()),
            "day": (local.date(),),
            "month": (local.year, local.month),
            "year": (local.year,),
        }[resolution]

    quarters = energy.grid(since, until)
    expected: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for at in quarters.tolist():
        expected[key(at)].append(at)
    assert edge[:-1].tolist() == [of[0] for of in expected.values()]
    counts = np.bincount(energy.periods_of(quarters, edge), minlength=len(edge) - 1)
    assert counts.tolist() == [len(of) for of in expected.values()]
    assert (np.diff(edge) == counts * QUARTER_S).all()


@given(zones, st.integers(10**9, 2 * 10**9).map(lambda s: s - s % QUARTER_S), st.integers(1, 400))
@given_settings(max_examples=60, deadline=None)
def test_offsets(zone: str, since: int, count: int) -> None:
    at = energy.grid(since, since + count * QUARTER_S)
    expected = [datetime.fromtimestamp(s, UTC).astimezone(ZoneInfo(zone)).utcoffset().total_seconds() for s in at.tolist()]  # type: ignore[union-attr]
    assert energy.offsets(zone, at).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-(2**62), 2**62)), max_size=60))
def test_sums_are_exact_beyond_64_bits(values: list[tuple[int, int]]) -> None:
    group, value = (np.array([v[k] for v in values], np.int64) for k in (0, 1))
    assert energy.exact(value, group, 4) == [sum(v for g, v in values if g == k) for k in range(4)]


@given(zones, day, st.lists(st.integers(0, 10**15), min_size=1, max_size=300))
@given_settings(max_examples=40, deadline=None)
def test_energy_by_local_hour_loses_nothing(zone: str, first: date, values: list[int]) -> None:
    since = energy.midnight(zone, first)
    at = energy.grid(since, since + len(values) * QUARTER_S)
    found = energy.by_hour(zone, Quarters(at, {"e": np.array(values, np.int64)}), "e")
    expected: dict[tuple[date, int], int] = defaultdict(int)
    for s, value in zip(at.tolist(), values):
        local = datetime.fromtimestamp(s, UTC).astimezone(ZoneInfo(zone))
        expected[local.date(), local.hour] += value
    assert found == {k: v for k, v in expected.items() if v}


def test_bands_follow_the_local_clock() -> None:
    since = energy.midnight("Europe/Paris", date(2026, 10, 25))
    at = energy.grid(since, since + 25 * 3600)
    names, which = energy.bands("Europe/Paris", at, lambda _: tuple("night" if h < 6 else "day" for h in range(24)))
    assert names == ["day", "night"]
    assert np.bincount(which).tolist() == [18 * 4, 7 * 4]


def test_a_peak_is_the_first_of_the_greatest() -> None:
    quarters = Quarters(np.arange(4) * QUARTER_S, {"e": np.array([1, 5, 5, 2])})
    assert energy.peak(quarters, "e") == 1
    assert energy.peak(quarters, "e", np.array([0, 2, 3])) == 2
    assert energy.peak(quarters, "e", np.array([], np.int64)) is None


def test_the_running_quarter_goes_on_with_the_power_of_the_last_minutes() -> None:
    quarter = DAY_S * 20_000
    minutes = [(quarter + 60 * m, 60_000 * 1000 * (1 if m < 5 else 3), 60) for m in range(-5, 10)]
    found = energy.forecast(quarter + 600, minutes)
    assert found is not None
    assert found.power_mw == 3_000_000
    assert found.so_far_mws == 1_000_000 * 300 + 3_000_000 * 300
    assert found.demand_mw == round((1_000_000 * 300 + 3_000_000 * 600) / 900)
    assert energy.forecast(quarter + 3600, minutes) is None


def test_units_for_people() -> None:
    assert energy.mws(UNITS * 3 // 2) == 2
    assert energy.mws(UNITS // 2) == 0
    assert energy.kwh(UNITS * 3_600_000_000) == 1.0
    assert energy.kw(UNITS * 900 * 1_000_000) == 1.0

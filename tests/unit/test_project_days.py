"""Records as days of a page: what was metered, its coverage, and nothing over a gap."""

import numpy as np
import pytest

from web.view.project_days import Series, broken, date_of, line, usage, warmth

T0 = 1_709_420_400  # 2024-03-03 in Paris
HOUR_S, DAY_S = 3600, 86_400
ZONE = "Europe/Paris"


def series(start_s: list[int], value: list[float]) -> Series:
    return Series(np.array(start_s, np.int64) * 1_000_000, np.array(value, float))


def test_hours_are_summed_to_local_days_with_their_coverage() -> None:
    hours = series([T0 + HOUR_S * h for h in range(49)], [*[0.5] * 24, *[1.0] * 12, *[np.nan] * 13])
    found = usage(hours, ZONE)
    assert found.energy.tolist() == [12.0, 12.0]
    assert found.coverage.tolist() == [1.0, 0.5]
    assert found.start_s.tolist() == [T0, T0 + DAY_S]


def test_a_reading_before_a_gap_does_not_cover_it() -> None:
    starts = [*range(T0, T0 + DAY_S, HOUR_S), T0 + 5 * DAY_S, T0 + 5 * DAY_S + HOUR_S]
    found = usage(series(starts, [1.0] * 25 + [np.nan]), ZONE)
    assert found.start_s.tolist() == [T0, T0 + 5 * DAY_S]
    assert found.coverage.tolist() == [1.0, 1 / 24]


def test_a_day_with_a_change_of_clocks_is_one_day() -> None:
    first = T0 + 28 * DAY_S  # the 31st of March 2024 has 23 hours
    found = usage(series([first + HOUR_S * h for h in range(24)], [1.0] * 23 + [np.nan]), ZONE)
    assert (found.energy.tolist(), found.coverage.tolist(), found.days.tolist()) == ([23.0], [1.0], [1.0])


def test_bills_stay_as_they_are() -> None:
    found = usage(series([T0, T0 + 30 * DAY_S, T0 + 61 * DAY_S], [300.0, np.nan, np.nan]), ZONE)
    assert (found.energy / found.days).tolist() == [10.0]


def test_temperatures_are_means_of_days_and_a_day_without_is_none() -> None:
    edges = np.array([T0, T0 + DAY_S, T0 + 2 * DAY_S, T0 + 3 * DAY_S])
    found = warmth(series([T0 - 1, T0, T0 + HOUR_S, T0 + DAY_S, T0 + 3 * DAY_S], [99, 4, 8, np.nan, 99]), edges[:-1], edges[1:])
    assert found[0] == 6
    assert np.isnan(found[1:]).all()


def test_a_model_s_line_is_the_mean_at_each_temperature_and_lines_break_where_days_are_missing() -> None:
    x, y = line(np.array([10.1, 10.3, 12.0, np.nan]), np.array([4.0, 6.0, 8.0, 9.0]), 1.0)
    assert (x.round(3).tolist(), y.tolist()) == ([10.2, 12.0], [5.0, 8.0])
    at, values = broken(np.array([0.0, DAY_S, 4.0 * DAY_S]), np.array([1.0, 2.0, 3.0]))
    assert at.tolist() == [0.0, DAY_S, 2.0 * DAY_S, 4.0 * DAY_S]
    assert np.isnan(values).tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("at_s", "zone", "named"),
    [
        pytest.param(T0, "Europe/Paris", "2024-03-03", id="from midnight"),
        pytest.param(
            1_293_840_000, "America/Chicago", "2011-01-01", id="from 18:00 of the evening before, which is midnight of UTC"
        ),
        pytest.param(1_293_840_000, "Asia/Seoul", "2011-01-01", id="from 9:00"),
    ],
)
def test_a_day_is_named_by_its_noon(at_s: int, zone: str, named: str) -> None:
    assert str(date_of(at_s, zone)) == named

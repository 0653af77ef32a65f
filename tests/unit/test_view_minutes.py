"""Minutes on a grid: gaps, coverage, and the change from one look to the next."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.view import clock, minutes
from web.view.minutes import Change, MinuteRows, Minutes

UTC = clock.Zone("UTC", 0)
T = 1_800_000_000


def rows(*cells: tuple[int, int, int, float]) -> MinuteRows:
    """Each: minute number from T, probe, seconds, mean W."""
    minute, probe, seconds, mean = (np.array(c) for c in zip(*cells, strict=True))
    mean = mean * 1000.0
    return MinuteRows(T + 60 * minute, probe, seconds, mean, mean - 1e5, mean + 1e5)


def grid(found: MinuteRows, n: int = 5, now_s: float = T + 300) -> Minutes:
    return minutes.grid(found, T, T + 60 * n, now_s, UTC)


def test_values_stand_in_the_middle_of_their_minute() -> None:
    shown = grid(rows((0, 1, 60, 1500)))
    assert shown.columns["t"][0] == (T + 30) * 1000
    assert shown.columns["mean_A"][0] == 1.5
    assert (shown.columns["min_A"][0], shown.columns["max_A"][0]) == (1.4, 1.6)


def test_a_minute_without_a_row_has_no_value() -> None:
    shown = grid(rows((0, 1, 60, 1), (2, 1, 60, 1)))
    assert math.isnan(shown.columns["mean_A"][1])
    assert minutes.gaps(shown) == [(T + 60, T + 120), (T + 180, T + 300)]


def test_a_minute_alone_gets_a_dot() -> None:
    shown = grid(rows((0, 1, 60, 1), (2, 1, 60, 1), (3, 1, 60, 1)))
    assert shown.columns["dot"].tolist() == [5, 0, 0, 0, 0]


def test_coverage_counts_the_phases_the_sensor_has() -> None:
    shown = grid(rows((0, 1, 60, 1), (0, 2, 30, 1), (1, 1, 60, 1), (1, 2, 60, 1)), n=2)
    assert shown.columns["coverage"].tolist() == [75, 100]
    assert shown.measured_pct == 87.5


def test_the_running_minute_is_judged_by_what_has_passed() -> None:
    shown = grid(rows((0, 1, 60, 1), (1, 1, 15, 1)), n=2, now_s=T + 75)
    assert shown.columns["coverage"].tolist() == [100, 100]


@pytest.mark.parametrize(
    ("newest_s", "end_s"),
    [
        pytest.param(T, T + 60, id="up to the running minute"),
        pytest.param(None, T + 60, id="nothing known"),
        pytest.param(T - 7300, T - 7260, id="silent for longer: up to the last data"),
    ],
)
def test_window(newest_s: int | None, end_s: int) -> None:
    start, end = minutes.window(newest_s, T + 12, 1)
    assert end - start == 3600
    assert end == end_s // 60 * 60


def after(shown: Minutes, change: Change) -> dict[str, np.ndarray]:
    """What a page holds when it applies the change as Bokeh does."""
    if change.whole is not None:
        return dict(change.whole)
    held = {name: column.copy() for name, column in shown.columns.items()}
    for name, patches in change.patches.items():
        for at, value in patches:
            held[name][at] = value
    n = len(held["t"])
    if change.added:
        held = {name: np.concatenate([column, change.added[name]])[-n:] for name, column in held.items()}
    return held


minute_cells = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 3), st.integers(1, 60), st.floats(-5000, 5000)), min_size=1, max_size=20
)


@given(minute_cells, minute_cells, st.integers(0, 4))
def test_a_page_that_applies_the_change_shows_what_a_new_page_shows(
    before: list[tuple[int, int, int, float]], later: list[tuple[int, int, int, float]], shift: int
) -> None:
    old = minutes.grid(rows(*before), T, T + 300, T + 300, UTC)
    new = minutes.grid(rows(*before, *later), T + 60 * shift, T + 300 + 60 * shift, T + 300 + 60 * shift, UTC)
    held = after(old, minutes.change(old, new))
    for name in minutes.COLUMNS:
        np.testing.assert_array_equal(held[name], new.columns[name], err_msg=name)


def test_nothing_new_is_no_change() -> None:
    shown = grid(rows((0, 1, 60, 1)))
    assert not minutes.change(shown, grid(rows((0, 1, 60, 1))))


def test_merge_replaces_only_what_was_read_again() -> None:
    old, new = rows((0, 1, 60, 1), (3, 1, 10, 1)), rows((3, 1, 20, 1), (4, 1, 5, 1))
    merged = minutes.merge(old, new, T, T + 180)
    assert merged.seconds.tolist() == [60, 20, 5]

"""A flood of dead letters is told from some: by how many, and by their share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.flood import WINDOW, Flood
from streams.core.window import Position


def run(parts: list[tuple[int, int]], most: int = 1000) -> bool:
    """Whether any of these (messages, dead ones) stops."""
    flood = Flood()
    for seen, dead in parts:
        flood = flood.after(seen, dead)
        if flood.over(most):
            return True
    return False


@pytest.mark.parametrize(
    ("parts", "stops"),
    [
        pytest.param([(5000, 5000)], True, id="a writer of another format"),
        pytest.param([(1000, 1000)], False, id="a thousand may be a broken device"),
        pytest.param([(1001, 1001)], True, id="one more may not"),
        pytest.param([(1, 1)] * 1001, True, id="one by one"),
        pytest.param([(5000, 2400)] * 50, False, id="many, but less than half"),
        pytest.param([(5000, 2600)] * 50, True, id="more than half"),
        pytest.param([(5000, 0)] * 1000 + [(5000, 5000)] * 3, True, id="after a long good time"),
        pytest.param([(5000, 0)] * 1000 + [(900, 900)], False, id="a short burst after a long good time"),
    ],
)
def test_what_is_a_flood(parts: list[tuple[int, int]], stops: bool) -> None:
    assert run(parts) is stops


def test_without_a_limit_nothing_stops() -> None:
    assert not run([(5000, 5000)] * 20, most=0)


@given(st.lists(st.integers(1, 5000), min_size=10, max_size=40), st.integers(1, WINDOW - 1))
def test_only_dead_letters_always_stop_before_two_windows_are_over(sizes: list[int], most: int) -> None:
    parts = [(size, size) for size in sizes]
    if sum(sizes) >= 2 * WINDOW:
        assert run(parts, most)


def test_the_counts_travel_with_the_commit() -> None:
    position = Position(7, 1_000, 9, Flood(300, 20))
    assert Position.parse(7, position.metadata) == position
    assert Position.parse(7, "1000,9") == Position(7, 1_000, 9)

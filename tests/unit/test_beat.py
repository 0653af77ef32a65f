"""When the sink begins its rounds."""

import pytest

from sinks.beat import Beat


def after_rounds(beat: Beat, took_s: float, rounds: int = 50) -> float:
    """From the beginning of the last of these rounds to the next."""
    for _ in range(rounds):
        beat.after(1000.0, took_s, idle=False)
    return beat.next_s - 1000.0


def test_the_first_round_begins_at_once() -> None:
    assert Beat(0.25).next_s <= 0


@pytest.mark.parametrize("took_s", [0.0, 0.02, 0.1])
def test_what_comes_after_a_round_has_begun_is_stored_an_interval_later(took_s: float) -> None:
    assert after_rounds(Beat(0.25), took_s) + took_s == pytest.approx(0.25, abs=1e-5)


def test_rounds_that_take_long_leave_half_of_the_interval() -> None:
    assert after_rounds(Beat(0.25), 3.0) == 0.125


def test_one_long_round_does_not_decide() -> None:
    beat = Beat(0.25)
    after_rounds(beat, 0.02)
    assert after_rounds(beat, 0.12, 1) == pytest.approx(0.21, abs=1e-5)


def test_idle_rounds_come_at_the_interval_and_teach_nothing() -> None:
    beat = Beat(0.25)
    after_rounds(beat, 0.02)
    for k in range(50):
        beat.after(1000.0 + k, 0.0001, idle=True)
    assert beat.next_s - 1049.0 == pytest.approx(0.23, abs=1e-5)

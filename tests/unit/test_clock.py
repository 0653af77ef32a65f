"""The sensor's clock: four timestamps, the best of four exchanges, step or slew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.simulate.clock import SLEW_MS_PER_S, STEP_OVER_MS, Clock, Exchange, best

NOW_MS = 1_772_442_000_000


def exchange(error_ms: int, there_ms: int, back_ms: int, server_ms: int = 3) -> Exchange:
    """What a clock with this error sees."""
    t1 = NOW_MS + there_ms
    t2 = t1 + server_ms
    return Exchange(NOW_MS + error_ms, t1, t2, t2 + back_ms + error_ms)


@given(st.integers(-(10**12), 10**12), st.integers(0, 5000), st.integers(0, 5000))
def test_the_offset_is_good_to_half_the_delay(error_ms: int, there_ms: int, back_ms: int) -> None:
    one = exchange(error_ms, there_ms, back_ms)
    assert one.delay_ms == there_ms + back_ms
    assert abs(one.offset_ms + error_ms) <= one.delay_ms / 2


def test_the_smallest_delay_counts() -> None:
    found = [exchange(700, 900, 10), exchange(700, 20, 22), exchange(700, 10, 800), exchange(700, 50, 50)]
    assert best(found) is found[1]
    assert best(found).offset_ms == -701


@pytest.mark.parametrize(
    ("times", "sane"),
    [
        pytest.param(Exchange(10, 20, 21, 40), True, id="as it should be"),
        pytest.param(Exchange(10, 10, 11, 10), True, id="whole milliseconds hide that it took half a one"),
        pytest.param(Exchange(10, 20, 19, 40), False, id="the server's clock went back"),
        pytest.param(Exchange(40, 20, 21, 10), False, id="the sensor's clock went back"),
        pytest.param(Exchange(10, 20, 90, 40), False, id="the server was at it for longer than it took"),
    ],
)
def test_an_exchange_that_cannot_be_is_seen(times: Exchange, sane: bool) -> None:
    assert times.sane == sane


@pytest.mark.parametrize("offset_ms", [501, -501, 86_400_000, -NOW_MS])
def test_a_large_error_is_stepped(offset_ms: int) -> None:
    clock = Clock()
    before_ms = clock.read_ms(100)
    clock.correct(offset_ms)
    assert clock.read_ms(100) - before_ms == offset_ms
    assert (clock.steps, clock.slews) == (1, 0)


@given(st.floats(-STEP_OVER_MS, STEP_OVER_MS), st.lists(st.floats(0.01, 100), min_size=1, max_size=50))
def test_a_small_error_is_slewed_and_the_clock_never_goes_back(offset_ms: float, pauses_s: list[float]) -> None:
    clock, at_s = Clock(), 1000.0
    last_ms = clock.read_ms(at_s)
    clock.correct(offset_ms)
    for pause_s in pauses_s:
        at_s += pause_s
        now_ms = clock.read_ms(at_s)
        assert abs((now_ms - last_ms) - pause_s * 1000) <= pause_s * SLEW_MS_PER_S + 1e-6
        assert now_ms > last_ms
        last_ms = now_ms
    end_ms = clock.read_ms(at_s + 2000)
    assert end_ms == pytest.approx((at_s + 2000) * 1000 + offset_ms, abs=1e-3)

"""Which stretches are made anew for the quarters that were touched."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.rollup import DAY_S, spans

Q = 900


@given(st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, 300).map(lambda k: k * Q))))
def test_stretches_hold_what_was_touched_and_the_quarter_after_and_nothing_else(touched: set[tuple[str, int]]) -> None:
    made = [(sensor, at) for first, end, sensors in spans(touched) for sensor in sensors for at in range(first, end, Q)]
    assert len(made) == len(set(made))
    assert set(made) == touched | {(sensor, at + Q) for sensor, at in touched}
    assert all(end - first <= DAY_S for first, end, _ in spans(touched))


def test_sensors_with_the_same_stretch_are_done_together() -> None:
    touched = {(f"s{n:04}", at) for n in range(1200) for at in (0, Q)}
    assert [(first, end, len(sensors)) for first, end, sensors in spans(touched)] == [
        (0, 3 * Q, 500),
        (0, 3 * Q, 500),
        (0, 3 * Q, 200),
    ]

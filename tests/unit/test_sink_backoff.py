"""The pause of the sink's members after failures."""

from sinks.backoff import Backoff


def test_each_failure_in_a_row_waits_twice_as_long_up_to_a_bound() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.failed() for _ in range(4)] == [0.5, 1.0, 2.0, 3.0]
    backoff.worked()
    assert backoff.failed() == 0.5

"""What the System page makes of the parts' figures."""

import pytest

from web.view.metrics import figures, lags, rates

EARLY = """
powermon_worker_readings_total 100.0
powermon_sink_delay_seconds_count{topic="sensor.readings"} 10.0
powermon_sink_delay_seconds_sum{topic="sensor.readings"} 3.0
"""
LATE = """
powermon_worker_readings_total 160.0
powermon_worker_lag{topic="sensor.readings",partition="0"} 5.0
powermon_worker_lag{topic="sensor.readings",partition="1"} 2.0
powermon_worker_lag_seconds{topic="sensor.readings",partition="0"} 0.2
powermon_worker_lag_seconds{topic="sensor.readings",partition="1"} 1.5
powermon_sink_lag{topic="sensor.readings",partition="0"} 4.0
powermon_sink_lag{topic="power.minutes",partition="0"} 1.0
powermon_sink_delay_seconds_count{topic="sensor.readings"} 14.0
powermon_sink_delay_seconds_sum{topic="sensor.readings"} 5.0
python_info 1.0
"""


def test_rates_are_of_the_time_between() -> None:
    found = rates([figures(EARLY, 10)], [figures(LATE, 20)])
    assert found["powermon_worker_readings_total"] == 6
    assert found["powermon_gateway_accepted_total"] is None
    assert rates([figures(LATE, 10)], [figures(EARLY, 20)])["powermon_worker_readings_total"] == 0  # it was started again


def test_lag_is_summed_over_partitions_and_its_age_is_the_worst() -> None:
    found = lags([figures(EARLY, 10)], [figures(LATE, 20)])
    assert found == {"worker sensor.readings": (7, 1.5), "sink sensor.readings": (4, 0.5), "sink power.minutes": (1, None)}


def test_what_is_no_such_text_is_refused() -> None:
    with pytest.raises(ValueError):
        figures("<html>", 0)

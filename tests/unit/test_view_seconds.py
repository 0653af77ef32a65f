"""Seconds to plot columns: gaps, odd sampling, windows, numbers."""

import math

import numpy as np
import pytest

from web.view import clock, live, seconds
from web.view.seconds import Probe

UTC = clock.Zone("UTC", 0)
T = 1_800_000_000


def probe(power_w: float = 1000, n: int = 20, voltage_mv: list[float] | None = None) -> Probe:
    return Probe(np.full(n, power_w * 1000), np.full(n, 90.0), np.array(voltage_mv or [220_000.0] * n))


def three(power_w: float = 1000) -> dict[int, Probe]:
    return {k: probe(power_w) for k in (1, 2, 3)}


def test_a_second_is_twenty_points_a_twentieth_apart() -> None:
    points = seconds.columns({T: three()}, T, T + 1, UTC)
    assert len(points["t"]) == 20
    assert points["t"][0] == T * 1000
    assert points["t"][1] - points["t"][0] == 50
    assert set(points["power_A"]) == {1.0}
    assert set(points["voltage_B"]) == {220.0}
    assert set(points["pf_C"]) == {90.0}


def test_every_column_is_as_long_as_the_time() -> None:
    held = {T: three(), T + 3: {2: probe(n=19)}, T + 4: {1: probe(n=18), 3: probe(n=22)}}
    points = seconds.columns(held, T - 2, T + 6, UTC)
    assert {len(column) for column in points.values()} == {len(points["t"])}
    assert points["t"] == sorted(points["t"])


def test_a_missing_second_breaks_the_line() -> None:
    points = seconds.columns({T: three(), T + 3: three()}, T, T + 4, UTC)
    assert len(points["t"]) == 20 + 1 + 20
    assert points["t"][20] == (T + 1) * 1000
    assert all(math.isnan(points[name][20]) for name in seconds.COLUMNS[1:])


def test_an_absent_phase_is_no_value_not_zero() -> None:
    points = seconds.columns({T: {1: probe(), 3: probe()}}, T, T + 1, UTC)
    assert all(math.isnan(v) for v in points["power_B"] + points["voltage_B"] + points["pf_B"])
    assert not any(math.isnan(v) for v in points["power_A"])


def test_phases_that_sample_differently_share_the_densest_grid() -> None:
    few = Probe(np.arange(18) * 1e6, np.zeros(18), np.zeros(18))
    points = seconds.columns({T: {1: few, 2: probe(n=22)}}, T, T + 1, UTC)
    assert len(points["t"]) == 22
    assert points["power_A"] == [float(k * 18 // 22) for k in range(22)]


def test_one_voltage_for_the_second_holds_for_all_of_it() -> None:
    points = seconds.columns({T: {1: probe(voltage_mv=[221_500.0])}}, T, T + 1, UTC)
    assert points["voltage_A"] == [221.5] * 20


def test_missing_seconds_are_spans() -> None:
    held = {s: three() for s in (T, T + 1, T + 5)}
    assert seconds.gaps(held, T - 1, T + 8) == [(T - 1, T), (T + 2, T + 5), (T + 6, T + 8)]
    assert seconds.gaps(held, T, T + 2) == []


@pytest.mark.parametrize(
    ("newest_s", "now_s", "end_s"),
    [
        pytest.param(T, T + 2.3, T + 1, id="live: ends with the newest second"),
        pytest.param(T + 20, T + 2.3, T + 21, id="a clock ahead is followed"),
        pytest.param(T, T + 30.5, T + 30, id="silent: the hole grows at the end"),
        pytest.param(T, T + 5000, T + 1, id="long silent: the last minute received"),
        pytest.param(None, T + 0.5, T, id="never heard: the minute up to now"),
    ],
)
def test_window(newest_s: int | None, now_s: float, end_s: int) -> None:
    assert seconds.window(newest_s, now_s) == (end_s - 60, end_s)


def test_numbers_are_means_of_the_newest_second_and_phases_sum_with_sign() -> None:
    now = seconds.now({1: probe(1000), 2: probe(-3000)})
    assert now.power_mw[:2] == (1e6, -3e6)
    assert math.isnan(now.power_mw[2])
    assert now.total_mw == -2e6
    assert math.isnan(seconds.now(None).total_mw)


@pytest.mark.parametrize(
    ("newest_s", "sentence", "word"),
    [
        pytest.param(None, "nothing received yet", "never", id="never"),
        pytest.param(T, "live", "live", id="live"),
        pytest.param(T - 38, "no data for 40 s", "silent", id="seconds"),
        pytest.param(T - 300, "no data for 5 min 2 s", "silent", id="minutes"),
        pytest.param(T - 86400, "silent since 2027-01-14 08:00:01", "silent", id="a day"),
    ],
)
def test_state(newest_s: int | None, sentence: str, word: str) -> None:
    assert live.state(newest_s, T + 3.0, UTC) == {"state": word, "sentence": sentence}


def test_a_silent_sensor_has_no_power_now() -> None:
    held = {T: three()}
    axes = seconds.ranges(seconds.columns(held, T, T + 1, UTC), {})
    assert live.now("gre000001", held, T, T + 2.0, UTC, axes)["numbers"]["total"] == ("3.00", "kW")
    assert live.now("gre000001", held, T, T + 20.0, UTC, axes)["numbers"]["total"] == ("–", "W")


def test_what_is_said_is_json_without_nan() -> None:
    import json

    said = json.dumps(live.now("gre000001", {}, None, T + 0.5, UTC, {}), allow_nan=False)
    assert json.loads(said)["gaps"] == [[(T - 60) * 1000, T * 1000]]


@pytest.mark.parametrize(
    ("total_mw", "contract_w", "state", "text"),
    [
        pytest.param(1_000_000.0, 4_000.0, "fine", "25\u202f% of the contracted 4.00 kW", id="far from it"),
        pytest.param(3_700_000.0, 4_000.0, "near", "92\u202f% of the contracted 4.00 kW", id="near"),
        pytest.param(5_000_000.0, 4_000.0, "over", "125\u202f% of the contracted 4.00 kW", id="above"),
        pytest.param(-1_000_000.0, 4_000.0, "fine", "0\u202f% of the contracted 4.00 kW", id="export takes nothing of it"),
    ],
)
def test_how_near_the_contract_is(total_mw: float, contract_w: float, state: str, text: str) -> None:
    said = live.contract(total_mw, contract_w)
    assert said is not None
    assert (said["state"], said["text"]) == (state, text)
    assert 0 <= said["width"] <= 100


def test_without_a_contract_or_a_power_nothing_is_said_of_it() -> None:
    assert live.contract(1e6, 0.0) is None
    assert live.contract(float("nan"), 4000.0) is None

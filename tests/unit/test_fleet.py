"""The simulated fleet: the same at every time and in any company, and within what real sensors send."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway import body
from producers.gateway.verdict import Admission, Post
from producers.simulate import events
from producers.simulate.fleet import MOST_SAMPLES, Fleet, bodies, fleet, second, seconds, truth
from producers.simulate.noise import chance, hashed, uniform

MONDAY_S = 1_772_377_200  # 2026-03-02 00:00 in Korea
DAY_S = 86_400
FLEET = fleet(7, 60)


def quiet_day(made: Fleet, step_s: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Every sensor through a week, seconds without planted events: (index, timestamp)."""
    at_s = np.arange(MONDAY_S, MONDAY_S + 7 * DAY_S, step_s)
    index, timestamp = np.repeat(np.arange(len(made.sensor_ids)), len(at_s)), np.tile(at_s, len(made.sensor_ids))
    quiet = events.at(made.seed, index, timestamp, made.event_chance).kind == events.NONE
    return index[quiet], timestamp[quiet]


@given(st.integers(-(2**70), 2**70), st.integers(0, 59), st.integers(1_577_836_800, 4_000_000_000))
def test_a_second_is_the_same_alone_and_in_company(seed: int, index: int, at_s: int) -> None:
    made = fleet(seed, 60)
    together = bodies(made, np.array([3, index, index]), np.array([at_s, at_s, at_s + 1]))
    assert second(made, index, at_s) == together[1]
    assert second(fleet(seed, 1000), index, at_s) == together[1]


@given(st.integers(-(2**70), 2**70), st.lists(st.integers(0, 2**40), min_size=1, max_size=4))
def test_one_number_is_drawn_as_an_array_of_them(seed: int, parts: list[int]) -> None:
    assert chance(seed, *parts) == uniform(hashed(seed, *parts))[0]


def test_seeds_differ() -> None:
    assert second(fleet(1, 1), 0, MONDAY_S) != second(fleet(2, 1), 0, MONDAY_S)


def test_seconds_differ_and_sensors_differ() -> None:
    here = [second(FLEET, 0, MONDAY_S), second(FLEET, 0, MONDAY_S + 1), second(FLEET, 1, MONDAY_S)]
    powers = [one["data"][0]["power"] for one in here if one is not None]
    assert len({tuple(p) for p in powers}) == 3


def test_the_gateway_accepts_every_second() -> None:
    index, at_s = np.repeat(np.arange(60), 40), np.tile(np.arange(MONDAY_S, MONDAY_S + 40 * 1801, 1801), 60)
    counts = set()
    for one in bodies(FLEET, index, at_s):
        if one is None:
            continue
        raw = msgspec.json.encode(one | {"token": "t"})
        verdict = body.judge(raw, lambda *_: Admission(1, refresh=False), None, (MONDAY_S + 30 * DAY_S) * 1000)
        assert isinstance(verdict, Post), verdict
        assert verdict.reading.missing == []
        counts.add(len(one["data"][0]["power"]))
    assert counts == {19, 20, 21}


def test_a_quiet_week_keeps_within_the_limits() -> None:
    index, at_s = quiet_day(FLEET)
    made, nominal_mv = seconds(FLEET, index, at_s), FLEET.nominal_v * 1000
    shown = np.arange(MOST_SAMPLES)[None, None, :] < made.samples[:, None, None]
    volts = made.voltage_mv[np.broadcast_to(shown, made.voltage_mv.shape)] / nominal_mv
    assert 0.94 < volts.min() < 0.98
    assert 1.0 < volts.max() < 1.06
    power_w = made.power_mw[:, :, :19].mean(axis=2) / 1000
    total_w = power_w.sum(axis=1)
    assert (total_w < FLEET.sites.contract_w[index]).all()
    no_panels = FLEET.sites.solar_w[index] == 0
    assert (power_w[no_panels] > 0).all()
    assert (total_w[~no_panels] < 0).any(), "panels export at noon"
    assert np.percentile(np.abs(made.pf_pct[no_panels][:, :, :19]).mean(axis=2), 1) > 90
    mean_w = power_w[no_panels].mean(axis=1, keepdims=True)
    assert (np.abs(power_w[no_panels] - mean_w) / mean_w).max() < 0.3


def test_a_site_lives_by_day() -> None:
    offices = np.flatnonzero(FLEET.sites.style == 1)
    night, noon, sunday = (MONDAY_S + h * 3600 + np.arange(0, 1800, 60) for h in (3, 10, 6 * 24 + 10))

    def used_w(at_s: np.ndarray) -> float:
        made = seconds(FLEET, np.repeat(offices, len(at_s)), np.tile(at_s, len(offices)))
        return float(made.power_mw[:, :, :19].mean()) / 1000

    assert used_w(noon) > 3 * used_w(night)
    assert used_w(noon) > 2 * used_w(sunday)


def test_the_first_three_sensors_show_every_form() -> None:
    forms = []
    for index in range(3):
        one = second(FLEET, index, MONDAY_S)
        assert one is not None
        forms.append([(p["probe_type"], isinstance(p["voltage"], list)) for p in one["data"]])
    assert forms == [
        [("CT", True)] * 3,
        [("rogow_coil", False)] * 3,
        [("CT", True), ("rogow_coil", True), ("CT", False)],
    ]
    assert FLEET.sites.solar_w[2] > 0


def test_voltage_as_one_number_is_the_root_of_the_mean_square() -> None:
    made = seconds(FLEET, np.array([1]), np.array([MONDAY_S]))
    volts = made.voltage_mv[0, 0, : made.samples[0]].astype(float)
    assert made.voltage_rms_mv[0, 0] == round(float(np.sqrt((volts**2).mean())))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_small_fleets_are_the_beginning_of_big_ones(count: int) -> None:
    assert fleet(5, count).sensor_ids == fleet(5, 9).sensor_ids[:count]
    assert second(fleet(5, count), count - 1, MONDAY_S) == second(fleet(5, 9), count - 1, MONDAY_S)


@pytest.mark.parametrize(("prefix", "count"), [("", 1), ("gre1", 1), ("gré", 1), ("a" * 59, 1), ("gre", 0), ("gre", 1_000_000)])
def test_ids_that_no_sensor_may_have_are_refused(prefix: str, count: int) -> None:
    with pytest.raises(ValueError, match=r"six digits"):
        fleet(1, count, prefix=prefix)


# ---- planted events

ALL = [event for index in range(60) for event in truth(FLEET, index, MONDAY_S, MONDAY_S + 2 * DAY_S)]


def of_kind(name: str) -> list[events.Event]:
    return [event for event in ALL if event.kind == name][:12]


def test_every_kind_is_planted() -> None:
    assert {event.kind for event in ALL} == {events.KINDS[k].name for k in events.COMMON}


def test_truth_does_not_depend_on_where_one_looks_from() -> None:
    whole = truth(FLEET, 4, MONDAY_S, MONDAY_S + DAY_S)
    for event in whole:
        assert truth(FLEET, 4, event.start_ms // 1000, event.start_ms // 1000 + 1) == [event]


@pytest.mark.parametrize("name", ["sag", "swell"])
def test_a_dip_or_swell_is_seen_in_its_samples_and_nowhere_else(name: str) -> None:
    for event in of_kind(name):
        at_s = np.arange(event.start_ms // 1000 - 2, event.end_ms // 1000 + 3)
        made = seconds(FLEET, np.full(len(at_s), event.index), at_s)
        share = made.voltage_mv[:, event.phase - 1] / (FLEET.nominal_v * 1000)
        sample_ms = at_s[:, None] * 1000 + np.arange(MOST_SAMPLES) * 1000 // made.samples[:, None]
        inside = (event.start_ms <= sample_ms) & (sample_ms < event.end_ms)
        shown = np.arange(MOST_SAMPLES) < made.samples[:, None]
        assert (np.abs(share[inside & shown] - event.size) < 0.05).all()
        assert (np.abs(share[~inside & shown] - 1) < 0.08).all()


def test_an_overload_is_above_the_contract() -> None:
    for event in of_kind("overload"):
        at_s = np.arange(event.start_ms // 1000, event.end_ms // 1000)
        made = seconds(FLEET, np.full(len(at_s), event.index), at_s)
        total_w = made.power_mw[:, :, :19].mean(axis=2).sum(axis=1) / 1000
        assert (total_w > 1.05 * FLEET.sites.contract_w[event.index]).all()


def test_low_power_factor_and_imbalance_last_five_minutes() -> None:
    for event in of_kind("low_pf") + of_kind("imbalance"):
        assert event.end_ms - event.start_ms >= 300_000
        at_s = np.arange(event.start_ms // 1000, event.end_ms // 1000, 7)
        made = seconds(FLEET, np.full(len(at_s), event.index), at_s)
        power_w = made.power_mw[:, :, :19].mean(axis=2) / 1000
        assert (power_w.sum(axis=1) > 0.05 * FLEET.sites.contract_w[event.index]).all()
        if event.kind == "low_pf":
            assert (np.abs(made.pf_pct[:, :, :19]) < 90).all()
        else:
            mean_w = power_w.mean(axis=1)
            assert ((power_w[:, event.phase - 1] - mean_w) / mean_w > 0.35).all()


def test_silence_is_silent_for_just_its_seconds() -> None:
    for event in of_kind("silence"):
        at_s = np.arange(event.start_ms // 1000 - 1, event.end_ms // 1000 + 1)
        made = bodies(FLEET, np.full(len(at_s), event.index), at_s)
        assert [one is None for one in made] == [False, *[True] * (len(at_s) - 2), False]


def test_a_stuck_sensor_repeats_itself() -> None:
    for event in of_kind("stuck"):
        at_s = np.arange(event.start_ms // 1000, event.end_ms // 1000 + 1)
        made = [one["data"] for one in bodies(FLEET, np.full(len(at_s), event.index), at_s) if one is not None]
        assert all(one == made[0] for one in made[:-1])
        assert made[-1] != made[0]


def test_events_planted_by_hand_come_before_those_drawn() -> None:
    made = replace(fleet(7, 4, event_chance=0.0), more=events.shown(MONDAY_S, 4))
    assert [one.kind for at in range(4) for one in truth(made, at, MONDAY_S, MONDAY_S + 200)] == [
        "sag",
        "swell",
        "stuck",
        "silence",
    ]
    dip = seconds(made, np.array([0, 0]), np.array([MONDAY_S + 45, MONDAY_S + 44])).voltage_mv
    assert (dip[0, 1, 7:15] < 0.66 * 220_000).all()
    assert (dip[1] > 0.9 * 220_000).all()
    assert seconds(made, np.array([3, 2]), np.array([MONDAY_S + 90, MONDAY_S + 90])).silent.tolist() == [True, False]
    one, other = bodies(made, np.array([2, 2]), np.array([MONDAY_S + 85, MONDAY_S + 95]))
    assert one is not None
    assert other is not None
    assert one["data"] == other["data"]

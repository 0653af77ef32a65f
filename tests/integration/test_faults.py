"""kill -9 of every process, again and again, under sensors that behave as firmware must: nothing lost, twice or invented."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from infra.settings import Settings
from schemas import topics, wire
from schemas.registry import Registry
from schemas.units import UNITS
from sinks.clickhouse import ClickHouse
from tests import truth
from tests.load import Load, Second, Window
from tests.stack import Stack, read_all

SEED = 20_261_121
VICTIMS = ("gateway", "worker-1", "worker-2", "store", "registry", "kafka")
KILLS = 3
"""Of each victim."""

LOAD_S = 80
SENSORS = 40


@dataclass(frozen=True)
class Outcome:
    """What is left after the faults: what the sensors know, what is in the log, what is in ClickHouse."""

    safe: set[Second]
    window: Window
    log: list[truth.Logged]
    upserts: list[Any]
    letters: list[Any]
    raw: list[dict[str, Any]]
    minutes: list[dict[str, Any]]
    killed: dict[str, int]
    restarts: dict[str, int]
    retried: int
    registry: Registry


@pytest.fixture(scope="module")
def outcome(make_settings: Callable[..., Settings], java_parts: None, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A load through every fault, and what came of it."""
    # A short lateness: what a sensor has to keep while the gateway is away goes through the rebuilder.
    settings = make_settings(workers=2, lateness_s=5, rebuild_interval_s=1)
    folder = tmp_path_factory.mktemp("faults")
    stack = Stack(settings, folder)
    load = Load(settings, folder / "truth.ndjson", sensors=SENSORS, seed=SEED, for_s=LOAD_S, backfill_s=300)
    try:
        killed = kill_all(stack, load)
        simulation = load.wait()
        assert simulation.trouble() is None
        restarts = {name: stack.restarts(name) for name in VICTIMS}
        stack.wait_settled()
        registry = Registry(settings.registry, settings.schema_cache)
        log = truth.logged(read_all(settings, topics.READINGS), registry)
        upserts, letters = read_all(settings, topics.MINUTES), read_all(settings, topics.DEAD_LETTERS)
    finally:
        load.end()
        stack.stop()
    store = ClickHouse(settings)
    try:
        raw = store.arrow(
            "SELECT sensor_id, timestamp, probe, log_partition, log_offset, power, pf, voltage FROM readings"
        ).to_pylist()
        rows = store.arrow(f"SELECT {MINUTE_COLUMNS} FROM minutes_raw FINAL").to_pylist()
    finally:
        store.close()
    return Outcome(load.safe(), load.window, log, upserts, letters, raw, rows, killed, restarts, simulation.retried, registry)


MINUTE_COLUMNS = (
    "sensor_id, toUnixTimestamp(minute) AS minute_s, probe, version, seconds_mask, samples, energy_units, pf_units, "
    "voltage_units, power_min_mw, power_max_mw, voltage_min_mv, voltage_max_mv"
)


def kill_all(stack: Stack, load: Load) -> dict[str, int]:
    """Kill each victim KILLS times, in a random order, spread over the load."""
    chance = random.Random(SEED)
    order = [name for name in VICTIMS for _ in range(KILLS)]
    chance.shuffle(order)
    pause_s = (LOAD_S - 10) / len(order)
    for name in order:
        load.thread.join(pause_s * chance.uniform(0.5, 1.5))  # a moment of the load
        assert load.thread.is_alive(), "the load ended before the faults"
        stack.kill(name)
    return {name: order.count(name) for name in VICTIMS}


def test_every_process_was_killed_and_came_back(outcome: Outcome) -> None:
    assert outcome.killed == dict.fromkeys(VICTIMS, KILLS)
    assert all(count >= KILLS for count in outcome.restarts.values()), outcome.restarts
    assert outcome.retried > SENSORS  # the sensors did notice


def test_no_acknowledged_second_is_lost(outcome: Outcome) -> None:
    assert len(outcome.safe) > SENSORS * LOAD_S
    in_log = {(one.reading.sensor_id, one.reading.timestamp_s) for one in outcome.log}
    assert outcome.safe - in_log == set()


def test_nothing_is_in_the_log_that_was_not_sent(outcome: Outcome) -> None:
    in_log = [(one.reading.sensor_id, one.reading.timestamp_s) for one in outcome.log]
    assert set(in_log) - outcome.window.measured() == set()
    assert [one.reading.probes for one in outcome.log] == outcome.window.contents(in_log)


def test_raw_holds_each_second_once_with_its_samples(outcome: Outcome) -> None:
    raw = {
        (r["sensor_id"], r["timestamp"], r["probe"]): (r["log_partition"], r["log_offset"], r["power"], r["pf"], r["voltage"])
        for r in outcome.raw
    }
    assert len(raw) == len(outcome.raw)
    expected = {
        key: (partition, offset, p.power_mw, p.pf_pct, p.voltage_mv)
        for key, (partition, offset, p) in truth.first_copies(outcome.log).items()
    }
    assert raw == expected


def test_every_minute_is_exact(outcome: Outcome) -> None:
    found = {
        (r["sensor_id"], r["minute_s"], r["probe"]): (
            r["seconds_mask"],
            r["samples"],
            *(Fraction(r[name], UNITS) for name in ("energy_units", "pf_units", "voltage_units")),
            r["power_min_mw"],
            r["power_max_mw"],
            r["voltage_min_mv"],
            r["voltage_max_mv"],
            r["version"],
        )
        for r in outcome.minutes
    }
    assert len(found) == len(outcome.minutes)
    assert found == truth.minutes(outcome.log)


def test_no_version_of_a_minute_has_two_contents(outcome: Outcome) -> None:
    contents: dict[tuple[str, int, int], bytes] = {}
    assert len(outcome.upserts) > len(outcome.minutes) / 3  # a minute is published as it grows, and by whoever took over
    for message in outcome.upserts:
        record = wire.decode(topics.MINUTES, message.value(), outcome.registry.schema_of)
        key = record["sensor_id"], record["minute_s"], record["version"]
        assert contents.setdefault(key, message.value()) == message.value(), key


def test_nothing_was_given_up(outcome: Outcome) -> None:
    assert outcome.letters == []

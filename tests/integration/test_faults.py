"""kill -9 of every process, again and again, under sensors that behave as firmware must: nothing lost, twice or invented."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from tests import truth
from tests.load import Load
from tests.stack import Stack, read_all

SEED = 20_261_121
VICTIMS = ("gateway", "worker-1", "worker-2", "store", "registry", "kafka")
KILLS = 3
"""Of each victim."""

LOAD_S = 60
SENSORS = 40


@dataclass(frozen=True)
class Outcome:
    """What is left after the faults: what the sensors know, what is in the log, what is in ClickHouse."""

    load: Load
    log: list[truth.Logged]
    upserts: list[Any]
    letters: list[Any]
    minutes: dict[truth.Key, tuple[Any, ...]]
    seconds: dict[truth.Key, tuple[Any, ...]]
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
    try:
        with Load(settings, folder / "truth.ndjson", sensors=SENSORS, seed=SEED, for_s=LOAD_S, backfill_s=300) as load:
            killed = kill_all(stack, load)
            retried = load.wait().tally.retried
        restarts = {name: stack.restarts(name) for name in VICTIMS}
        stack.wait_settled()
        registry = Registry(settings.registry, settings.schema_cache)
        log = truth.logged(read_all(settings, topics.READINGS), registry)
        upserts, letters = read_all(settings, topics.MINUTES), read_all(settings, topics.DEAD_LETTERS)
    finally:
        stack.stop()
    minutes, seconds = truth.stored(settings)
    return Outcome(load, log, upserts, letters, minutes, seconds, killed, restarts, retried, registry)


def kill_all(stack: Stack, load: Load) -> dict[str, int]:
    """Kill each victim KILLS times, in a random order, spread over the load."""
    chance = random.Random(SEED)
    order = [name for name in VICTIMS for _ in range(KILLS)]
    chance.shuffle(order)
    pause_s = (LOAD_S - 10) / len(order)
    for name in order:
        assert load.goes_on(pause_s * chance.uniform(0.5, 1.5)), "the load ended before the faults"
        stack.kill(name)
    return {name: order.count(name) for name in VICTIMS}


def test_every_process_was_killed_and_came_back(outcome: Outcome) -> None:
    assert outcome.killed == dict.fromkeys(VICTIMS, KILLS)
    assert all(count >= KILLS for count in outcome.restarts.values()), outcome.restarts
    assert outcome.retried > SENSORS  # the sensors did notice


def test_no_acknowledged_second_is_lost(outcome: Outcome) -> None:
    safe = outcome.load.safe()
    assert len(safe) > SENSORS * LOAD_S
    assert safe - {one.second for one in outcome.log} == set()


def test_nothing_is_in_the_log_that_was_not_sent(outcome: Outcome) -> None:
    in_log = [one.second for one in outcome.log]
    assert set(in_log) - outcome.load.window.measured() == set()
    assert [one.reading.probes for one in outcome.log] == outcome.load.window.contents(in_log)


def test_raw_holds_each_second_once_with_its_samples(outcome: Outcome) -> None:
    assert outcome.seconds == truth.seconds(outcome.log)


def test_every_minute_is_exact(outcome: Outcome) -> None:
    assert outcome.minutes == truth.minutes(outcome.log)


def test_no_version_of_a_minute_has_two_contents(outcome: Outcome) -> None:
    assert len(outcome.upserts) > len(outcome.minutes) / 3  # published as they grow, and again by whoever took over
    truth.one_content_per_version([m.value() for m in outcome.upserts], outcome.registry)


def test_nothing_was_given_up(outcome: Outcome) -> None:
    assert outcome.letters == []

"""When a worker is stuck, and when starting anew would not help: by a clock of the test's own."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from faust.types import TP

from infra.settings import Settings
from sinks.pulse import HANG_S, Pulse
from streams import metrics
from streams.app import make_app
from streams.core.window import Partition
from streams.watch import PARTITION_STALL_S, STALL_S, Watch

READINGS = "sensor.readings"


@dataclass
class Engine:
    """A group member that does as it is told."""

    partitions: set[TP]
    consumer_generation_id: int = 1
    rebalancing: bool = False

    @property
    def runs(self) -> "Engine":
        return self

    def assignment(self) -> set[TP]:
        return self.partitions


@dataclass
class One:
    fold: Partition


@dataclass
class Work:
    busy_since: float | None = None
    flush_since: float | None = None
    owned: dict[TP, One] = field(default_factory=dict)

    async def committed(self, _: TP) -> None:
        return None


class Bench:
    """A watch over two partitions, a broker whose ends the test sets, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tps = [TP(READINGS, 0), TP(READINGS, 1)]
        self.engine = Engine(set(self.tps))
        self.work = Work(owned={tp: One(Partition(0)) for tp in self.tps})
        self.ends = dict.fromkeys(self.tps, 0)
        self.away = False
        self.watch = Watch(self.engine, {READINGS: self.work}, "127.0.0.1:1", 30, lambda: self.now)  # type: ignore[arg-type]
        self.watch._ask = self.ask  # type: ignore[method-assign]

    def ask(self, assigned: set[TP]) -> dict[TP, int]:
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return {tp: self.ends[tp] for tp in assigned}

    async def after(self, seconds: float) -> str | None:
        self.now += seconds
        await self.watch.look()
        return self.watch.problem()

    def fold(self, partition: int, next_offset: int) -> None:
        self.work.owned[self.tps[partition]].fold.next_offset = next_offset


@pytest.fixture
def bench() -> Bench:
    return Bench()


def value(gauge: Any, partition: int) -> float:
    return float(gauge.labels(READINGS, partition)._value.get())


async def test_messages_that_nobody_folds_are_a_stall(bench: Bench) -> None:
    assert await bench.after(10_000) is None  # idle for long is fine
    bench.ends[bench.tps[0]] = 7
    assert await bench.after(1) is None
    assert await bench.after(STALL_S - 1) is None
    assert "none was folded for 61 s" in (await bench.after(2) or "")
    bench.fold(0, 7)
    assert await bench.after(1) is None


async def test_a_backlog_that_is_worked_off_is_none(bench: Bench) -> None:
    bench.ends[bench.tps[0]] = 1_000_000
    for done in range(20):
        bench.fold(0, 1000 * done)
        assert await bench.after(STALL_S - 1) is None
    assert value(metrics.LAG, 0) == 1_000_000 - 19_000
    assert value(metrics.LAG_AGE, 0) == 19 * (STALL_S - 1)


async def test_one_partition_that_stands_still_is_seen_while_others_go_on(bench: Bench) -> None:
    bench.ends = dict.fromkeys(bench.tps, 1_000_000)
    problem = None
    while problem is None:
        bench.fold(0, int(bench.now))
        problem = await bench.after(10)
    assert "partition 1" in problem
    assert bench.now <= 1000 + PARTITION_STALL_S + 30


async def test_the_age_is_that_of_what_still_waits(bench: Bench) -> None:
    bench.ends[bench.tps[0]] = 5
    await bench.after(1)
    bench.ends[bench.tps[0]] = 9
    await bench.after(10)
    assert (value(metrics.LAG, 0), value(metrics.LAG_AGE, 0)) == (9, 10)
    bench.fold(0, 6)  # all that waited at first is done: what is left came later
    await bench.after(1)
    assert (value(metrics.LAG, 0), value(metrics.LAG_AGE, 0)) == (3, 0)
    bench.fold(0, 9)
    await bench.after(1)
    assert (value(metrics.LAG, 0), value(metrics.LAG_AGE, 0)) == (0, 0)


async def test_a_partition_that_is_not_ours_any_more_has_no_lag(bench: Bench) -> None:
    bench.ends[bench.tps[1]] = 5
    await bench.after(1)
    assert value(metrics.LAG, 1) == 5
    bench.engine.partitions = {bench.tps[0]}
    await bench.after(1)
    assert [s.labels["partition"] for m in metrics.LAG.collect() for s in m.samples] == ["0"]


async def test_a_broker_that_is_away_is_no_reason_to_start_anew(bench: Bench) -> None:
    bench.ends[bench.tps[0]] = 7
    bench.work.flush_since = bench.now
    await bench.after(1)
    bench.away = True
    assert await bench.after(10_000) is None
    assert "the broker does not answer" in (bench.watch.unready() or "")
    bench.away = False
    assert await bench.after(1) is None  # it is given its time again
    assert "publishing was begun" in (await bench.after(STALL_S + 1) or "")


async def test_a_run_in_hand_for_too_long(bench: Bench) -> None:
    bench.work.busy_since = bench.now
    assert await bench.after(STALL_S) is None
    assert "the run in hand was begun 61 s ago" in (await bench.after(1) or "")


async def test_outside_the_group_for_too_long(bench: Bench) -> None:
    bench.engine.rebalancing = True
    assert await bench.after(4 * 30) is None
    assert "not in the group" in (await bench.after(1) or "")
    bench.engine.rebalancing = False
    assert await bench.after(1) is None


def test_every_session_timeout_that_may_be_set_is_one_that_faust_takes() -> None:
    app = make_app(Settings(session_timeout_s=300))
    assert app.conf.broker_request_timeout > app.conf.broker_session_timeout


def test_a_thread_that_comes_round_no_more() -> None:
    clock = [0.0]
    pulse = Pulse("sink", lambda: clock[0])
    assert pulse.stalled() is None
    pulse.beat()
    clock[0] = HANG_S
    assert pulse.stalled() is None
    clock[0] = HANG_S + 1
    assert pulse.stalled() == "the sink has been at one step for 151 s"
    pulse.beat()
    assert pulse.stalled() is None

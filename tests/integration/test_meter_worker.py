"""The meter's worker on a real broker: what is asked for is answered once, whatever dies meanwhile."""

import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from infra.settings import Settings
from schemas import topics
from schemas.meter_model import decode_model
from schemas.meter_result import decode_result
from schemas.meter_run import MeterRun, MeterStation, MeterTrace
from schemas.meter_run_status import MeterRunStatus, decode_status
from schemas.registry import Registry
from streams.meter.inputs import NotYet
from streams.meter.slot import Absent, Answer, Died, Done, Failed, ProcessSlot, Slot
from streams.meter.task import Columns, Task
from streams.meter.worker import Worker
from tests.meter_samples import BASELINE_END, REPORTING_START, ZONE, columns, us
from tests.waiting import exists, until

ROOT = Path(__file__).parents[2]
RUNS = itertools.count(os.getpid() * 1000)
FOUND = {
    "project_result": {"id": 0},
    "savings": [],
    "models": [],
    "digest": "d",
    "versions": {},
    "as_of": {},
    "weather": None,
    "warnings": [],
}


class Samples:
    """Records of OpenDSM's samples: trace 1 and station 1."""

    def __init__(self) -> None:
        self.at = {topics.CONSUMPTION.name: 10}

    def position(self) -> dict[str, int]:
        return dict(self.at)

    def read_trace(self, trace: int) -> Columns:
        return columns("il-gas-hdd-only-billing_monthly")

    def read_weather(self, station: int, *, normal: bool) -> Columns:
        return Columns.of() if normal else columns("il-tempF")


class Played:
    """A slot that answers what it is told to, one answer a run begun; None: it never does."""

    def __init__(self, *answers: Answer | None) -> None:
        self.answers, self.begun, self.killed = list(answers), 0, 0
        self._under_way = False

    def begin(self, task: Task) -> None:
        self.begun += 1
        self._under_way = True

    def answer(self) -> Answer | None:
        if not self._under_way or self.answers[0] is None:
            return None
        self._under_way = False
        return self.answers.pop(0)

    def computing(self) -> bool:
        return self._under_way

    def kill(self) -> None:
        self.killed += 1
        self._under_way = False


@pytest.fixture
def settings(kafka: str, registry: str, stack_settings: Settings) -> Settings:
    return stack_settings.model_copy(update={"instance": "meter-test", "session_timeout_s": 6})


@pytest.fixture
def schemas(settings: Settings) -> Registry:
    return Registry(settings.registry, settings.schema_cache)


@pytest.fixture
def ask(settings: Settings, schemas: Registry) -> Callable[..., MeterRun]:
    """Asks for a run, as the REST API does."""
    producer = Producer({"bootstrap.servers": settings.kafka})

    def ask(**values: object) -> MeterRun:
        number = next(RUNS)
        run = MeterRun(
            number,
            number,
            f"P{number}",
            1,
            "EnergyEfficiencyMeter",
            None,
            us(BASELINE_END),
            us(REPORTING_START),
            None,
            None,
            (MeterTrace(1, "NG_C_S", "THM"),),
            MeterStation(1, "illinois", "DEGF", ZONE),
            {topics.CONSUMPTION.name: 10},
        )
        run = replace(run, **values)  # type: ignore[arg-type]
        key, value = run.message(schemas.id_of(topics.METER_RUNS))
        producer.produce(topics.METER_RUNS.name, value, key)
        producer.flush(10)
        return run

    return ask


@pytest.fixture
def start(settings: Settings, schemas: Registry) -> Iterator[Callable[..., Worker]]:
    """Starts a worker in a thread: `start(slot, …, inputs=Samples())`."""
    begun: list[tuple[Worker, threading.Thread]] = []

    def start(*slots: Slot, inputs: Samples | None = None, **values: object) -> Worker:
        worker = Worker(settings.model_copy(update=values), schemas, inputs or Samples(), slots)
        thread = threading.Thread(target=worker.work)
        begun.append((worker, thread))
        thread.start()
        return worker

    yield start
    for worker, thread in begun:
        worker.stop()
        thread.join(20)


@pytest.fixture
def told(settings: Settings, schemas: Registry) -> Iterator[Callable[[MeterRun], list[MeterRunStatus]]]:
    """All that was said of a run so far, as those see it who read what is committed."""
    reader = Consumer({"bootstrap.servers": settings.kafka, "group.id": "told", "enable.auto.commit": False})
    reader.assign([TopicPartition(topics.METER_RUN_STATUS.name, 0, 0)])
    seen: list[MeterRunStatus] = []

    def told(run: MeterRun) -> list[MeterRunStatus]:
        for message in reader.consume(100, 0.2):
            if message.error() is None:
                seen.append(decode_status(message.value(), schemas.schema_of))
        return [status for status in seen if status.run == run.run]

    yield told
    reader.close()


def ended(statuses: list[MeterRunStatus]) -> bool:
    return bool(statuses) and statuses[-1].status in ("SUCCESS", "FAILED")


def last(told: Callable[[MeterRun], list[MeterRunStatus]], run: MeterRun, timeout_s: float = 30) -> list[MeterRunStatus]:
    until(lambda: ended(told(run)), f"run {run.run} ends", timeout_s)
    return told(run)


def values(settings: Settings, topic: topics.Topic, run: MeterRun) -> list[bytes]:
    """What stands in a topic for a run, to a reader of what is committed."""
    reader = Consumer({"bootstrap.servers": settings.kafka, "group.id": "values", "enable.partition.eof": True})
    reader.assign([TopicPartition(topic.name, 0, 0)])
    found: list[bytes] = []
    while (message := reader.poll(10)) is not None and message.error() is None:
        if message.key().decode().split("/")[0] == str(run.run):
            found.append(message.value())
    reader.close()
    return found


def test_a_run_is_computed_and_its_result_models_and_success_are_there_together(
    ask: Callable[..., MeterRun],
    start: Callable[..., Worker],
    told: Callable[[MeterRun], list[MeterRunStatus]],
    settings: Settings,
    schemas: Registry,
) -> None:
    run = ask()
    start(ProcessSlot(settings.compiled))
    statuses = last(told, run, 240)
    assert [(s.status, s.attempt, s.traceback) for s in statuses] == [("RUNNING", 1, None), ("SUCCESS", 1, None)]
    (value,) = values(settings, topics.METER_RESULTS, run)
    result = decode_result(value, schemas.schema_of)
    found = json.loads(result.result)
    assert (found["id"], found["project"]) == (run.run, run.project)
    assert found["energy_trace_model_results"][0]["n"] == 334
    assert json.loads(result.origin)["as_of"] == {topics.CONSUMPTION.name: 10}
    models = [decode_model(value, schemas.schema_of) for value in values(settings, topics.METER_MODELS, run)]
    assert [(m.modeling_period, m.status, m.kind) for m in models] == [
        ("BASELINE", "SUCCESS", "billing"),
        ("REPORTING", "SUCCESS", "billing"),
    ]


def test_an_exception_ends_failed_with_its_traceback(
    ask: Callable[..., MeterRun], start: Callable[..., Worker], told: Callable[[MeterRun], list[MeterRunStatus]]
) -> None:
    run = ask()
    start(Played(Failed("Traceback …\nValueError: no")))
    assert [(s.status, s.traceback) for s in last(told, run)][1:] == [("FAILED", "Traceback …\nValueError: no")]


def test_without_opendsm_a_run_says_what_to_install(
    ask: Callable[..., MeterRun], start: Callable[..., Worker], told: Callable[[MeterRun], list[MeterRunStatus]]
) -> None:
    run = ask()
    start(Absent())
    status = last(told, run)[-1]
    assert status.status == "FAILED"
    assert "powermon[meter]" in (status.traceback or "")


def test_a_run_whose_process_dies_is_taken_up_again_and_failed_the_second_time(
    ask: Callable[..., MeterRun], start: Callable[..., Worker], told: Callable[[MeterRun], list[MeterRunStatus]]
) -> None:
    start(Played(Died("killed"), Done(FOUND), Died("killed"), Died("killed again")))
    once = last(told, ask())  # only then the next: runs of two projects have no order
    assert [(s.status, s.attempt) for s in once] == [("RUNNING", 1), ("RUNNING", 2), ("SUCCESS", 2)]
    statuses = last(told, ask())
    assert [(s.status, s.attempt) for s in statuses] == [("RUNNING", 1), ("RUNNING", 2), ("FAILED", 2)]
    assert statuses[-1].traceback == "worker died: killed again; this was attempt 2, it is not taken up again"


def test_a_run_that_takes_too_long_is_killed_and_failed(
    ask: Callable[..., MeterRun], start: Callable[..., Worker], told: Callable[[MeterRun], list[MeterRunStatus]]
) -> None:
    run, slot = ask(), Played(None)
    start(slot, meter_timeout_s=1.0)
    status = last(told, run)[-1]
    assert status.status == "FAILED"
    assert (status.traceback or "").startswith("the run took longer than 1 s and was ended")
    assert slot.killed == 1


def test_an_orderly_stop_puts_the_run_back_and_counts_as_no_death(
    ask: Callable[..., MeterRun], start: Callable[..., Worker], told: Callable[[MeterRun], list[MeterRunStatus]]
) -> None:
    run = ask()
    for _ in range(3):
        slot = Played(None)
        worker = start(slot)
        until(lambda slot=slot: slot.begun == 1, "the run is taken up")  # type: ignore[misc]
        worker.stop()
        until(lambda slot=slot: slot.killed >= 1, "the run is put back")  # type: ignore[misc]
    start(Played(Done(FOUND)))
    assert [(s.status, s.attempt) for s in last(told, run)] == [("RUNNING", 1)] * 4 + [("SUCCESS", 1)]


def test_a_run_waits_until_the_store_holds_what_it_must_see(
    ask: Callable[..., MeterRun], start: Callable[..., Worker], told: Callable[[MeterRun], list[MeterRunStatus]]
) -> None:
    run = ask(as_of={topics.CONSUMPTION.name: 12})
    inputs, slot = Samples(), Played(Done(FOUND))
    worker = start(slot, inputs=inputs)
    until(lambda: "must see it up to 12" in (worker.problem() or ""), "the worker says what it waits for")
    assert slot.begun == 0
    inputs.at = {topics.CONSUMPTION.name: 12}
    assert last(told, run)[-1].status == "SUCCESS"
    assert worker.problem() is None
    assert issubclass(NotYet, Exception)


def test_what_is_no_run_goes_to_the_dead_letters_and_the_next_is_done(
    ask: Callable[..., MeterRun],
    start: Callable[..., Worker],
    told: Callable[[MeterRun], list[MeterRunStatus]],
    settings: Settings,
) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka})
    run = ask()
    for partition in range(settings.partitions):
        producer.produce(topics.METER_RUNS.name, b"junk", b"x", partition)
    producer.flush(10)
    start(Played(Done(FOUND), Done(FOUND)))
    assert last(told, run)[-1].status == "SUCCESS"
    after = ask()
    assert last(told, after)[-1].status == "SUCCESS"


def test_a_worker_killed_twice_over_a_run_leaves_it_failed(
    ask: Callable[..., MeterRun],
    told: Callable[[MeterRun], list[MeterRunStatus]],
    start: Callable[..., Worker],
    settings: Settings,
) -> None:
    """kill -9 of the whole worker: what it had in hand is taken up by the next."""
    run = ask()
    for attempt in (1, 2):
        pid = os.spawnvpe(
            os.P_NOWAIT,
            sys.executable,
            [sys.executable, __file__],
            os.environ | {"METER_TEST_SETTINGS": settings.model_dump_json(), "PYTHONPATH": str(ROOT)},
        )
        until(lambda n=attempt: len(told(run)) == n, f"attempt {attempt} is begun", 60)  # type: ignore[misc]
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    start(Played(Done(FOUND)))
    statuses = last(told, run, 60)
    assert [(s.status, s.attempt) for s in statuses] == [("RUNNING", 1), ("RUNNING", 2), ("FAILED", 3)]
    assert "died over this run 2 times" in (statuses[-1].traceback or "")
    assert not exists(pid)


if __name__ == "__main__":  # a worker that never ends its run, to be killed
    own = Settings.model_validate_json(os.environ["METER_TEST_SETTINGS"])
    Worker(own, Registry(own.registry, own.schema_cache), Samples(), [Played(None)]).work()

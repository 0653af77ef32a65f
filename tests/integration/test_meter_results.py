"""From a run asked for over REST to its result, on the real log and the embedded store."""

import itertools
import math
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings
from schemas.registry import Registry
from sinks import meter_rows
from sinks.clickhouse import ClickHouse
from sinks.feeds import meter_feed
from sinks.meter_inputs import Stored
from sinks.migrate import migrate
from sinks.sink import Sink
from streams.catalog.datastore.energy_commands import CreateStation
from streams.catalog.datastore.entries import Counter
from streams.catalog.state import Change
from streams.meter.slot import Answer, Done
from streams.meter.task import Task
from streams.meter.worker import Worker
from tests.fakes.datastore import Store, served
from tests.fakes.datastore import datastore as running
from tests.waiting import until
from web.datastore.meter import MeterLog
from web.datastore.results import ResultsApi

RUNS = itertools.count(10_000_000_000 + os.getpid() * 1000, 10)
"""Runs of the tests that share a log are numbered apart."""


class Copying:
    """A slot whose results say what it was given."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self._task: Task | None = None

    def begin(self, task: Task) -> None:
        self.tasks.append(task)
        self._task = task

    def answer(self) -> Answer | None:
        task, self._task = self._task, None
        if task is None:
            return None
        saving = {"id": 1, "project": task.project.pk, "project_result": task.run, "energy_trace": None, "value": 2.5, "n": 3}
        model = {
            "energy_trace": 1,
            "modeling_period": "BASELINE",
            "status": "FAILURE",
            "kind": "",
            "start_us": None,
            "end_us": None,
            "reasons": ["no records"],
            "warnings": [],
            "model": None,
            "curve": {},
            "metered": {},
        }
        return Done(
            {
                "project_result": {
                    "id": task.run,
                    "project": task.project.pk,
                    "eemeter_version": "none",
                    "meter_class": task.meter_class,
                    "meter_settings": task.meter_settings,
                    "derivative_aggregations": [],
                    "odd": math.nan,
                },
                "savings": [saving],
                "models": [model],
                "digest": task.digest(),
                "versions": {},
                "as_of": task.as_of,
                "weather": None,
                "warnings": [],
            }
        )

    def computing(self) -> bool:
        return self._task is not None

    def kill(self) -> None: ...


@pytest.fixture
def settings(kafka: str, registry: str, stack_settings: Settings, tmp_path: Path) -> Settings:
    return stack_settings.model_copy(update={"data": tmp_path, "instance": "meter-results", "session_timeout_s": 6})


@pytest.fixture
def schemas(settings: Settings) -> Registry:
    return Registry(settings.registry, settings.schema_cache)


@pytest.fixture
def clickhouse(settings: Settings) -> Iterator[ClickHouse]:
    store = ClickHouse(settings)
    migrate(store, settings)
    yield store
    store.close()


@pytest.fixture
def sink(settings: Settings, schemas: Registry, clickhouse: ClickHouse) -> Iterator[Sink]:
    feeds = [meter_feed(schemas.schema_of, *one) for one in meter_rows.FEEDS]
    sink = Sink(settings, clickhouse, schemas, {feed.topic.name: feed for feed in feeds}, f"meter-{settings.data.name}")
    yield from _at_work(sink)


@pytest.fixture
def slot() -> Copying:
    return Copying()


@pytest.fixture
def worker(settings: Settings, schemas: Registry, clickhouse: ClickHouse, slot: Copying) -> Iterator[Worker]:
    yield from _at_work(Worker(settings, schemas, Stored(clickhouse.arrow), [slot]))


def _at_work(member: Any) -> Iterator[Any]:
    thread = threading.Thread(target=member.work)
    thread.start()
    yield member
    member.stop()
    thread.join(20)


@pytest.fixture
async def meter(settings: Settings, schemas: Registry, clickhouse: ClickHouse) -> AsyncIterator[tuple[Store, MeterLog]]:
    async with running() as first:
        log = MeterLog(settings.kafka, schemas, clickhouse, first.catalog)
        first.catalog.state.put([Change("counters", "runs", Counter("runs", next(RUNS)))])
        first.catalog.add(CreateStation(station_id="X", zipcodes=("91104",), timezone="America/Los_Angeles", unit="DEGF"))
        endpoints = ResultsApi(first.catalog, log).endpoints()
        async with served(first.catalog, lambda: first.catalog.at_ms / 1000, meter=log, endpoints=endpoints) as store:
            yield store, log
        await log.close()


async def test_a_run_ends_with_a_result_that_can_be_read_once_it_says_success(
    meter: tuple[Store, MeterLog], sink: Sink, worker: Worker, slot: Copying, clickhouse: ClickHouse
) -> None:
    store, log = meter
    for label in ("ABC", "DEF"):
        await store.project(label, zipcode="91104")
    trace = await store("POST", "consumption_metadatas/?summary=True", {"interpretation": "E_C_S", "unit": "KWH", "project": 1})
    assert trace.status == 201
    run = await store.post("project_runs/", {"project": 1, "meter_settings": {"confidence_level": 0.8}})
    assert run["status"] == "PENDING"
    status = run
    while status["status"] in ("PENDING", "RUNNING"):
        status = await store.get(f"project_runs/{run['id']}/")
    assert (status["status"], status["traceback"]) == ("SUCCESS", None)
    assert status["updated"] >= "2026"
    (result,) = await store.get("project_results/?project=1")
    names = ["id", "project", "eemeter_version", "meter_class", "meter_settings", "derivative_aggregations", "odd"]
    assert list(result) == [*names, "added", "updated"]
    assert (result["id"], result["odd"]) == (run["id"], None)
    (saving,) = await store.get("project_savings/")
    assert saving["value"] == 2.5
    assert [r["id"] for r in await log.latest([1, 2])] == [run["id"]]
    task = slot.tasks[-1]
    assert (task.meter_settings, [t.pk for t in task.traces]) == ({"confidence_level": 0.8}, [1])
    assert task.weather is not None
    assert (task.weather.station_id, task.weather.timezone, len(task.weather.observed)) == ("X", "America/Los_Angeles", 0)
    assert clickhouse.rows(f"SELECT value, n, energy_trace FROM project_savings WHERE run = {run['id']}") == [(2.5, 3, None)]
    models: list[dict[str, Any]] = []
    while not models:  # they may come a moment after SUCCESS
        models = await store.get("project_models/?projects=1")
    (modelled,) = models
    assert list(modelled.items()) == [
        *(("project", 1), ("project_result", run["id"]), ("energy_trace", 1), ("interpretation", "BASELINE")),
        *(("status", "FAILURE"), ("kind", None), ("start_date", None), ("end_date", None)),
        *(("reasons", ["no records"]), ("warnings", [])),
    ]
    assert clickhouse.rows(f"SELECT status, reasons FROM meter_models WHERE run = {run['id']}") == [("FAILURE", ["no records"])]
    until(lambda: sink.problem() is None, "the sink has nothing to say although a commit's marker stands behind its last message")


async def test_a_partner_sees_the_result_of_the_highest_key_that_is_still_there(
    meter: tuple[Store, MeterLog], sink: Sink, worker: Worker
) -> None:
    store, _ = meter
    for label in ("ABC", "DEF", "GHI"):
        await store.project(label)
    token = (await store.post("registry/connections/", {"projects": [1, 2]}))["token"]

    async def seen() -> list[int]:
        said = await store("GET", "/registry/summary/", token=None, Authorization=f"Token {token}")
        return sorted(one["project_result_pk"] for one in said.json["projects"])

    assert await seen() == []  # no result, no line
    runs = [(await store.post("project_runs/", {"project": pk}))["id"] for pk in (1, 1, 2, 3)]
    ended: set[str] = set()
    while ended != {"SUCCESS"}:
        ended = {one["status"] for one in await store.get("project_runs/")}
    first, second, other, _ = runs
    assert await seen() == [second, other]
    assert [one["id"] for one in await store.get("project_results/?projects=1")] == [first, second]
    assert (await store("DELETE", f"project_results/{second}/")).status == 204
    assert await seen() == [first, other]
    assert (await store("DELETE", f"project_results/{first}/")).status == 204
    assert (await store("DELETE", "projects/2/")).status == 204
    assert await seen() == []


async def test_a_run_that_was_numbered_and_never_sent_is_sent_and_done_once(
    meter: tuple[Store, MeterLog], sink: Sink, worker: Worker, slot: Copying
) -> None:
    store, log = meter
    await store.project("ABC")
    run = await store.post("project_runs/", {"project": 1})
    log._sent.clear()  # as another server, or this one after a crash
    status = run
    while status["status"] != "SUCCESS":
        await log.send_what_was_not()
        log._sent.clear()
        status = await store.get(f"project_runs/{run['id']}/")
    before = len(slot.tasks)
    assert await log.send_what_was_not() == []
    assert before == 1

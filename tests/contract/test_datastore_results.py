"""Project runs, results and savings over REST, in the contract's words (sections 9, 10 and 13)."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from streams.catalog.datastore.entries import Run
from tests.fakes.datastore import READ, VIEWER, WRITE, Store, served
from tests.fakes.datastore import datastore as running
from web.datastore.ports import RunStatus
from web.datastore.results import ResultsApi


class Kept:
    """A meter whose results are made by hand."""

    def __init__(self) -> None:
        self.queued: list[int] = []
        self.known: dict[int, RunStatus] = {}
        self.found: dict[int, dict[str, Any]] = {}

    def succeed(self, run: int, project: int) -> None:
        self.known[run] = RunStatus("SUCCESS", 1_471_039_699_554_549)
        self.found[run] = {"id": run, "project": project, "derivative_aggregations": []}

    async def queue(self, run: Run) -> None:
        self.queued.append(run.pk)

    async def statuses(self, runs: Sequence[int]) -> dict[int, RunStatus]:
        return {run: self.known[run] for run in runs if run in self.known}

    async def results(self, runs: Sequence[int]) -> list[dict[str, Any]]:
        return [self.found[run] for run in sorted(runs) if run in self.found]

    async def savings(self, runs: Sequence[int]) -> list[dict[str, Any]]:
        return [{"project_result": run, "value": 1.5} for run in sorted(runs) if run in self.found]

    async def models(self, runs: Sequence[int]) -> list[dict[str, Any]]:
        return [{"project_result": run, "reasons": ["no weather"]} for run in sorted(runs) if run in self.found]

    async def latest(self, projects: Sequence[int]) -> list[dict[str, Any]]:
        return []


@pytest.fixture
def meter() -> Kept:
    return Kept()


@pytest.fixture
async def store(meter: Kept) -> AsyncIterator[Store]:
    async with (
        running(meter=meter) as first,
        served(
            first.catalog,
            lambda: first.catalog.at_ms / 1000,
            meter=meter,
            endpoints=ResultsApi(first.catalog, meter).endpoints(),
        ) as store,
    ):
        for label in ("ABC", "DEF"):
            await store.project(label)
        for project in (1, 2, 1):
            await store.post("project_runs/", {"project": project})
        yield store


async def test_post_answers_201_with_pending_at_once_and_a_get_right_after_is_never_404(store: Store, meter: Kept) -> None:
    run = await store.post("project_runs/", {"project": 2, "meter_class": "EnergyEfficiencyMeter", "meter_settings": {}})
    assert list(run) == ["id", "project", "meter_class", "meter_settings", "status", "traceback", "added", "updated"]
    assert (run["id"], run["status"], run["traceback"], run["meter_settings"]) == (4, "PENDING", None, {})
    assert await store.get("project_runs/4/") == run
    assert meter.queued == [1, 2, 3, 4]


async def test_a_run_shows_what_became_of_it(store: Store, meter: Kept) -> None:
    meter.known[1] = RunStatus("FAILED", 1_471_039_699_000_000, "Traceback …")
    run = await store.get("project_runs/1/")
    assert (run["status"], run["traceback"], run["updated"]) == ("FAILED", "Traceback …", "2016-08-12T22:08:19Z")
    assert [r["status"] for r in await store.get("project_runs/")] == ["FAILED", "PENDING", "PENDING"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("", [1, 2, 3], id="all, by rising primary key"),
        pytest.param("?project=1", [1, 3], id="of one project"),
        pytest.param("?projects=1+2", [1, 2, 3], id="of several"),
        pytest.param("?projects=2-9", [2], id="of a range"),
        pytest.param("?project=x", [], id="a filter that cannot be read selects nothing"),
        pytest.param("?project=9", [], id="of a project that there is not"),
        pytest.param("?project=1&project=2", [2], id="of a repeated filter the last"),
        pytest.param("?projects=1-2&project=1", [1, 3], id="of both filters"),
        pytest.param("?projects=1&project=2", [], id="of both filters, which have nothing in common"),
        pytest.param("?projects=1,2", [], id="commas do not separate"),
        pytest.param("?projects=", [], id="of no projects"),
        pytest.param("?page=2&limit=1", [1, 2, 3], id="unknown parameters are ignored"),
    ],
)
async def test_results_and_savings_are_filtered(store: Store, meter: Kept, query: str, found: list[int]) -> None:
    for run, project in ((1, 1), (2, 2), (3, 1)):
        meter.succeed(run, project)
    assert [r["id"] for r in await store.get(f"project_results/{query}")] == found
    assert [r["project_result"] for r in await store.get(f"project_savings/{query}")] == found
    assert [r["project_result"] for r in await store.get(f"project_models/{query}")] == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("", [1, 2, 3], id="all, by rising primary key"),
        pytest.param("?projects=1", [1, 3], id="of one project"),
        pytest.param("?projects=2%2B9", [2], id="an encoded plus separates"),
        pytest.param("?projects=", [], id="of no projects"),
        pytest.param("?projects=a-b", [], id="of what is no range"),
        pytest.param("?project=2&status=FAILED&page=9", [1, 2, 3], id="there is no other filter"),
    ],
)
async def test_runs_are_filtered_by_projects(store: Store, query: str, found: list[int]) -> None:
    assert [one["id"] for one in await store.get(f"project_runs/{query}")] == found


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param({}, {"project": ["This field is required."]}, id="no project"),
        pytest.param({"project": None}, {"project": ["This field may not be null."]}, id="null"),
        pytest.param({"project": 9}, {"project": ['Invalid pk "9" - object does not exist.']}, id="no such project"),
        pytest.param({"project": "x"}, {"project": ["Incorrect type. Expected pk value, received str."]}, id="no key"),
        pytest.param({"project": 1, "meter_class": None}, {"meter_class": ["Invalid meter_class"]}, id="null for a class"),
        pytest.param(
            [{"project": 1}],
            {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]},
            id="a list",
        ),
    ],
)
async def test_a_run_that_is_refused_is_not_queued(store: Store, meter: Kept, body: Any, said: Any) -> None:
    assert (await store("POST", "project_runs/", body)).said == (400, said)
    assert meter.queued == [1, 2, 3]


async def test_there_is_no_sync_of_results_and_savings_are_one_list(store: Store) -> None:
    assert (await store("POST", "project_results/sync/", [])).status == 405
    assert (await store("GET", "project_savings/1/")).status == 404


async def test_a_result_is_shown_until_it_is_deleted(store: Store, meter: Kept) -> None:
    meter.succeed(1, 1)
    assert (await store.get("project_results/1/"))["id"] == 1
    assert (await store("DELETE", "project_results/1/")).said == (204, None)
    for method in ("GET", "DELETE"):
        assert (await store(method, "project_results/1/")).said == (404, {"detail": "Not found."})
    assert await store.get("project_results/") == []
    assert await store.get("project_savings/") == await store.get("project_models/") == []
    assert (await store.get("project_runs/1/"))["status"] == "SUCCESS"


@pytest.mark.parametrize("pk", ["2", "99", "x"], ids=["not computed yet", "unknown", "no number"])
async def test_a_result_that_is_not_there_is_404(store: Store, pk: str) -> None:
    assert (await store("GET", f"project_results/{pk}/")).said == (404, {"detail": "Not found."})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "project_results/"),
        ("PUT", "project_results/1/"),
        ("PATCH", "project_results/1/"),
        ("POST", "project_savings/"),
        ("POST", "project_models/"),
    ],
)
async def test_clients_have_no_business_writing_results(store: Store, method: str, path: str) -> None:
    assert (await store(method, path, {})).said == (405, {"detail": f'Method "{method}" not allowed.'})


async def test_removing_a_project_takes_its_runs_and_results_along(store: Store, meter: Kept) -> None:
    meter.succeed(1, 1)
    meter.succeed(2, 2)
    assert (await store("DELETE", "projects/1/")).status == 204
    assert [r["id"] for r in await store.get("project_results/")] == [2]
    assert (await store("GET", "project_results/1/")).status == 404
    assert (await store("GET", "project_runs/1/")).status == 404


@pytest.mark.parametrize(
    ("method", "token", "status"),
    [("GET", None, 401), ("GET", WRITE, 403), ("DELETE", READ, 403), ("DELETE", VIEWER, 403), ("GET", READ, 404)],
)
async def test_401_then_403_then_404(store: Store, method: str, token: str | None, status: int) -> None:
    assert (await store(method, "project_results/99/", token=token)).status == status

"""Registry, runs as the catalog knows them, and weather stations: the contract, a test a sentence."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from streams.catalog.datastore.entries import Run
from tests.fakes.catalog import FakeCatalog
from tests.fakes.datastore import READ, Store, datastore
from web.datastore.api import Datastore
from web.datastore.door import Endpoint
from web.datastore.ports import RunStatus

# ---- registry


async def test_a_connection_s_token_is_made_up_when_left_out_and_its_projects_stay_as_given(store: Store) -> None:
    await store.project()
    made = await store.post("registry/connections/", {})
    assert list(made) == ["id", "projects", "token"]
    assert (made["projects"], str(uuid.UUID(made["token"]))) == ([], made["token"])
    named = await store.post("registry/connections/", {"projects": [1], "token": "6F9619FF8B86D011B42D00C04FC964FF"})
    assert named == {"id": 2, "projects": [1], "token": "6f9619ff-8b86-d011-b42d-00c04fc964ff"}
    assert (await store("PUT", "registry/connections/2/", {"projects": []})).said == (200, named)
    assert (await store("PATCH", "registry/connections/2/", {"projects": "x"})).said == (200, named)


async def test_a_connection_with_a_junk_token_or_an_unknown_project_is_400(store: Store) -> None:
    refused = await store("POST", "registry/connections/", {"token": "junk", "projects": [9]})
    said = {"projects": ['Invalid pk "9" - object does not exist.'], "token": ['"junk" is not a valid UUID.']}
    assert refused.said == (400, said)


class Meter:
    """Computes nothing; says what a test sets."""

    def __init__(self) -> None:
        self.queued: list[Run] = []
        self.known: dict[int, RunStatus] = {}
        self.results: list[dict[str, Any]] = []

    async def queue(self, run: Run) -> None:
        self.queued.append(run)

    async def statuses(self, runs: Sequence[int]) -> Mapping[int, RunStatus]:
        return {run: self.known[run] for run in runs if run in self.known}

    async def latest(self, projects: Sequence[int]) -> Sequence[dict[str, Any]]:
        return [one for one in self.results if one["project"] in projects]


async def test_the_summary_is_opened_by_the_connection_s_token_and_names_no_project() -> None:
    meter = Meter()
    band = {f"{side}_{part}": 1.5 for side in ("baseline", "reporting") for part in ("value", "upper", "lower", "n")}
    one = {"id": 1, "modeling_period_group": 1, "trace_interpretation": "T", "interpretation": "D", **band}
    meter.results = [
        {
            "id": 5,
            "project": 1,
            "eemeter_version": "1",
            "meter_class": "M",
            "meter_settings": None,
            "added": "x",
            "derivative_aggregations": [one],
        }
    ]
    async with datastore(meter=meter) as store:
        for label in ("secret-a", "secret-b"):
            await store.project(label)
        token = (await store.post("registry/connections/", {"projects": [1, 2]}))["token"]
        answer = await store("GET", "/registry/summary/", token=None, Authorization=f"Token {token}")
        assert answer.status == 200
        assert list(answer.json) == ["datastore_version", "projects"]
        (project,) = answer.json["projects"]
        assert uuid.UUID(project["registry_id"])
        assert {name: value for name, value in project.items() if name != "registry_id"} == {
            "project_result_pk": 5,
            "eemeter_version": "1",
            "meter_class": "M",
            "meter_settings": None,
            "summaries": [
                {
                    "trace_interpretation": "T",
                    "derivative_interpretation": "D",
                    **{name: value for name, value in band.items() if not name.endswith("_n")},
                }
            ],
        }
        assert "secret" not in answer.text
        other = (await store.post("registry/connections/", {"projects": [2]}))["token"]
        assert (await store("GET", "/registry/summary", token=None, Authorization=f"token {other}")).json["projects"] == []


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("Token", "Invalid token header. No credentials provided."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
        ("Token junk", "Invalid token."),
        (f"Token {uuid.UUID(int=1)}", "Invalid token."),
    ],
)
async def test_wrong_headers_of_the_summary(store: Store, header: str, text: str) -> None:
    assert (await store("GET", "/registry/summary/", token=None, Authorization=header)).said == (403, {"detail": text})


async def test_the_summary_without_the_token_header_is_401(store: Store) -> None:
    for token in (None, READ):
        assert (await store("GET", "/registry/summary/", token=token)).status == 401


# ---- runs


async def test_a_run_is_pending_at_once_and_then_what_the_meter_says() -> None:
    meter = Meter()
    async with datastore(meter=meter) as store:
        await store.project()
        made = await store.post("project_runs/", {"project": 1, "meter_settings": {"a": [1.5]}})
        fields = ["id", "project", "meter_class", "meter_settings", "status", "traceback", "added", "updated"]
        assert list(made) == fields
        assert (made["meter_class"], made["meter_settings"], made["status"]) == ("EnergyEfficiencyMeter", {"a": [1.5]}, "PENDING")
        assert made["traceback"] is None
        assert [run.pk for run in meter.queued] == [1]
        assert await store.get("project_runs/1/") == made
        meter.known[1] = RunStatus("FAILED", 1_800_000_001_000_000, "Traceback: …")
        failed = {**made, "status": "FAILED", "traceback": "Traceback: …", "updated": "2027-01-15T08:00:01Z"}
        assert await store.get("project_runs/1/") == failed
        assert await store.get("project_runs/") == [failed]
        assert (await store.post("project_runs/", {"project": 1}))["meter_settings"] is None
        assert [one["id"] for one in await store.get("project_runs/?projects=1")] == [1, 2]
        assert await store.get("project_runs/?projects=2-9") == []
        assert [one["id"] for one in await store.get("project_runs/?project=9")] == [1, 2]
        for method in ("PUT", "PATCH", "DELETE"):
            assert (await store(method, "project_runs/1/")).status == 405
        assert (await store("POST", "project_runs/sync/", [])).status in (404, 405)


@pytest.mark.parametrize("meter_class", ["Other", None, 5, ""])
async def test_another_meter_class_is_400(meter_class: Any) -> None:
    async with datastore(meter=Meter()) as store:
        await store.project()
        refused = await store("POST", "project_runs/", {"project": 1, "meter_class": meter_class})
        assert refused.said == (400, {"meter_class": ["Invalid meter_class"]})


async def test_a_run_s_project_is_required(store: Store) -> None:
    async with datastore(meter=Meter()) as metered:
        assert (await metered("POST", "project_runs/", {})).said == (400, {"project": ["This field is required."]})


# ---- weather stations


async def test_a_weather_station_and_its_sync(store: Store) -> None:
    made = await store.post("weather_stations/", {"station_id": "724940", "zipcodes": ["91104", 50321]})
    shown = {"id": 1, "station_id": "724940", "label": None, "zipcodes": ["91104", "50321"], "timezone": "UTC", "unit": "DEGC"}
    assert list(made.items()) == list(shown.items())
    assert (await store("PATCH", "weather_stations/1/", {"unit": "DEGF"})).json["unit"] == "DEGF"
    record = {name: value for name, value in shown.items() if name != "id"}
    answer = await store(
        *("POST", "weather_stations/sync/"),
        [record, record, {**record, "station_id": "B", "timezone": "Mars/Base"}, {**record, "station_id": "C", "unit": None}],
    )
    assert [entry["status"] for entry in answer.json] == [
        *("updated", "unchanged - same record"),
        *("error - bad field value - create", "error - integrity error - create"),
    ]
    taken = {"station_id": ["weather station with this station id already exists."]}
    assert (await store("POST", "weather_stations/", {"station_id": "724940"})).said == (400, taken)
    assert (await store("DELETE", "weather_stations/1/")).status == 204


# ---- the document


async def test_every_endpoint_and_method_is_described_and_no_other() -> None:
    async def nothing(_: Any) -> Any:
        raise AssertionError("only described here")

    more = Endpoint("/api/v1/others/{pk}/sync2/", {"POST": nothing, "GET": nothing}, about={"POST": "Others"})
    api = Datastore(FakeCatalog(), lambda: 0.0, meter=Meter(), endpoints=[more])
    paths, schemas = api.described()
    assert {path: {m.upper() for m in methods} for path, methods in paths.items()} == {
        one.path: set(one.methods) for one in api.endpoints
    }
    ids = [one["operationId"] for methods in paths.values() for one in methods.values()]
    assert len(ids) == len(set(ids))
    named = {ref.rpartition("/")[2] for ref in re.findall(r'"\$ref": "([^"]+)"', json.dumps(paths))}
    assert named == set(schemas)

"""Every address of the datastore under every kind of token: 401, then 403, then the rest; and methods that are not offered."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from streams.catalog.datastore.entries import Run
from tests.fakes.datastore import EXPIRED, NEITHER, READ, VIEWER, WRITE, Store, datastore
from web.datastore.ports import RunStatus

FULL = (
    *("projects", "project_owners", "project_blocks", "project_attribute_keys", "project_attributes"),
    *("consumption_metadatas", "registry/connections", "weather_stations"),
)
SYNCED = ("projects", "project_attribute_keys", "project_attributes", "consumption_metadatas", "weather_stations")
NOT_SYNCED = ("project_owners", "project_blocks", "project_runs", "registry/connections")
READS, WRITES = ("GET", "HEAD", "OPTIONS"), ("POST", "PUT", "PATCH", "DELETE")
PATHS = (
    *(f"{name}/{end}" for name in FULL for end in ("", "1/", "999/", "x/")),
    *(f"{name}/sync/" for name in SYNCED),
    "nowhere/",
)
NOT_SIGNED_IN = {"detail": "Authentication credentials were not provided."}
NOT_ALLOWED = {"detail": "You do not have permission to perform this action."}


class Idle:
    """A meter that is never asked for anything that it would have to compute."""

    async def queue(self, run: Run) -> None:
        pass

    async def statuses(self, runs: Sequence[int]) -> Mapping[int, RunStatus]:
        return {}

    async def latest(self, projects: Sequence[int]) -> Sequence[dict[str, Any]]:
        return []


@pytest.mark.parametrize("path", PATHS)
async def test_each_method_asks_for_its_scope_before_anything_else_is_looked_at(store: Store, path: str) -> None:
    async def status(method: str, token: str | None) -> int:
        return (await store(method, path, token=token, data=b"{", Content_Type="text/plain")).status

    for method in (*READS, *WRITES):
        for token in (None, EXPIRED, "nobody's"):
            assert await status(method, token) == 401, (method, token)
        assert await status(method, NEITHER) == 403, method
    for method in WRITES:
        assert (await status(method, READ), await status(method, VIEWER)) == (403, 403), method
        assert await status(method, WRITE) in (204, 404, 405, 415), method
    for method in READS:
        assert await status(method, WRITE) == 403, method
        assert await status(method, READ) in (200, 404, 405), method
    if path != "nowhere/":
        assert (await store("POST", path, token=None)).json == NOT_SIGNED_IN
        assert (await store("POST", path, token=READ)).json == NOT_ALLOWED


@pytest.mark.parametrize("name", FULL)
async def test_a_collection_offers_get_and_post_and_an_object_the_rest(store: Store, name: str) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        assert (await store(method, f"{name}/", {})).said == (405, {"detail": f'Method "{method}" not allowed.'})
    assert (await store("POST", f"{name}/1/", {})).said == (405, {"detail": 'Method "POST" not allowed.'})
    assert (await store("GET", f"{name}/999/")).status == 404
    assert (await store("OPTIONS", f"{name}/")).headers["Allow"] == "GET, POST, OPTIONS"


async def test_there_is_no_sync_of_owners_blocks_runs_and_connections_and_no_get_of_a_sync() -> None:
    async with datastore(meter=Idle()) as store:
        for name in NOT_SYNCED:
            assert (await store("POST", f"{name}/sync/", [])).status == 405
        for name in SYNCED:
            assert (await store("GET", f"{name}/sync/")).status == 405


async def test_runs_are_read_and_asked_for_and_nothing_else() -> None:
    async with datastore(meter=Idle()) as store:
        await store.project()
        first, second = [await store.post("project_runs/", {"project": 1}) for _ in range(2)]
        assert (first["id"], second["id"], first["meter_class"]) == (1, 2, "EnergyEfficiencyMeter")
        for method in ("PUT", "PATCH", "DELETE"):
            assert (await store(method, "project_runs/1/", {})).status == 405
            assert (await store(method, "project_runs/", {})).status == 405
        settings: list[Any] = [None, 5, "x", [1, {"a": None}], {"a": {"b": 1e-300}}, True]
        for sent in settings:
            assert (await store.post("project_runs/", {"project": 1, "meter_settings": sent}))["meter_settings"] == sent
        read_only = {"project": 1, "status": "SUCCESS", "traceback": "x", "added": "2000-01-01T00:00:00Z", "id": 77}
        made = await store.post("project_runs/", read_only)
        assert (made["id"], made["status"], made["traceback"]) == (9, "PENDING", None)
        assert made["added"] != read_only["added"]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("project_owners", {}),
        ("project_blocks", {"name": "b", "projects": [1]}),
    ],
)
async def test_owners_and_blocks_have_no_filters(store: Store, name: str, body: dict[str, Any]) -> None:
    await store.project()
    if body:
        await store.post(f"{name}/", body)
    every = await store.get(f"{name}/")
    assert every
    for query in ("user=99", "name=zzz", "projects=99", "project=x", "id=99"):
        assert await store.get(f"{name}/?{query}") == every


async def test_a_body_that_names_a_field_twice_means_the_last(store: Store) -> None:
    body = b'{"project_id":"A","project_owner":1,"project_id":"B"}'
    made = await store("POST", "projects/", data=body, Content_Type="application/json")
    assert (made.status, made.json["project_id"]) == (201, "B")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_not_a_number_and_infinities_are_refused_in_attributes(store: Store, number: str) -> None:
    await store.project()
    await store.post("project_attribute_keys/", {"name": "F", "display_name": "F", "data_type": "FLOAT"})
    body = f'{{"project":1,"key":1,"float_value":{number}}}'.encode()
    assert (await store("POST", "project_attributes/", data=body, Content_Type="application/json")).status == 400
    quoted = {"project": 1, "key": 1, "float_value": number}
    assert (await store("POST", "project_attributes/", quoted)).said == (400, {"float_value": ["A valid number is required."]})
    assert await store.get("project_attributes/") == []


async def test_a_sync_s_key_that_occurs_twice_meets_its_own_first_result(store: Store) -> None:
    fields = {"project_owner_id": 1, "baseline_period_end": None, "reporting_period_start": None}
    sent = [{"project_id": "A", "zipcode": zipcode, **fields} for zipcode in ("1", "1", "2", "2")]
    entries = (await store("POST", "projects/sync/", sent)).json
    assert [one["status"] for one in entries] == ["created", "unchanged - same record", "updated", "unchanged - same record"]
    assert {one["id"] for one in entries} == {1}


async def test_a_sync_compares_times_as_instants_and_takes_one_without_a_zone_for_utc(store: Store) -> None:
    fields = {"project_id": "A", "project_owner_id": 1, "zipcode": None, "reporting_period_start": None}
    times = ("2013-06-01T00:00:00Z", "2013-06-01T02:00:00+02:00", "2013-06-01T00:00", "2013-05-31T19:00:00-0500")
    entries = (await store("POST", "projects/sync/", [fields | {"baseline_period_end": time} for time in times])).json
    assert [one["status"] for one in entries] == ["created", *["unchanged - same record"] * 3]

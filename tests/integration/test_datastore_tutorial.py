"""The datastore's API on the real log: the tutorial's calls, and two processes that race."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog.commands import AddUser, IssueUserToken
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView
from tests.fakes.datastore import BOTH, Store, served

LATER = 4_000_000_000_000
NOT_FOUND = {"detail": "Not found."}


@pytest.fixture
async def two(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> AsyncIterator[tuple[Store, Store]]:
    """Two servers of one stack, each with a view of its own; user `demo` and its token."""
    known = Registry(registry, make_settings().schema_cache)
    views = CatalogView(kafka, known), CatalogView(kafka, known)
    await asyncio.gather(*(view.ready(20) for view in views))
    await views[0].submit(AddUser(name="demo", role="admin", password_hash="$argon2"))
    token = IssueUserToken(name="demo", token_sha256=hash_of(BOTH), scope="read write", expires_at_ms=LATER)
    for view in views:  # so that each has read the other's
        await view.submit(token)
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(served(views[0])), await stack.enter_async_context(served(views[1]))
    for view in views:
        await view.close()


async def test_the_tutorial_s_calls_4_to_8(two: tuple[Store, Store]) -> None:
    store, other = two
    owner = store.catalog.state.owners[max(store.catalog.state.owners)].pk
    first = await store.post("projects/", {"project_id": "ABC", "project_owner": owner, "zipcode": "91104"})
    # 4
    assert (await store("DELETE", f"projects/{first['id']}/")).said == (204, None)
    assert (await store("GET", f"projects/{first['id']}/")).said == (404, NOT_FOUND)
    # 5
    body = {
        "project_id": "ABC",
        "zipcode": "50321",
        "baseline_period_end": "2013-06-01T00:00:00+00:00",
        "reporting_period_start": "2013-07-01T00:00:00+00:00",
        "project_owner": owner,
    }
    project = await store.post("projects/", body)
    assert list(project.items()) == [
        ("id", first["id"] + 1),
        ("project_owner", owner),
        ("project_id", "ABC"),
        ("baseline_period_start", None),
        ("baseline_period_end", "2013-06-01T00:00:00Z"),
        ("reporting_period_start", "2013-07-01T00:00:00Z"),
        ("reporting_period_end", None),
        ("zipcode", "50321"),
    ]
    # 6, and a second process says the same
    taken = {"project_id": ["project with this project id already exists."]}
    for door in two:
        assert (await door("POST", "projects/", body)).said == (400, taken)
    # 7
    record = {**{name: value for name, value in body.items() if name != "project_owner"}, "project_owner_id": owner}
    same = {**project, "status": "unchanged - same record"}
    for door in two:
        assert (await door("POST", "projects/sync/", [record])).said == (200, [same])
    # 8
    trace = {"project_project_id": "ABC", "interpretation": "E_C_S", "unit": "KWH", "label": "DEF"}
    created = await store("POST", "consumption_metadatas/sync/", [trace])
    assert created.status == 200
    (entry,) = created.json
    shown = {"id": entry["id"], "interpretation": "E_C_S", "unit": "KWH", "project": project, "label": "DEF"}
    assert entry == {**shown, "status": "created"}
    assert await store.get(f"consumption_metadatas/{entry['id']}/?summary=True") == shown
    again = await other("POST", "consumption_metadatas/sync/", [trace])
    assert again.said == (200, [{**shown, "status": "unchanged - same record"}])
    assert (await other("DELETE", f"projects/{project['id']}/")).status == 204
    assert (await other("GET", f"consumption_metadatas/{entry['id']}/")).said == (404, NOT_FOUND)


async def test_the_same_project_from_two_processes_is_made_once(two: tuple[Store, Store]) -> None:
    owner = max(two[0].catalog.state.owners)
    made: list[int] = []
    for k in range(20):
        body = {"project_id": f"race {k}", "project_owner": owner}
        answers = await asyncio.gather(*(door("POST", "projects/", body) for door in two for _ in range(2)))
        assert sorted(answer.status for answer in answers) == [201, 400, 400, 400]
        taken = {"project_id": ["project with this project id already exists."]}
        assert all(answer.json == taken for answer in answers if answer.status == 400)
        made += [answer.json["id"] for answer in answers if answer.status == 201]
    assert made == list(range(made[0], made[0] + 20))
    for door in two:
        wanted = "+".join(map(str, made))
        assert [one["id"] for one in await door.get(f"projects/?projects={wanted}")] == made


async def test_many_records_of_a_sync_from_two_processes(two: tuple[Store, Store]) -> None:
    names = [f"key {k}" for k in range(1000)]
    records = [{"name": name, "display_name": name, "data_type": "CHAR"} for name in names]
    answers = await asyncio.gather(*(door("POST", "project_attribute_keys/sync/", records) for door in two))
    assert [answer.status for answer in answers] == [200, 200]
    both = [sorted(entry["status"] for entry in pair) for pair in zip(*(answer.json for answer in answers), strict=True)]
    assert both == [["created", "unchanged - same record"]] * 1000
    ids = [{entry["name"]: entry["id"] for entry in answer.json} for answer in answers]
    assert ids[0] == ids[1]
    assert len({*ids[0].values()}) == 1000

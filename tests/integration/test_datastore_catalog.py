"""The datastore's part of the catalog on a real broker: races, and a sync of many records."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog.commands import AddUser
from streams.catalog.datastore import projects
from streams.catalog.datastore.energy_commands import RequestRun
from streams.catalog.datastore.project_commands import CreateProject, UpsertProject
from streams.catalog.state import State
from streams.catalog.view import CatalogView

Views = tuple[CatalogView, CatalogView]


@pytest.fixture
async def views(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> AsyncIterator[Views]:
    """Two processes' views of one catalog."""
    known = Registry(registry, make_settings().schema_cache)
    one, two = CatalogView(kafka, known), CatalogView(kafka, known)
    await asyncio.gather(one.ready(20), two.ready(20))
    yield one, two
    await asyncio.gather(one.close(), two.close())


async def owner_of(view: CatalogView, name: str) -> int:
    await view.submit(AddUser(name=name, role="viewer", password_hash="$argon2id$x"))
    pk: int = view.state.index.one("owner", view.state.users[name].pk)
    return pk


def record(owner: int, k: int, zipcode: str) -> UpsertProject:
    return UpsertProject(
        project_id=f"sync-{k}",
        project_owner=owner,
        zipcode=zipcode,
        baseline_period_end_us=None,
        reporting_period_start_us=None,
    )


async def test_of_two_who_create_the_same_project_one_creates_it_and_nothing_is_left_out(views: Views) -> None:
    one, two = views
    owner = await owner_of(one, "racer")
    made: list[int | None] = []
    for k in range(100):
        command = CreateProject(project_owner=owner, project_id=f"race-{k}")
        outcomes = await asyncio.gather(one.submit(command), two.submit(command))
        created, refused = sorted(outcomes, key=lambda outcome: not outcome.accepted)
        assert (created.accepted, refused.accepted, refused.code, refused.field) == (True, False, "not_unique", "project_id")
        made.append(created.pk)
    assert made == list(range(made[0] or 0, (made[0] or 0) + 100))
    for view in views:  # each has seen its own last verdict, the later of the two in one of them
        for k, pk in enumerate(made):
            found = projects.by_label(view.state, f"race-{k}")
            assert found is not None
            assert found.pk == pk
    assert one.state.projects == two.state.projects


async def test_what_one_writer_made_the_other_may_refer_to_and_a_late_view_folds_the_same(
    views: Views, kafka: str, registry: str, make_settings: Callable[..., Settings]
) -> None:
    one, two = views
    project = await one.submit(CreateProject(project_owner=await owner_of(one, "maker"), project_id="maker's"))
    assert project.pk is not None
    run = await two.submit(RequestRun(project=project.pk))
    assert run.pk in two.state.runs
    late = CatalogView(kafka, Registry(registry, make_settings().schema_cache))
    await late.ready(20)
    assert late.state == two.state != State()
    await late.close()


async def test_the_records_of_a_sync_go_in_together_each_with_its_own_verdict_in_order(views: Views) -> None:
    one, two = views
    owner = await owner_of(one, "syncer")
    records = [record(owner, k, "1") for k in range(1000)]
    twice_and_wrong = [record(owner, 0, "2"), record(owner, 0, "2"), record(999_999, 0, "2")]
    outcomes = await one.submit_all([*records, *twice_and_wrong])
    assert [outcome.code for outcome in outcomes] == [*["created"] * 1000, "updated", "unchanged", "integrity_error"]
    pks = [outcome.pk for outcome in outcomes]
    assert pks == [*range(pks[0] or 0, (pks[0] or 0) + 1000), pks[0], pks[0], pks[0]]
    assert {outcome.code for outcome in await two.submit_all(records[1:])} == {"unchanged"}
    assert await two.submit_all([]) == []

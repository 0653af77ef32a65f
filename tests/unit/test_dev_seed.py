"""`powermon dev-seed` and `prod-seed` against a catalog in memory."""

import pytest
from argon2 import PasswordHasher

from infra.cli import main
from infra.seed import Grant, Seeder, SeedRefused
from schemas import topics
from schemas.record_part import Records, weather_series
from schemas.topics import Topic
from streams.catalog.commands import AddUser
from streams.catalog.datastore import projects, stations
from streams.catalog.datastore.energy_commands import CreateTrace
from streams.catalog.datastore.project_commands import RemoveProject
from streams.catalog.tokens import hash_of
from tests.fakes.catalog import FakeCatalog

DAY_MS = 86_400_000
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Quick, for tests."""


class Seeded:
    """A stack's catalog, what was published to it and what was said."""

    def __init__(self, *commands: AddUser) -> None:
        self.catalog = FakeCatalog(*commands)
        self.published: list[tuple[Topic, Records]] = []
        self.said: list[str] = []
        self.seeder = Seeder(self.catalog, self.publish, self.said.append, HASHER)

    async def publish(self, topic: Topic, records: Records) -> None:
        self.published.append((topic, records))

    async def seed(self, *grants: Grant, again: bool = False) -> None:
        await self.seeder.development([Grant("tokstr"), *grants], again=again)


async def test_the_seed_of_an_empty_store_is_the_contracts() -> None:
    seeded = Seeded()
    await seeded.seed()
    state = seeded.catalog.state
    user, token = state.users["demo"], state.user_tokens[hash_of("tokstr")]
    assert (user.role, user.one_time) == ("admin", False)
    assert PasswordHasher().verify(user.password_hash, "demo-password")
    assert (token.name, token.scope) == ("demo", "read write")
    assert [(owner.pk, owner.user) for owner in state.owners.values()] == [(1, user.pk)]
    project = projects.by_label(state, "ABC")
    assert project is not None
    assert (project.pk, project.project_owner, project.zipcode) == (1, 1, "91104")
    assert (project.baseline_period_start_us, project.baseline_period_end_us) == (None, 1_325_376_000_000_000)
    assert (project.reporting_period_start_us, project.reporting_period_end_us) == (1_328_054_400_000_000, None)
    assert [(t.pk, t.interpretation, t.unit, t.label, t.project) for t in state.traces.values()] == [
        (1, "NG_C_S", "THM", None, 1),
        (2, "NG_C_S", "THM", None, 1),
        (3, "E_C_S", "KWH", None, 1),
        (4, "E_C_S", "KWH", None, 1),
        (5, "E_OSG_U", "KWH", None, 1),
        (6, "E_OSG_U", "KWH", None, 1),
    ]


async def test_all_records_are_one_batch_by_rising_trace_and_start() -> None:
    seeded = Seeded()
    await seeded.seed()
    (topic, records), (_, weather) = seeded.published
    assert (topic, len(records)) == (topics.CONSUMPTION, 290_026)
    keys = list(zip(records["series"].tolist(), records["start_us"].tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert set(weather["series"].tolist()) == {weather_series(1, normal=False)}
    state = seeded.catalog.state
    project = projects.by_label(state, "ABC")
    assert project is not None
    assert stations.of_project(state, project) == state.stations[1]


async def test_the_seed_again_leaves_what_is_there_and_says_so() -> None:
    seeded = Seeded()
    await seeded.seed()
    state = seeded.catalog.state
    before = (dict(state.users), dict(state.projects), dict(state.traces), dict(state.stations), dict(state.owners))
    seeded.said.clear()
    await seeded.seed()
    assert (state.users, state.projects, state.traces, state.stations, state.owners) == before
    assert len(seeded.published) == 2
    assert sum("there already" in line for line in seeded.said) == 3
    await seeded.seed(again=True)
    assert len(seeded.published) == 4


async def test_after_the_project_is_deleted_the_seed_makes_another_with_new_ids() -> None:
    seeded = Seeded()
    await seeded.seed()
    seeded.catalog.add(RemoveProject(pk=1))
    await seeded.seed()
    assert ([*seeded.catalog.state.projects], [*seeded.catalog.state.traces]) == ([2], [*range(7, 13)])
    assert seeded.published[-1][1]["series"].min() == 7


async def test_tokens_with_other_scopes_and_expiries() -> None:
    seeded = Seeded()
    await seeded.seed(Grant("reader", "read", 1), Grant("nothing", "", 1), Grant("old", "read write", -1))
    tokens = seeded.catalog.state.user_tokens
    assert [tokens[hash_of(name)].scope for name in ("reader", "nothing", "old")] == ["read", "none", "read write"]
    left_ms = tokens[hash_of("tokstr")].expires_at_ms - tokens[hash_of("old")].expires_at_ms
    assert round(left_ms / DAY_MS) == 366


async def test_a_demo_user_from_before_gets_the_password_the_role_and_an_owner() -> None:
    seeded = Seeded(AddUser(name="demo", role="operator", password_hash=HASHER.hash("other"), datastore=False))
    await seeded.seed()
    user = seeded.catalog.state.users["demo"]
    assert (user.role, user.pk) == ("admin", 1)
    assert PasswordHasher().verify(user.password_hash, "demo-password")
    assert [owner.user for owner in seeded.catalog.state.owners.values()] == [1]


async def test_a_project_abc_that_is_not_the_seeds_is_left_alone() -> None:
    seeded = Seeded()
    await seeded.seed()
    seeded.catalog.add(CreateTrace(interpretation="E_C_S", unit="KWH", project=1))
    with pytest.raises(SeedRefused, match="not the seed's; remove it"):
        await seeded.seed()
    assert len(seeded.published) == 2


async def test_prod_seed_makes_an_admin_and_a_token_and_no_project() -> None:
    seeded = Seeded()
    await seeded.seeder.production()
    said = dict(line.split(": ") for line in seeded.said)
    user = seeded.catalog.state.users["admin"]
    assert PasswordHasher().verify(user.password_hash, said["Admin password"])
    assert seeded.catalog.state.user_tokens[hash_of(said["Admin token"])].scope == "read write"
    assert all(len(text) == 12 and text.isalnum() and text == text.upper() for text in said.values())
    assert (seeded.catalog.state.projects, len(seeded.catalog.state.owners), seeded.published) == ({}, 1, [])
    await seeded.seeder.production()
    assert seeded.catalog.state.users["admin"] == user


@pytest.mark.parametrize(
    "args", [("--token", "a b", "read", "1"), ("--token", "a", "Read", "1"), ("--token", "a", "read", "1e9")]
)
def test_wrong_usage_is_exit_status_2(args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERMON_KAFKA_BOOTSTRAP", "127.0.0.1:1")  # told before anything is asked
    with pytest.raises(SystemExit) as ended:
        main(["dev-seed", *args])
    assert ended.value.code == 2

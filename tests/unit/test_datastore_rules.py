"""The datastore's rules in the contract's words: keys, references, uniqueness, what goes along, and sync."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalog import commands as catalog
from streams.catalog import snapshot
from streams.catalog.apply import apply, fold
from streams.catalog.datastore import attributes, connections, energy_commands, project_commands, projects, stations, traces
from streams.catalog.datastore.commands import DatastoreCommand
from streams.catalog.datastore.index import Index
from streams.catalog.datastore.source import TraceSource
from streams.catalog.envelope import Envelope, seal
from streams.catalog.outcome import Outcome
from streams.catalog.snapshot import Place
from streams.catalog.state import State

AT_MS = 1_800_000_000_000
TOKENS: list[dict[str, Any]] = [
    {"token_digest": digit * 64, "token_sealed": digit * 86, "token_key": "0123456789abcdef"} for digit in "12"
]
SALT = "0" * 32


class Store:
    """A catalog with one user, demo, and the owner 1."""

    def __init__(self) -> None:
        self.state = State()
        self.do(catalog.AddUser(name="demo", role="admin", password_hash="$argon2id$x"))

    def do(self, command: catalog.Command) -> Outcome:
        return fold(self.state, seal(command, command_id="c", at_ms=AT_MS, actor="test"))

    def project(self, label: str = "ABC", owner: int = 1, **more: Any) -> Outcome:
        return self.do(project_commands.CreateProject(project_owner=owner, project_id=label, **more))

    def trace(self, project: int | None = 1, label: str | None = None, kind: Any = "E_C_S", unit: Any = "KWH") -> Outcome:
        return self.do(energy_commands.CreateTrace(interpretation=kind, unit=unit, project=project, label=label))

    def key(self, name: str = "size", data_type: Any = "FLOAT") -> Outcome:
        return self.do(project_commands.CreateAttributeKey(name=name, display_name=name, data_type=data_type))

    def sync_project(self, label: str = "ABC", owner: int | None = 1, zipcode: str | None = None, **more: Any) -> Outcome:
        times = {"baseline_period_end_us": None, "reporting_period_start_us": None, **more}
        return self.do(project_commands.UpsertProject(project_id=label, project_owner=owner, zipcode=zipcode, **times))

    def sync_trace(self, label: str | None = None, unit: Any = "KWH", kind: Any = "E_C_S", project: str = "ABC") -> Outcome:
        return self.do(energy_commands.UpsertTrace(project_project_id=project, interpretation=kind, label=label, unit=unit))

    def sync_attribute(self, value: Any, key: str = "size", project: str = "ABC") -> Outcome:
        return self.do(project_commands.UpsertAttribute(project_project_id=project, project_attribute_key_name=key, value=value))


@pytest.fixture
def store() -> Store:
    return Store()


def said(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.accepted, outcome.code, outcome.pk, outcome.field


# ---- primary keys


def test_a_primary_key_is_positive_rising_and_never_reused(store: Store) -> None:
    assert [store.project(label).pk for label in "abc"] == [1, 2, 3]
    store.do(project_commands.RemoveProject(pk=3))
    assert store.project("d").pk == 4
    assert [*store.state.projects] == [1, 2, 4]


def test_a_refused_creation_takes_no_key(store: Store) -> None:
    store.project("ABC")
    store.project("ABC")
    store.project("other", owner=7)
    assert store.project("DEF").pk == 2


def test_each_kind_counts_for_itself(store: Store) -> None:
    assert (store.project().pk, store.trace().pk, store.key().pk) == (1, 1, 1)


@pytest.mark.parametrize(
    "kind",
    [
        project_commands.ChangeOwner,
        project_commands.RemoveOwner,
        project_commands.ChangeProject,
        project_commands.RemoveProject,
        project_commands.ChangeBlock,
        project_commands.RemoveBlock,
        project_commands.ChangeAttributeKey,
        project_commands.RemoveAttributeKey,
        project_commands.ChangeAttribute,
        project_commands.RemoveAttribute,
        energy_commands.ChangeTrace,
        energy_commands.RemoveTrace,
        energy_commands.ChangeConnection,
        energy_commands.RemoveConnection,
        energy_commands.ChangeStation,
        energy_commands.RemoveStation,
    ],
    ids=lambda kind: kind.KIND,
)
def test_a_key_of_nothing_is_not_found(store: Store, kind: Any) -> None:
    outcome = store.do(kind(pk=9))
    assert (*said(outcome), outcome.detail, outcome.changes) == (False, "not_found", 9, None, "Not found.", ())


# ---- owners


def test_every_user_gets_an_owner_when_created(store: Store) -> None:
    store.do(catalog.AddUser(name="ada", role="viewer", password_hash="$argon2id$x"))
    assert [(owner.pk, owner.user) for owner in store.state.owners.values()] == [(1, 1), (2, 2)]
    assert store.state.users["ada"].pk == 2


def test_accounts_that_a_stack_makes_for_itself_have_none_until_they_are_enrolled() -> None:
    empty = Store()
    empty.state = State()
    empty.do(catalog.AddUser(name="operator", role="admin", password_hash="$argon2id$x", datastore=False))
    empty.do(catalog.AddUser(name="demo", role="admin", password_hash="$argon2id$x"))
    assert [(owner.pk, owner.user) for owner in empty.state.owners.values()] == [(1, 1)]
    for _ in range(2):
        assert empty.do(project_commands.EnrolUser(name="operator")).accepted
    assert [(owner.pk, owner.user) for owner in empty.state.owners.values()] == [(1, 1), (2, 2)]
    assert empty.do(project_commands.EnrolUser(name="nobody")).code == "unknown_user"


def test_an_owners_user_is_required_to_exist_and_unique(store: Store) -> None:
    outcome = store.do(project_commands.CreateOwner(user=9))
    assert (*said(outcome), outcome.detail) == (False, "does_not_exist", None, "user", 'Invalid pk "9" - object does not exist.')
    outcome = store.do(project_commands.CreateOwner(user=1))
    assert (*said(outcome), outcome.detail) == (False, "not_unique", None, "user", "This field must be unique.")
    assert store.do(project_commands.ChangeOwner(pk=1, user=1)).accepted
    store.do(project_commands.RemoveOwner(pk=1))
    assert store.do(project_commands.CreateOwner(user=1)).pk == 2


def test_an_owner_takes_its_projects_along(store: Store) -> None:
    store.do(catalog.AddUser(name="ada", role="viewer", password_hash="$argon2id$x"))
    store.project("a")
    store.project("b", owner=2)
    store.trace(1)
    store.do(project_commands.CreateBlock(name="both", projects=(1, 2)))
    assert store.do(project_commands.RemoveOwner(pk=1)).accepted
    assert ([*store.state.projects], [*store.state.traces], store.state.blocks[1].projects) == ([2], [], (2,))


def test_a_user_who_goes_leaves_owner_and_projects(store: Store) -> None:
    store.project()
    store.do(catalog.AddUser(name="ada", role="admin", password_hash="$argon2id$x"))
    assert store.do(catalog.RemoveUser(name="demo")).accepted
    assert ([*store.state.owners], [*store.state.projects]) == ([1, 2], [1])


# ---- projects


def test_a_duplicate_project_id_is_refused_in_the_contracts_words(store: Store) -> None:
    store.project("ABC")
    store.project("DEF")
    for outcome in (store.project("ABC"), store.do(project_commands.ChangeProject(pk=2, project_id="ABC"))):
        assert (outcome.code, outcome.field) == ("not_unique", "project_id")
        assert outcome.detail == "project with this project id already exists."
    assert store.project("abc").accepted  # case-sensitive
    assert store.do(project_commands.ChangeProject(pk=1, project_id="ABC", zipcode="50321")).accepted  # its own


def test_references_of_a_project_must_exist(store: Store) -> None:
    assert said(store.project(owner=9)) == (False, "does_not_exist", None, "project_owner")
    assert said(store.project(weather_station=9)) == (False, "does_not_exist", None, "weather_station")


def test_a_change_leaves_what_it_does_not_name(store: Store) -> None:
    store.project("ABC", zipcode="91104", baseline_period_end_us=5)
    store.do(project_commands.ChangeProject(pk=1, zipcode=None))
    assert store.state.projects[1] == projects.Project(1, 1, "ABC", baseline_period_end_us=5)


def test_delete_takes_along_what_is_the_projects_and_frees_the_label(store: Store) -> None:
    store.project("ABC")
    store.project("DEF")
    store.key()
    for project in (1, 2):
        store.trace(project)
        store.do(project_commands.CreateAttribute(project=project, key=1, float_value=1.0))
        store.do(energy_commands.RequestRun(project=project))
    store.trace(None)
    store.do(project_commands.CreateBlock(name="both", projects=(2, 1, 1)))
    store.do(energy_commands.CreateConnection(**TOKENS[0], salt=SALT, projects=(1, 2)))
    assert store.state.blocks[1].projects == (1, 2)
    assert store.do(project_commands.RemoveProject(pk=1)).accepted
    state = store.state
    assert [[*table] for table in (state.projects, state.traces, state.attributes, state.runs)] == [[2], [2, 3], [2], [2]]
    assert (state.blocks[1].projects, state.connections[1].projects) == ((2,), (2,))
    assert store.project("ABC").pk == 3


# ---- blocks, keys, attributes


def test_a_block_names_projects_that_exist_and_its_end_leaves_them(store: Store) -> None:
    store.project("ABC")
    assert said(store.do(project_commands.CreateBlock(name="x", projects=(1, 8)))) == (False, "does_not_exist", None, "projects")
    assert store.do(project_commands.CreateBlock(name="x")).pk == 1
    assert store.do(project_commands.CreateBlock(name="x", projects=(1,))).pk == 2  # the name is not unique
    assert said(store.do(project_commands.ChangeBlock(pk=1, projects=(7,)))) == (False, "does_not_exist", None, "projects")
    store.do(project_commands.RemoveBlock(pk=2))
    assert [*store.state.projects] == [1]


def test_an_attribute_keys_name_is_unique_and_its_attributes_go_along(store: Store) -> None:
    store.project()
    store.key("size")
    outcome = store.key("size")
    assert (outcome.code, outcome.field) == ("not_unique", "name")
    assert outcome.detail == "project attribute key with this name already exists."
    store.key("age")
    assert store.do(project_commands.ChangeAttributeKey(pk=2, name="size")).code == "not_unique"
    store.do(project_commands.CreateAttribute(project=1, key=1))
    store.do(project_commands.RemoveAttributeKey(pk=1))
    assert store.state.attributes == {}


def test_an_attribute_needs_project_and_key_and_may_come_twice(store: Store) -> None:
    store.project()
    store.key()
    assert said(store.do(project_commands.CreateAttribute(project=9, key=1)))[1:] == ("does_not_exist", None, "project")
    assert said(store.do(project_commands.CreateAttribute(project=1, key=9)))[1:] == ("does_not_exist", None, "key")
    assert [store.do(project_commands.CreateAttribute(project=1, key=1)).pk for _ in range(2)] == [1, 2]
    assert said(store.do(project_commands.ChangeAttribute(pk=1, key=9)))[1:] == ("does_not_exist", None, "key")


def test_value_is_the_column_that_the_keys_data_type_names(store: Store) -> None:
    store.project()
    store.key("size", "INTEGER")
    store.do(project_commands.CreateAttribute(project=1, key=1, integer_value=7, char_value="x"))
    assert attributes.value_of(store.state, store.state.attributes[1]) == 7
    store.do(project_commands.ChangeAttributeKey(pk=1, data_type="CHAR"))
    assert attributes.value_of(store.state, store.state.attributes[1]) == "x"


# ---- traces, runs, registry, weather


def test_a_trace_belongs_to_a_project_or_to_none(store: Store) -> None:
    store.project()
    assert said(store.trace(9)) == (False, "does_not_exist", None, "project")
    assert [store.trace(None).pk, store.trace(1).pk, store.trace(1).pk] == [1, 2, 3]
    store.do(energy_commands.ChangeTrace(pk=1, project=1))
    store.do(energy_commands.ChangeTrace(pk=3, project=None))
    assert [trace.pk for trace in traces.of_project(store.state, 1)] == [1, 2]
    store.do(energy_commands.RemoveTrace(pk=2))
    assert [trace.pk for trace in traces.of_project(store.state, 1)] == [1]


def test_a_traces_source_is_a_registered_sensor_or_a_linky(store: Store) -> None:
    def sourced(kind: Any, sensor: str, energy: str, unit: Any = "KWH") -> Outcome:
        source = TraceSource(kind, sensor, energy)
        return store.do(energy_commands.CreateTrace(interpretation="E_C_S", unit=unit, source=source))

    assert said(sourced("power", "gre000001", "import")) == (False, "unknown_sensor", None, "source")
    store.do(catalog.RegisterSensor(sensor_id="gre000001", secret_sha256="0" * 64))
    assert sourced("power", "gre000001", "import").pk == 1
    assert said(sourced("power", "gre000001", "EAST")) == (False, "bad_source", None, "source")
    assert said(sourced("power", "gre000001", "import", "THM")) == (False, "bad_source", None, "unit")
    assert said(sourced("linky", "gre000001", "drawn")) == (False, "unknown_sensor", None, "source")
    assert sourced("linky", "052165900001", "EASF01").pk == 2  # one that was only heard of
    assert [trace.pk for trace in traces.with_source(store.state)] == [1, 2]
    store.do(energy_commands.ChangeTrace(pk=2, source=None))
    assert [trace.pk for trace in traces.with_source(store.state)] == [1]


def test_any_number_of_runs_of_a_project(store: Store) -> None:
    assert said(store.do(energy_commands.RequestRun(project=1))) == (False, "does_not_exist", None, "project")
    store.project()
    assert [store.do(energy_commands.RequestRun(project=1, meter_settings="{}")).pk for _ in range(2)] == [1, 2]
    run = store.state.runs[2]
    assert (run.added_us, run.meter_class, run.meter_settings) == (AT_MS * 1000, "EnergyEfficiencyMeter", "{}")


def test_a_connections_token_is_unique_and_finds_it(store: Store) -> None:
    store.project()
    first = store.do(energy_commands.CreateConnection(**TOKENS[0], salt=SALT, projects=(1,)))
    outcome = store.do(energy_commands.CreateConnection(**TOKENS[0], salt=SALT))
    assert (*said(outcome), outcome.detail) == (False, "not_unique", None, "token", "This field must be unique.")
    assert said(store.do(energy_commands.CreateConnection(**TOKENS[1], salt=SALT, projects=(5,))))[1:] == (
        "does_not_exist",
        None,
        "projects",
    )
    assert connections.by_token(store.state, TOKENS[0]["token_digest"]) == first.entry
    assert connections.by_token(store.state, TOKENS[1]["token_digest"]) is None
    store.do(energy_commands.ChangeConnection(pk=1, **TOKENS[1]))
    assert connections.by_token(store.state, TOKENS[0]["token_digest"]) is None


def test_what_says_a_token_comes_together_or_not_at_all(store: Store) -> None:
    store.do(energy_commands.CreateConnection(**TOKENS[0], salt=SALT))
    for payload in ({"pk": 1, "token_digest": "2" * 64}, {"pk": 1, "token_sealed": "2" * 86, "token_key": "0" * 16}):
        text = msgspec.json.encode(payload).decode()
        half = Envelope("c", AT_MS, "t", "datastore.connection.change", "registry/connections/1", text)
        assert fold(store.state, half).code == "bad_payload"
    plain = Envelope(
        "c", AT_MS, "t", "datastore.connection.create", "registry/connections", '{"token":"x","salt":"' + SALT + '"}'
    )
    assert fold(store.state, plain).code == "bad_payload"  # as the log of an earlier version has it
    assert [one.pk for one in store.state.connections.values()] == [1]


def test_a_registry_id_is_one_per_project_and_connection(store: Store) -> None:
    one, two = (connections.Connection(pk=pk, **TOKENS[0], salt=SALT, projects=(1, 2)) for pk in (1, 2))
    ids = {connections.registry_id(which, project) for which in (one, two) for project in (1, 2)}
    assert len(ids) == 4
    assert connections.registry_id(one, 1) in ids


def test_a_project_has_the_station_it_names_else_the_one_that_holds_its_zipcode(store: Store) -> None:
    for name, zipcodes in (("a", ("91104",)), ("b", ("91104", "50321"))):
        assert store.do(energy_commands.CreateStation(station_id=name, zipcodes=zipcodes)).accepted
    assert store.do(energy_commands.CreateStation(station_id="a")).code == "not_unique"
    store.project("by name", weather_station=2, zipcode="91104")
    store.project("by zipcode", zipcode="91104")
    store.project("nowhere", zipcode="00000")
    store.project("no zipcode")

    def found() -> list[str | None]:
        of = (stations.of_project(store.state, project) for project in store.state.projects.values())
        return [None if station is None else station.station_id for station in of]

    assert found() == ["b", "a", None, None]
    store.do(energy_commands.RemoveStation(pk=2))
    assert (found(), store.state.projects[1].weather_station) == (["a", "a", None, None], None)
    assert store.do(energy_commands.ChangeStation(pk=1, zipcodes=("00000",))).accepted
    assert found() == [None, None, "a", None]


# ---- sync


def test_a_projects_record_is_created_unchanged_or_updated_with_the_same_id(store: Store) -> None:
    assert said(store.sync_project(zipcode="50321")) == (True, "created", 1, None)
    assert said(store.sync_project(zipcode="50321")) == (True, "unchanged", 1, None)
    updated = store.sync_project(zipcode=None, baseline_period_end_us=5)
    assert said(updated) == (True, "updated", 1, None)
    assert updated.entry == store.state.projects[1]


def test_what_a_sync_does_not_name_stays(store: Store) -> None:
    store.project("ABC", baseline_period_start_us=1, reporting_period_end_us=2, timezone="Europe/Paris")
    assert store.sync_project().code == "unchanged"
    store.sync_project(zipcode="1")
    project = store.state.projects[1]
    assert (project.baseline_period_start_us, project.reporting_period_end_us, project.timezone) == (1, 2, "Europe/Paris")


@pytest.mark.parametrize("owner", [None, 9, 0, -1])
def test_a_reference_to_nothing_or_null_is_an_integrity_error(store: Store, owner: int | None) -> None:
    assert said(store.sync_project(owner=owner)) == (False, "integrity_error", None, "project_owner_id")
    store.project()
    assert said(store.sync_project(owner=owner)) == (False, "integrity_error", 1, "project_owner_id")


def test_an_attribute_keys_record(store: Store) -> None:
    def sync(display_name: str | None, data_type: Any = "CHAR") -> tuple[Any, ...]:
        return said(store.do(project_commands.UpsertAttributeKey(name="size", display_name=display_name, data_type=data_type)))

    assert sync(None) == (False, "integrity_error", None, "display_name")
    assert sync("Size") == (True, "created", 1, None)
    assert sync("Size") == (True, "unchanged", 1, None)
    assert sync("Area") == (True, "updated", 1, None)
    assert sync("Area", None) == (False, "integrity_error", 1, "data_type")


def test_an_attributes_record_is_filed_under_the_keys_type(store: Store) -> None:
    assert said(store.sync_attribute(1)) == (False, "no_project", None, "project_project_id")
    store.project()
    assert said(store.sync_attribute(1)) == (False, "no_attribute_key", None, "project_attribute_key_name")
    store.key("size", "FLOAT")
    assert said(store.sync_attribute("large")) == (False, "bad_field_value", None, "value")
    assert said(store.sync_attribute("1")) == (True, "created", 1, None)
    assert said(store.sync_attribute(1)) == (True, "unchanged", 1, None)
    assert said(store.sync_attribute("large")) == (False, "bad_field_value", 1, "value")
    store.do(project_commands.ChangeAttribute(pk=1, char_value="x"))
    assert said(store.sync_attribute(2.5)) == (True, "updated", 1, None)
    assert store.state.attributes[1] == attributes.Attribute(1, 1, 1, float_value=2.5)  # the other columns are null
    assert said(store.sync_attribute(None)) == (True, "updated", 1, None)
    assert store.state.attributes[1].float_value is None


@pytest.mark.parametrize(
    ("data_type", "first", "same", "bad"),
    [
        ("BOOLEAN", "True", 1, "yes"),
        ("CHAR", "  x ", "x", "y" * 101),
        ("CHAR", 123, "123", True),
        ("DATE", "2016-08-12", " 2016-8-12 ", "2016-02-30"),
        ("DATETIME", "2016-08-12T00:00:00Z", "2016-08-12T02:00+0200", "2016-08-12"),
        ("FLOAT", 1, "1.0", "nan"),
        ("INTEGER", 7, "7", 7.5),
    ],
)
def test_equal_values_are_unchanged_and_unreadable_ones_bad(
    store: Store, data_type: str, first: Any, same: Any, bad: Any
) -> None:
    store.project()
    store.key("size", data_type)
    codes = [store.sync_attribute(value).code for value in (first, same, bad, None)]
    assert codes == ["created", "unchanged", "bad_field_value", "updated"]


def test_several_attributes_that_match_are_an_error(store: Store) -> None:
    store.project()
    store.key()
    for _ in range(2):
        store.do(project_commands.CreateAttribute(project=1, key=1))
    assert said(store.sync_attribute(1))[:2] == (False, "multiple_records")


def test_a_traces_record_and_null_is_a_label(store: Store) -> None:
    assert said(store.sync_trace()) == (False, "no_project", None, "project_project_id")
    store.project()
    assert said(store.sync_trace(unit=None)) == (False, "integrity_error", None, "unit")
    assert said(store.sync_trace()) == (True, "created", 1, None)
    assert said(store.sync_trace("DEF")) == (True, "created", 2, None)
    assert said(store.sync_trace(kind="NG_C_S", unit="THM")) == (True, "created", 3, None)
    assert said(store.sync_trace()) == (True, "unchanged", 1, None)
    assert said(store.sync_trace("DEF", "THM")) == (True, "updated", 2, None)
    assert said(store.sync_trace(unit=None)) == (False, "integrity_error", 1, "unit")
    store.trace(1, "DEF")
    assert said(store.sync_trace("DEF"))[:2] == (False, "multiple_records")


def test_a_stations_record(store: Store) -> None:
    def sync(unit: Any) -> tuple[Any, ...]:
        return said(
            store.do(energy_commands.UpsertStation(station_id="a", label=None, zipcodes=("1",), timezone="UTC", unit=unit))
        )

    assert [sync(unit)[1:3] for unit in ("DEGC", "DEGC", "DEGF")] == [("created", 1), ("unchanged", 1), ("updated", 1)]


# ---- laws

LABELS = st.sampled_from(["ABC", "DEF"])
PK = st.integers(1, 4)


def _just(values: dict[str, Any]) -> dict[str, Any]:
    return {name: st.just(value) for name, value in values.items()}


ANY: st.SearchStrategy[DatastoreCommand] = st.one_of(
    st.builds(project_commands.CreateProject, project_owner=st.integers(1, 2), project_id=LABELS, weather_station=st.none() | PK),
    st.builds(project_commands.ChangeProject, pk=PK, project_id=LABELS, zipcode=st.sampled_from(["1", "2"])),
    st.builds(project_commands.RemoveProject, pk=PK),
    st.builds(
        project_commands.UpsertProject,
        project_id=LABELS,
        project_owner=st.none() | st.just(1),
        zipcode=st.none() | st.just("1"),
        baseline_period_end_us=st.none(),
        reporting_period_start_us=st.none() | st.just(5),
    ),
    st.builds(project_commands.CreateBlock, name=st.just("b"), projects=st.tuples(PK, PK)),
    st.builds(project_commands.ChangeBlock, pk=PK, projects=st.tuples(PK)),
    st.builds(energy_commands.CreateTrace, interpretation=st.just("E_C_S"), unit=st.just("KWH"), project=st.none() | PK),
    st.builds(energy_commands.ChangeTrace, pk=PK, project=st.none() | PK),
    st.builds(energy_commands.RemoveTrace, pk=PK),
    st.builds(
        energy_commands.UpsertTrace,
        project_project_id=LABELS,
        interpretation=st.just("E_C_S"),
        label=st.none() | st.just("x"),
        unit=st.sampled_from(["KWH", "THM"]),
    ),
    st.builds(
        project_commands.UpsertAttributeKey, name=LABELS, display_name=st.just("n"), data_type=st.sampled_from(["CHAR", "FLOAT"])
    ),
    st.builds(project_commands.RemoveAttributeKey, pk=PK),
    st.builds(project_commands.CreateAttribute, project=PK, key=PK),
    st.builds(
        project_commands.UpsertAttribute,
        project_project_id=LABELS,
        project_attribute_key_name=LABELS,
        value=st.sampled_from([1, "x"]),
    ),
    st.builds(energy_commands.RequestRun, project=PK),
    *(st.builds(energy_commands.CreateConnection, **_just(one), salt=st.just(SALT), projects=st.tuples(PK)) for one in TOKENS),
    *(st.builds(energy_commands.ChangeConnection, pk=PK, **_just(one)) for one in TOKENS),
    st.builds(energy_commands.RemoveConnection, pk=PK),
    st.builds(energy_commands.CreateStation, station_id=LABELS, zipcodes=st.just(("1", "2"))),
    st.builds(energy_commands.RemoveStation, pk=PK),
    st.builds(project_commands.RemoveOwner, pk=PK),
    st.builds(project_commands.EnrolUser, name=st.just("demo")),
)
LOG = st.lists(ANY, max_size=40)


def indexed(state: State) -> Index:
    """The look-ups as the entries say them."""
    index = Index()
    for table in snapshot.freeze(state):
        index.add(table, iter(getattr(state, table).items()))
    return index


@given(LOG, LOG, st.randoms(use_true_random=False))
def test_any_interleaving_of_two_writers_gives_one_state(mine: list[Any], theirs: list[Any], random: Any) -> None:
    """Two views fold the log in whatever runs it comes; one of them begins with a snapshot."""
    log, queues = [], [list(mine), list(theirs)]
    while any(queues):
        queue = random.choice([queue for queue in queues if queue])
        log.append(queue.pop(0))
    one, two = Store(), Store()
    verdicts = [one.do(command) for command in log]
    assert [two.do(command) for command in log] == verdicts
    assert one.state == two.state
    assert one.state.index == indexed(one.state)
    for table in ("projects", "traces", "attributes", "blocks", "connections", "runs", "stations", "owners"):
        keys = [*getattr(one.state, table)]
        assert keys == sorted(keys)


@given(LOG)
def test_nothing_refers_to_what_is_not_there_and_keys_only_rise(log: list[Any]) -> None:
    store, given_keys = Store(), {}  # type: ignore[var-annotated]
    for command in log:
        outcome = apply(store.state, seal(command, command_id="c", at_ms=AT_MS, actor="test"))
        assert outcome.accepted or not outcome.changes
        new = {(c.table, c.key) for c in outcome.changes if c.value is not None and c.key not in getattr(store.state, c.table)}
        for table, key in new - {("counters", key) for _, key in new}:
            assert key == given_keys.get(table, 1 if table == "owners" else 0) + 1
            given_keys[table] = key
        store.state.put(outcome.changes)
        state = store.state
        assert len({p.project_id for p in state.projects.values()}) == len(state.projects)
        assert all(p.project_owner in state.owners for p in state.projects.values())
        assert all(p.weather_station in {None, *state.stations} for p in state.projects.values())
        assert all(t.project in {None, *state.projects} for t in state.traces.values())
        assert all(a.project in state.projects and a.key in state.attribute_keys for a in state.attributes.values())
        assert all(run.project in state.projects for run in state.runs.values())
        assert all({*b.projects} <= {*state.projects} for b in [*state.blocks.values(), *state.connections.values()])


@given(LOG)
def test_look_ups_survive_a_snapshot(log: list[Any]) -> None:
    store = Store()
    for command in log:
        store.do(command)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "catalog.snapshot"
        snapshot.write(file, snapshot.freeze(store.state), Place(1, b"x"))
        assert snapshot.read(file)[0] == store.state


# ---- from before


def test_a_user_of_a_log_from_before_the_datastore_has_an_owner_in_it() -> None:
    payload = '{"name":"ada","role":"viewer","password_hash":"$argon2id$x","one_time":false}'
    state = State()
    assert fold(state, Envelope("c", 1, "test", "user.add", "user:ada", payload)).accepted
    assert (state.users["ada"].pk, state.owners[1].user) == (1, 1)
    now = seal(catalog.AddUser(name="ada", role="viewer", password_hash="$argon2id$x"), command_id="c", at_ms=1, actor="test")
    assert "datastore" not in now.payload  # and what is written now can be read by who knows no datastore


def test_a_snapshot_of_a_catalog_without_the_datastore_is_of_other_rules() -> None:
    named = {path.name for path in snapshot.sources()}
    assert {"apply.py", "users.py", "projects.py", "traces.py", "entries.py", "index.py"} <= named
    assert not {"view.py", "snapshot.py"} & named

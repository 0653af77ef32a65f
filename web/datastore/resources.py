"""The resources of the datastore, as tables of fields."""

from typing import Any, get_args

from streams.catalog.datastore import (
    attribute_keys,
    attributes,
    command,
    energy_commands,
    project_commands,
    projects,
    stations,
    verdicts,
)
from streams.catalog.datastore.entries import Attribute, AttributeKey, Project, Station
from streams.catalog.state import State
from web.datastore import filters, kinds
from web.datastore.answers import Document, shown
from web.datastore.fields import Field, Query, document, on
from web.datastore.kinds import BOOLEAN, DATE, INTEGER, NUMBER, TIME, ZONE, choice, pk, pks, text, texts
from web.datastore.resource import Resource
from web.datastore.sync import Needed, Record, Sync, label_of

DATA_TYPES = get_args(command.DataType)
TEMPERATURE_UNITS = get_args(command.TemperatureUnit)

NO_PROJECT = Needed("project_project_id", "label", "error - no Project found", "no_project")
"""A sync's record that names a project by its label."""

_SAYS = {"DATETIME": kinds.iso}


# ---- projects

_PERIODS = ("baseline_period_start", "baseline_period_end", "reporting_period_start", "reporting_period_end")
_LABEL = Field("project_id", text(255), required=True, unique=("label", "project with this project id already exists."))
_ZIPCODE = Field("zipcode", text(10, blank=True), null=True)
_TIMES = {name: Field(name, TIME, f"{name}_us", null=True) for name in _PERIODS}

_PROJECT = (
    Field("project_owner", pk("owners"), required=True),
    _LABEL,
    *_TIMES.values(),
    _ZIPCODE,
    Field("weather_station", pk("stations"), null=True, shown=False),
    Field("timezone", ZONE, null=True, shown=False),
)


def project_document(project: Project) -> Document:
    """The eight fields of a project."""
    return {"id": project.pk, **{field.name: field.say(project) for field in _PROJECT if field.shown}}


def _project(state: State, project: Project, query: Query, _: bool) -> Document:
    found = project_document(project)
    if on(query, "with_attributes"):
        known = (state.attributes[pk] for pk in state.index.all("attributes", "of_project", project.pk))
        found["attributes"] = [{"key": one.key, "value": attribute_value(state, one)} for one in known]
    return found


def _project_pk(state: State, record: Record) -> int | None:
    project = projects.by_label(state, label_of(record["project_id"]) or "")
    return None if project is None else project.pk


PROJECTS = Resource(
    "projects",
    "A building whose energy use is watched.",
    "projects",
    _PROJECT,
    project_commands.CreateProject,
    project_commands.ChangeProject,
    project_commands.RemoveProject,
    filters={
        "projects": filters.projects("pk"),
        "project_id": filters.same_text("project_id"),
        "project_owner": filters.same_pk("project_owner"),
        "zipcode": filters.same_text("zipcode"),
        "baseline_period_end_0": filters.since("baseline_period_end_us"),
        "baseline_period_end_1": filters.until("baseline_period_end_us"),
        "reporting_period_start_0": filters.since("reporting_period_start_us"),
        "reporting_period_start_1": filters.until("reporting_period_start_us"),
        "projectblock_or": filters.in_blocks(every=False),
        "projectblock_and": filters.in_blocks(every=True),
    },
    flags={"with_attributes": "adds the project's attributes, each with key and value"},
    say=_project,
    sync=Sync(
        ("project_id",),
        (
            _LABEL,
            Field("project_owner_id", pk(None), "project_owner"),
            _ZIPCODE,
            _TIMES["baseline_period_end"],
            _TIMES["reporting_period_start"],
        ),
        project_commands.UpsertProject,
        _project_pk,
        lambda _, project: project_document(project),
    ),
)

# ---- owners and blocks

OWNERS = Resource(
    "project_owners",
    "Who owns projects: a user has one owner.",
    "owners",
    (Field("user", pk("users"), required=True, unique=("owner", verdicts.MUST_BE_UNIQUE)),),
    project_commands.CreateOwner,
    project_commands.ChangeOwner,
    project_commands.RemoveOwner,
)

BLOCKS = Resource(
    "project_blocks",
    "A named list of projects.",
    "blocks",
    (
        Field("name", text(255), required=True),
        Field("projects", pks("projects", empty=False), required=True, unless="name_only"),
    ),
    project_commands.CreateBlock,
    project_commands.ChangeBlock,
    project_commands.RemoveBlock,
    flags={"name_only": "leaves the projects out"},
)

# ---- attributes

_KEY_NAME = Field("name", text(100), required=True, unique=("name", "project attribute key with this name already exists."))
_ATTRIBUTE_KEY = (
    _KEY_NAME,
    Field("display_name", text(100), required=True),
    Field("data_type", choice(*DATA_TYPES), required=True),
)


def _key_document(_: State, key: AttributeKey) -> Document:
    return {"id": key.pk, **{field.name: field.say(key) for field in _ATTRIBUTE_KEY}}


def _key_pk(state: State, record: Record) -> int | None:
    key = attribute_keys.by_name(state, label_of(record["name"]) or "")
    return None if key is None else key.pk


ATTRIBUTE_KEYS = Resource(
    "project_attribute_keys",
    "What projects may be described by.",
    "attribute_keys",
    _ATTRIBUTE_KEY,
    project_commands.CreateAttributeKey,
    project_commands.ChangeAttributeKey,
    project_commands.RemoveAttributeKey,
    filters={"name": filters.same_text("name"), "data_type": filters.one_of("data_type", *DATA_TYPES)},
    sync=Sync(("name",), _ATTRIBUTE_KEY, project_commands.UpsertAttributeKey, _key_pk, _key_document),
)

_ATTRIBUTE = (
    Field("project", pk("projects"), required=True),
    Field("key", pk("attribute_keys"), required=True),
    Field("boolean_value", BOOLEAN, null=True),
    Field("char_value", text(100, blank=True), null=True),
    Field("date_value", DATE, null=True),
    Field("datetime_value", TIME, "datetime_us", null=True),
    Field("float_value", NUMBER, null=True),
    Field("integer_value", INTEGER, null=True),
)


def attribute_value(state: State, attribute: Attribute) -> Any:
    """What a project has under a key, as JSON."""
    value = attributes.value_of(state, attribute)
    say = _SAYS.get(state.attribute_keys[attribute.key].data_type)
    return value if value is None or say is None else say(value)


def attribute_document(state: State, attribute: Attribute) -> Document:
    """The short form of an attribute."""
    value = attribute_value(state, attribute)
    return {"id": attribute.pk, "key": attribute.key, "project": attribute.project, "value": value}


def _attribute(state: State, attribute: Attribute, query: Query, wrote: bool) -> Document:
    if not wrote:
        return attribute_document(state, attribute)
    short, wide = attribute_document(state, attribute), document(_ATTRIBUTE, attribute, query)
    head = {name: short[name] for name in ("id", "project", "key", "value")}
    return {**head, **wide}


def _attribute_pk(state: State, record: Record) -> int | None:
    project = projects.by_label(state, label_of(record["project_project_id"]) or "")
    key = attribute_keys.by_name(state, label_of(record["project_attribute_key_name"]) or "")
    if project is None or key is None:
        return None
    of_project = state.index.all("attributes", "of_project", project.pk)
    return next((pk for pk in of_project if state.attributes[pk].key == key.pk), None)


def _loose(_: State, value: Any) -> Any:
    """A value whose type only the key knows; a number too long for the log goes as its digits."""
    if isinstance(value, list | dict):
        raise ValueError(f"Expected one value, but got {type(value).__name__}.")
    is_long = isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63
    return shown(value, 100) if is_long else value


ATTRIBUTES = Resource(
    "project_attributes",
    "What is said of a project under a key; `value` is in the column of the key's data type.",
    "attributes",
    _ATTRIBUTE,
    project_commands.CreateAttribute,
    project_commands.ChangeAttribute,
    project_commands.RemoveAttribute,
    filters={"project": filters.same_pk("project"), "key": filters.same_pk("key")},
    say=_attribute,
    sync=Sync(
        ("project_project_id", "project_attribute_key_name"),
        (
            Field("project_project_id", text(255)),
            Field("project_attribute_key_name", text(100)),
            Field("value", kinds.Kind(_loose, {"type": ["boolean", "number", "string"]}), null=True),
        ),
        project_commands.UpsertAttribute,
        _attribute_pk,
        attribute_document,
        needed=(
            NO_PROJECT,
            Needed("project_attribute_key_name", "name", "error - no ProjectAttributeKey found", "no_attribute_key"),
        ),
    ),
)

# ---- weather

_STATION_ID = Field(
    "station_id", text(64), required=True, unique=("station", "weather station with this station id already exists.")
)
_STATION = (
    _STATION_ID,
    Field("label", text(200, blank=True), null=True),
    Field("zipcodes", texts(10)),
    Field("timezone", ZONE),
    Field("unit", choice(*TEMPERATURE_UNITS)),
)


def station_document(_: State, station: Station) -> Document:
    return {"id": station.pk, **{field.name: field.say(station) for field in _STATION}}


def _station_pk(state: State, record: Record) -> int | None:
    station = stations.by_name(state, label_of(record["station_id"]) or "")
    return None if station is None else station.pk


STATIONS = Resource(
    "weather_stations",
    "Where temperatures are measured; a project has the one it names, else the one that holds its zipcode.",
    "stations",
    _STATION,
    energy_commands.CreateStation,
    energy_commands.ChangeStation,
    energy_commands.RemoveStation,
    filters={"station_id": filters.same_text("station_id")},
    sync=Sync(("station_id",), _STATION, energy_commands.UpsertStation, _station_pk, station_document),
)


PLAIN = (PROJECTS, OWNERS, BLOCKS, ATTRIBUTE_KEYS, ATTRIBUTES, STATIONS)
"""Those that need nothing but the catalog."""

"""Rules of attributes: what is said of a project under a key, in the column of the key's data type."""

from dataclasses import replace
from typing import Any

from streams.catalog.datastore import attribute_keys, projects
from streams.catalog.datastore.entries import Attribute, AttributeKey
from streams.catalog.datastore.project_commands import ChangeAttribute, CreateAttribute, RemoveAttribute, UpsertAttribute
from streams.catalog.datastore.values import READERS
from streams.catalog.datastore.verdicts import does_not_exist, next_pk, not_found, put, removed, unchanged
from streams.catalog.outcome import Outcome, refused
from streams.catalog.state import State

COLUMNS = {
    "BOOLEAN": "boolean_value",
    "CHAR": "char_value",
    "DATE": "date_value",
    "DATETIME": "datetime_us",
    "FLOAT": "float_value",
    "INTEGER": "integer_value",
}
"""The column of each data type."""


def value_of(state: State, attribute: Attribute) -> Any:
    """The content of the column that the key's data type names, whatever the others hold."""
    return getattr(attribute, COLUMNS[state.attribute_keys[attribute.key].data_type])


def create(state: State, command: CreateAttribute, _: int) -> Outcome:
    if (wrong := _wrong(state, command.project, command.key)) is not None:
        return wrong
    pk, counted = next_pk(state, "attributes")
    return put("attributes", Attribute(pk, **command.changes()), counted)


def change(state: State, command: ChangeAttribute, _: int) -> Outcome:
    attribute = state.attributes.get(command.pk)
    if attribute is None:
        return not_found(command.pk)
    changed = replace(attribute, **command.changes())
    wrong = _wrong(state, changed.project, changed.key)
    return put("attributes", changed) if wrong is None else wrong


def remove(state: State, command: RemoveAttribute, _: int) -> Outcome:
    attribute = state.attributes.get(command.pk)
    return not_found(command.pk) if attribute is None else removed("attributes", attribute)


def upsert(state: State, command: UpsertAttribute, _: int) -> Outcome:
    project = projects.by_label(state, command.project_project_id)
    if project is None:
        return refused("no_project", f"there is no project {command.project_project_id!r}", field="project_project_id")
    key = attribute_keys.by_name(state, command.project_attribute_key_name)
    if key is None:
        name = command.project_attribute_key_name
        return refused("no_attribute_key", f"there is no attribute key {name!r}", field="project_attribute_key_name")
    of_project = state.index.all("attributes", "of_project", project.pk)
    found = [attribute for pk in of_project if (attribute := state.attributes[pk]).key == key.pk]
    if len(found) > 1:
        return refused("multiple_records", f"{len(found)} attributes have this project and key", pk=found[-1].pk)
    try:
        value = None if command.value is None else READERS[key.data_type](command.value)
    except ValueError as error:
        return refused("bad_field_value", str(error), field="value", pk=found[0].pk if found else None)
    return _file(state, found[0] if found else None, project.pk, key, value)


def _file(state: State, known: Attribute | None, project: int, key: AttributeKey, value: Any) -> Outcome:
    """Put a value in the column of its type; the other columns become null."""
    column = COLUMNS[key.data_type]
    if known is None:
        pk, counted = next_pk(state, "attributes")
        return put("attributes", Attribute(pk, project, key.pk, **{column: value}), counted, code="created")
    if getattr(known, column) == value:
        return unchanged("attributes", known)
    return put("attributes", Attribute(known.pk, project, key.pk, **{column: value}), code="updated")


def _wrong(state: State, project: int, key: int) -> Outcome | None:
    if project not in state.projects:
        return does_not_exist("project", project)
    return None if key in state.attribute_keys else does_not_exist("key", key)

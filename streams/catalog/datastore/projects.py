"""Rules of projects: the label is unique while the project lives, and what belongs to a project goes with it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from streams.catalog.datastore.entries import DatastoreTable, Project
from streams.catalog.datastore.project_commands import ChangeProject, CreateProject, RemoveProject, UpsertProject
from streams.catalog.datastore.verdicts import (
    does_not_exist,
    integrity_error,
    next_pk,
    not_found,
    not_unique,
    put,
    removed,
    upserted,
)
from streams.catalog.outcome import Outcome
from streams.catalog.state import Change, State

_TAKEN = "project with this project id already exists."
_BELONGINGS: tuple[DatastoreTable, ...] = ("traces", "attributes", "runs")


def by_label(state: State, label: str) -> Project | None:
    pk = state.index.one("label", label)
    return None if pk is None else state.projects[pk]


def create(state: State, command: CreateProject, _: int) -> Outcome:
    fields = command.changes()
    if (wrong := _wrong(state, fields, None)) is not None:
        return wrong
    pk, counted = next_pk(state, "projects")
    return put("projects", Project(pk, **fields), counted)


def change(state: State, command: ChangeProject, _: int) -> Outcome:
    project = state.projects.get(command.pk)
    if project is None:
        return not_found(command.pk)
    fields = command.changes()
    if (wrong := _wrong(state, fields, project.pk)) is not None:
        return wrong
    return put("projects", replace(project, **fields))


def remove(state: State, command: RemoveProject, _: int) -> Outcome:
    project = state.projects.get(command.pk)
    if project is None:
        return not_found(command.pk)
    return removed("projects", project, *gone(state, [project.pk], besides=False))


def upsert(state: State, command: UpsertProject, _: int) -> Outcome:
    known = by_label(state, command.project_id)
    pk = None if known is None else known.pk
    if command.project_owner is None:
        return integrity_error("project_owner_id", "project_owner_id may not be null", pk)
    if command.project_owner not in state.owners:
        return integrity_error("project_owner_id", f"there is no project owner {command.project_owner}", pk)
    fields = command.changes()
    if known is not None:
        return upserted("projects", known, replace(known, **fields))
    pk, counted = next_pk(state, "projects")
    return upserted("projects", None, Project(pk, **fields), counted)


def gone(state: State, pks: Sequence[int], *, besides: bool = True) -> list[Change]:
    """What projects take along; with `besides` they go themselves too."""
    leaving = set(pks)
    changes = [
        Change(table, found, None) for pk in pks for table in _BELONGINGS for found in state.index.all(table, "of_project", pk)
    ]
    for block in _naming(state, "blocks", "block_of_project", pks):
        left = tuple(pk for pk in state.blocks[block].projects if pk not in leaving)
        changes.append(Change("blocks", block, replace(state.blocks[block], projects=left)))
    for connection in _naming(state, "connections", "connection_of_project", pks):
        left = tuple(pk for pk in state.connections[connection].projects if pk not in leaving)
        changes.append(Change("connections", connection, replace(state.connections[connection], projects=left)))
    if besides:
        changes += [Change("projects", pk, None) for pk in pks]
    return changes


def _naming(state: State, table: DatastoreTable, name: str, pks: Sequence[int]) -> list[Any]:
    return sorted({found for pk in pks for found in state.index.all(table, name, pk)})


def _wrong(state: State, fields: dict[str, Any], pk: int | None) -> Outcome | None:
    owner, station = fields.get("project_owner"), fields.get("weather_station")
    if owner is not None and owner not in state.owners:
        return does_not_exist("project_owner", owner)
    if station is not None and station not in state.stations:
        return does_not_exist("weather_station", station)
    label = fields.get("project_id")
    if label is not None and state.index.one("label", label) not in (None, pk):
        return not_unique("project_id", _TAKEN)
    return None

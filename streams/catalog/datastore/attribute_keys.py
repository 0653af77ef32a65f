"""Rules of attribute keys: what projects may be described by, each name once."""

from dataclasses import replace

from streams.catalog.datastore.entries import AttributeKey
from streams.catalog.datastore.project_commands import (
    ChangeAttributeKey,
    CreateAttributeKey,
    RemoveAttributeKey,
    UpsertAttributeKey,
)
from streams.catalog.datastore.verdicts import next_pk, not_found, not_unique, null_in, put, removed, upserted
from streams.catalog.outcome import Outcome
from streams.catalog.state import Change, State

_TAKEN = "project attribute key with this name already exists."


def by_name(state: State, name: str) -> AttributeKey | None:
    pk = state.index.one("name", name)
    return None if pk is None else state.attribute_keys[pk]


def create(state: State, command: CreateAttributeKey, _: int) -> Outcome:
    if by_name(state, command.name) is not None:
        return not_unique("name", _TAKEN)
    pk, counted = next_pk(state, "attribute_keys")
    return put("attribute_keys", AttributeKey(pk, **command.changes()), counted)


def change(state: State, command: ChangeAttributeKey, _: int) -> Outcome:
    key = state.attribute_keys.get(command.pk)
    if key is None:
        return not_found(command.pk)
    changed = replace(key, **command.changes())
    if state.index.one("name", changed.name) not in (None, key.pk):
        return not_unique("name", _TAKEN)
    return put("attribute_keys", changed)


def remove(state: State, command: RemoveAttributeKey, _: int) -> Outcome:
    key = state.attribute_keys.get(command.pk)
    if key is None:
        return not_found(command.pk)
    attributes = state.index.all("attributes", "of_key", key.pk)
    return removed("attribute_keys", key, *(Change("attributes", pk, None) for pk in attributes))


def upsert(state: State, command: UpsertAttributeKey, _: int) -> Outcome:
    known = by_name(state, command.name)
    null = null_in(command, ("display_name", "data_type"), None if known is None else known.pk)
    if null is not None:
        return null
    if known is not None:
        return upserted("attribute_keys", known, replace(known, **command.changes()))
    pk, counted = next_pk(state, "attribute_keys")
    return upserted("attribute_keys", None, AttributeKey(pk, **command.changes()), counted)

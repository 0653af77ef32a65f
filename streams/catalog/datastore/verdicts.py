"""The verdicts of the datastore's rules, in the contract's words where it has some.

Codes of refusals: `does_not_exist`, `not_unique`, `unknown_sensor` and `bad_source` name a field, `not_found` is about the
object itself; of a sync's record `integrity_error`, `bad_field_value`, `multiple_records`, `no_project`, `no_attribute_key`,
where `pk` tells an update from a creation.
"""

from typing import Any

from streams.catalog.datastore.entries import Counter, DatastoreEntry, DatastoreTable
from streams.catalog.outcome import Outcome, refused
from streams.catalog.state import Change, State

MUST_BE_UNIQUE = "This field must be unique."


def next_pk(state: State, table: str) -> tuple[int, Change]:
    """A primary key never given before, and the change that remembers it."""
    known = state.counters.get(table)
    pk = 1 if known is None else known.last + 1
    return pk, Change("counters", table, Counter(table, pk))


def put(table: DatastoreTable, entry: Any, *more: Change, code: str = "accepted") -> Outcome:
    """The entry is stored as it is now."""
    return Outcome(True, code, f"{entry.pk} of {table} is stored", (*more, Change(table, entry.pk, entry)), entry.pk, None, entry)


def unchanged(table: DatastoreTable, entry: Any) -> Outcome:
    """A sync's record says what is known."""
    return Outcome(True, "unchanged", f"{entry.pk} of {table} is the same", (), entry.pk, None, entry)


def removed(table: DatastoreTable, entry: Any, *more: Change) -> Outcome:
    return Outcome(True, "accepted", f"{entry.pk} of {table} is removed", (*more, Change(table, entry.pk, None)), entry.pk)


def upserted(table: DatastoreTable, known: DatastoreEntry | None, entry: DatastoreEntry, *more: Change) -> Outcome:
    """Store a sync's record, unless it is stored already."""
    if known == entry:
        return unchanged(table, entry)
    return put(table, entry, *more, code="created" if known is None else "updated")


def not_found(pk: int) -> Outcome:
    return refused("not_found", "Not found.", pk=pk)


def does_not_exist(field: str, pk: int) -> Outcome:
    return refused("does_not_exist", f'Invalid pk "{pk}" - object does not exist.', field=field)


def not_unique(field: str, detail: str = MUST_BE_UNIQUE) -> Outcome:
    return refused("not_unique", detail, field=field)


def integrity_error(field: str, detail: str, known: int | None) -> Outcome:
    return refused("integrity_error", detail, field=field, pk=known)


def missing(field: str, known: Any, pks: tuple[int, ...]) -> Outcome | None:
    """The refusal when one of the primary keys is of nothing."""
    return next((does_not_exist(field, pk) for pk in pks if pk not in known), None)


def null_in(command: Any, fields: tuple[str, ...], known: int | None) -> Outcome | None:
    """The refusal when a sync's record has null where none is allowed."""
    field = next((field for field in fields if getattr(command, field) is None), None)
    return None if field is None else integrity_error(field, f"{field} may not be null", known)

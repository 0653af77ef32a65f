"""Filters of lists. One that cannot be read selects nothing."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from multidict import MultiMapping

from streams.catalog.datastore import values
from streams.catalog.state import State

Fits = Callable[[Any], bool]
Filter = Callable[[State, list[str]], Fits | None]
"""What tells whether an entry fits the values of a parameter; None: they cannot be read."""

_DAY_US = 86_400_000_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


def nothing(_: Any) -> bool:
    return False


def selected(filters: Mapping[str, Filter], state: State, query: MultiMapping[str]) -> Fits:
    """What tells whether an entry fits all the filters named in a query."""
    fits: list[Fits] = []
    for name, make in filters.items():
        if name in query:
            found = make(state, query.getall(name))
            if found is None:
                return nothing
            fits.append(found)
    return fits[0] if len(fits) == 1 else lambda entry: all(one(entry) for one in fits)


def pk_of(value: str) -> int | None:
    """A primary key as text; None when it is none."""
    value = value.strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def same_pk(column: str) -> Filter:
    def make(_: State, said: list[str]) -> Fits | None:
        pk = pk_of(said[-1])
        return None if pk is None else lambda entry: getattr(entry, column) == pk

    return make


def same_text(column: str) -> Filter:
    return lambda _, said: lambda entry: getattr(entry, column) == said[-1]


def one_of(column: str, *options: str) -> Filter:
    """One choice, the last."""
    return lambda _, said: (lambda entry: getattr(entry, column) == said[-1]) if said[-1] in options else None


def any_of(column: str, *options: str) -> Filter:
    """Any of several choices."""
    return lambda _, said: (lambda entry: getattr(entry, column) in said) if set(said) <= set(options) else None


def since(column: str) -> Filter:
    """From the start of a day, UTC."""

    def make(_: State, said: list[str]) -> Fits | None:
        first_us = _day_us(said[-1])
        return None if first_us is None else lambda entry: (us := getattr(entry, column)) is not None and us >= first_us

    return make


def until(column: str) -> Filter:
    """To the end of a day, UTC."""

    def make(_: State, said: list[str]) -> Fits | None:
        last_us = _day_us(said[-1])
        return None if last_us is None else lambda entry: (us := getattr(entry, column)) is not None and us < last_us + _DAY_US

    return make


def _day_us(said: str) -> int | None:
    try:
        return values.time_us(f"{said}T00:00") if _DAY.fullmatch(said) else None
    except ValueError:
        return None


def projects(column: str) -> Filter:
    """The projects filter: primary keys and ranges of them, with white space or plus signs between."""

    def make(_: State, said: list[str]) -> Fits:
        wanted = among(said[-1])
        return lambda entry: (pk := getattr(entry, column)) is not None and wanted(pk)

    return make


def among(said: str) -> Callable[[int], bool]:
    """What tells whether a primary key is among those of a projects filter."""
    single: set[int] = set()
    ranges: list[tuple[int, int]] = []
    for part in re.split(r"[\s+]+", said):
        found = _RANGE.fullmatch(part)
        if found is not None and found[2] is None:
            single.add(int(found[1]))
        elif found is not None:
            ranges.append((int(found[1]), int(found[2])))
    return lambda pk: pk in single or any(first <= pk <= last for first, last in ranges)


def in_blocks(*, every: bool) -> Filter:
    """Projects that are members of any of some blocks, or of all."""

    def make(state: State, said: list[str]) -> Fits | None:
        blocks = [pk_of(value) for value in said]
        if None in blocks:
            return None
        members = [set(state.blocks[pk].projects) if pk in state.blocks else set() for pk in blocks if pk is not None]
        wanted = set.intersection(*members) if every else set.union(*members)
        return lambda entry: entry.pk in wanted

    return make

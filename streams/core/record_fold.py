"""Batches of records to rows: who gets which id, and what holds. Pure: the same log gives the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.columns import Bools, Int64s
from schemas.record_part import ESTIMATED, MOVED, REMOVED, Records
from streams.core.record_batches import Batch

Key = tuple[int, int]
"""Series and start."""


@dataclass(frozen=True, slots=True)
class Known:
    """The m records that are there already, of those that batches name: shape (m,) each."""

    series: Int64s
    start_us: Int64s
    record_id: Int64s


@dataclass(frozen=True, slots=True)
class Rows:
    """The n records that changed, as they are now: shape (n,) each.

    Attributes:
        value: not-a-number: null.
        version: offset of the batch that changed it last.
    """

    series: Int64s
    start_us: Int64s
    record_id: Int64s
    value: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    estimated: Bools
    removed: Bools
    version: Int64s


@dataclass(frozen=True, slots=True)
class Folded:
    """What some batches come to.

    Attributes:
        next_id: the id that the next new record gets.
        refused: offsets of batches that took no effect.
    """

    rows: Rows
    next_id: int
    refused: tuple[int, ...] = ()


def fold(known: Known, batches: Sequence[Batch], next_id: int) -> Folded:
    """Apply batches in the order of the log.

    Args:
        known: of all records that they name, those that are there.
        batches: all plain, or none.
    """
    return _upserts(known, batches, next_id) if batches and batches[0].is_plain else _edits(known, batches, next_id)


def _upserts(known: Known, batches: Sequence[Batch], next_id: int) -> Folded:
    """All records in one line, those that are there before the others: of each key the first gives the id, the last the value."""
    m = len(known.series)
    records = np.concatenate([batch.records for batch in batches])
    version = np.repeat([batch.last for batch in batches], [len(batch.records) for batch in batches])
    series = np.concatenate([known.series, records["series"]])
    start_us = np.concatenate([known.start_us, records["start_us"]])
    order = np.lexsort((start_us, series))  # stable: equal keys stay in the order of the log
    fresh = np.ones(len(order) + 1, np.bool_)
    fresh[1:-1] = np.diff(series[order]).astype(np.bool_) | np.diff(start_us[order]).astype(np.bool_)
    first, last = order[fresh[:-1]], order[fresh[1:]]
    record_id = np.zeros(len(first), np.int64)
    record_id[first < m] = known.record_id[first[first < m]]
    new = np.flatnonzero(first >= m)
    new = new[np.argsort(first[new])]
    record_id[new] = next_id + np.arange(len(new))
    changed = last >= m
    at = last[changed] - m
    values = records[at]
    rows = Rows(
        values["series"].astype(np.int64),
        values["start_us"].astype(np.int64),
        record_id[changed],
        values["value"].astype(np.float64),
        (values["flags"] & ESTIMATED).astype(np.bool_),
        np.zeros(len(at), np.bool_),
        version[at],
    )
    return Folded(rows, next_id + len(new))


@dataclass(frozen=True, slots=True)
class _Change:
    record_id: int
    value: float
    estimated: bool
    removed: bool
    version: int


def _edits(known: Known, batches: Sequence[Batch], next_id: int) -> Folded:
    """Batches that name ids or remove: few records, judged one by one."""
    there: dict[Key, int] = dict(
        zip(zip(known.series.tolist(), known.start_us.tolist(), strict=True), known.record_id.tolist(), strict=True)
    )
    changes: dict[Key, _Change] = {}
    refused: list[int] = []
    for batch in batches:
        judged = _judged(batch, there, next_id)
        if judged is None:
            refused.append(batch.last)
            continue
        made, next_id = judged
        changes |= made
        for key, change in made.items():
            there[key] = 0 if change.removed else change.record_id
    keys, rows = list(changes), list(changes.values())
    n = len(rows)
    return Folded(
        Rows(
            np.fromiter((key[0] for key in keys), np.int64, n),
            np.fromiter((key[1] for key in keys), np.int64, n),
            np.fromiter((row.record_id for row in rows), np.int64, n),
            np.fromiter((row.value for row in rows), np.float64, n),
            np.fromiter((row.estimated for row in rows), np.bool_, n),
            np.fromiter((row.removed for row in rows), np.bool_, n),
            np.fromiter((row.version for row in rows), np.int64, n),
        ),
        next_id,
        tuple(refused),
    )


def _judged(batch: Batch, there: dict[Key, int], next_id: int) -> tuple[dict[Key, _Change], int] | None:
    """What a batch changes and the next id after it; None when it is refused."""
    made: dict[Key, _Change] = {}
    freed = 0  # id of the record that the line before removed
    for series, start_us, value, asked, flags in _lines(batch.records):
        key = series, start_us
        before = made.get(key)
        found = there.get(key, 0) if before is None else 0 if before.removed else before.record_id
        if flags & MOVED:
            if found or not asked or asked != freed:
                return None
            record_id = asked
        elif asked and found != asked:
            return None
        else:
            record_id = found
        removes = bool(flags & REMOVED)
        freed = record_id if removes else 0
        if removes and not found:
            continue
        if not record_id:
            record_id, next_id = next_id, next_id + 1
        made[key] = _Change(record_id, value, bool(flags & ESTIMATED), removes, batch.last)
    return made, next_id


def _lines(records: Records) -> list[tuple[int, int, float, int, int]]:
    return records.tolist()  # type: ignore[no-any-return]  # a list of tuples, by the type of its elements

"""Tables of records: what is there, how far the log is in them, and one insert that changes both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.columns import Int64s
from schemas.record_part import Records
from sinks.clickhouse import ClickHouse
from sinks.tables import Table
from streams.core.record_fold import Known, Rows

FEW = 300
"""Records that are asked for one by one; more are asked for by series and span of time."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the log is in a table.

    Attributes:
        next: the offset below which every batch that ends there is in the table.
        resume: where reading must begin to put the open batches together; not beyond `next`.
        next_id: of the next new record.
    """

    next: int = 0
    resume: int = 0
    next_id: int = 1


def place(store: ClickHouse, table: Table) -> Place:
    """How far the log is in the table."""
    found = store.rows(f"SELECT version, resume, id FROM {table.name} FINAL WHERE series = 0 AND start_us = 0")
    return Place(*found[0]) if found else Place()


def was_refused(store: ClickHouse, table: Table, offset: int) -> bool:
    """Whether the batch that ends at an offset, which the table is past, took no effect."""
    return bool(store.rows(f"SELECT 1 FROM {table.name} WHERE series = 0 AND start_us = {offset + 1} LIMIT 1"))


def known(store: ClickHouse, table: Table, records: Sequence[Records]) -> tuple[Place, Known]:
    """How far the log is in the table, and of the records named those that are there: both of one moment."""
    found = store.arrow(
        f"SELECT series, start_us, id, version, resume FROM {table.name} FINAL "
        f"WHERE NOT removed AND ((series = 0 AND start_us = 0) OR {named(records)})"
    )
    series, start_us, record_id, version, resume = (
        found.column(name).to_numpy().astype(np.int64) for name in ("series", "start_us", "id", "version", "resume")
    )
    at = np.flatnonzero(series == 0)
    here = Place(int(version[at[0]]), int(resume[at[0]]), int(record_id[at[0]])) if len(at) else Place()
    there = series > 0
    return here, Known(series[there], start_us[there], record_id[there])


def insert(store: ClickHouse, table: Table, rows: Rows, after: Place, refused: Iterable[int]) -> None:
    """Change records and place at once: when it returns they are changed, when it fails all are or none.

    Args:
        refused: offsets of batches that took no effect.
    """
    no = np.array(list(refused), np.int64)
    n, m = len(rows.series), len(no)
    null = np.isnan(rows.value)

    nothing = np.zeros(m, np.int64)

    def column(mine: npt.NDArray[Any], at_place: int, at_no: Int64s, kind: type) -> "pa.Array[Any]":
        return pa.array(np.concatenate([mine, [at_place], at_no]).astype(kind))

    columns = {
        "series": column(rows.series, 0, nothing, np.uint64),
        "start_us": column(rows.start_us, 0, no + 1, np.int64),
        "id": column(rows.record_id, after.next_id, nothing, np.uint64),
        "value": pa.array(np.concatenate([rows.value, np.zeros(m + 1)]), mask=np.concatenate([null, np.ones(m + 1, np.bool_)])),
        "estimated": column(rows.estimated, 0, nothing, np.bool_),
        "removed": column(rows.removed, 0, nothing, np.bool_),
        "version": column(rows.version, after.next, no, np.uint64),
        "resume": column(np.zeros(n, np.int64), after.resume, nothing, np.uint64),
    }
    store.insert(table.name, pa.RecordBatch.from_pydict(columns), in_one=True)


def named(records: Sequence[Records]) -> str:
    """A condition that is true of all these records; of others too when they are many."""
    if not records:
        return "false"
    series = np.concatenate([some["series"] for some in records])
    start_us = np.concatenate([some["start_us"] for some in records])
    if len(series) <= FEW:
        keys = ", ".join(f"({key}, {at})" for key, at in zip(series.tolist(), start_us.tolist(), strict=True))
        return f"(series, start_us) IN ({keys})"
    distinct = np.unique(series)
    which = f"series IN ({', '.join(map(str, distinct.tolist()))})" if len(distinct) <= FEW else "series > 0"
    return f"({which} AND start_us BETWEEN {start_us.min()} AND {start_us.max()})"

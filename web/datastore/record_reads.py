"""Records out of the store: columns in, JSON out, a chunk at a time."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.record_part import Records
from sinks.clickhouse import ClickHouse
from sinks.record_table import named
from sinks.tables import Table
from web.datastore.kinds import iso

CHUNK = 10_000

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """n records: shape (n,) each; value: not-a-number: null."""

    record_id: Int64s
    series: Int64s
    start_us: Int64s
    value: "npt.NDArray[np.float64]"
    estimated: "npt.NDArray[np.bool_]"

    def __len__(self) -> int:
        return len(self.record_id)

    def take(self, at: Any) -> "Found":
        """Some of them: a slice, places, or a mask."""
        return Found(self.record_id[at], self.series[at], self.start_us[at], self.value[at], self.estimated[at])

    def by_key(self) -> dict[tuple[int, int], int]:
        """Where each stands, by series and start."""
        keys = zip(self.series.tolist(), self.start_us.tolist(), strict=True)
        return {key: at for at, key in enumerate(keys)}


class ConsumptionRow(msgspec.Struct, gc=False):
    """As /consumption_records/ says it."""

    id: int
    start: str
    value: float
    estimated: bool
    metadata: int


class TraceRow(msgspec.Struct, gc=False):
    """As a trace says it."""

    id: int
    start: str
    value: float
    estimated: bool


class RecordReads:
    """What a table of records holds now. Blocks: for threads."""

    def __init__(self, store: ClickHouse, table: Table) -> None:
        self._store, self._table = store, table

    def where(self, condition: str, order: str = "id") -> Found:
        """The records of a condition."""
        return found_of(
            self._store.arrow(
                f"SELECT id, series, start_us, value, estimated FROM {self._table.name} FINAL "  # noqa: S608  # our own words
                f"WHERE series > 0 AND NOT removed AND ({condition}) ORDER BY {order}"
            )
        )

    def with_id(self, record_id: int) -> Found:
        """The record of an id: found by what had the id, then asked whether it still has."""
        keys = self._store.rows(
            f"SELECT DISTINCT series, start_us FROM {self._table.name} WHERE series > 0 AND id = {record_id}"  # noqa: S608
        )
        if not keys:
            return self.where("false")
        listed = ", ".join(f"({series}, {start_us})" for series, start_us in keys)
        return self.where(f"(series, start_us) IN ({listed}) AND id = {record_id}")

    def of(self, records: Records) -> Found:
        """Those that are there of the records named; others too when they are many."""
        return self.where(named([records])) if len(records) else self.where("false")


def found_of(table: pa.Table) -> Found:
    """Columns of an answer."""
    record_id, series, start_us = (table.column(name).to_numpy().astype(np.int64) for name in ("id", "series", "start_us"))
    value = table.column("value").to_numpy().astype(np.float64)
    return Found(record_id, series, start_us, value, table.column("estimated").to_numpy(zero_copy_only=False).astype(np.bool_))


def among(found: Found, series: Collection[int]) -> Found:
    """Those of some series."""
    distinct = np.unique(found.series)
    live = [one for one in distinct.tolist() if one in series]
    return found if len(live) == len(distinct) else found.take(np.isin(found.series, live))


def starts(start_us: Int64s) -> list[str]:
    """Times as the datastore says them."""
    if (start_us % 1_000_000).any():
        return [iso(one) for one in start_us.tolist()]
    texts: list[str] = np.datetime_as_string(start_us.astype("datetime64[us]"), unit="s", timezone="UTC").tolist()
    return texts


def consumption_rows(found: Found) -> list[Any]:
    columns = (found.record_id, found.value, found.estimated, found.series)
    ids, value, estimated, trace = (column.tolist() for column in columns)
    return list(map(ConsumptionRow, ids, starts(found.start_us), value, estimated, trace))


def trace_rows(found: Found) -> list[Any]:
    ids, value, estimated = (column.tolist() for column in (found.record_id, found.value, found.estimated))
    return list(map(TraceRow, ids, starts(found.start_us), value, estimated))


def json_list(found: Found, rows_of: Callable[[Found], list[Any]]) -> Iterator[bytes]:
    """A JSON list, in pieces; not-a-number becomes null."""
    if not len(found):
        yield b"[]"
        return
    for at in range(0, len(found), CHUNK):
        piece = msgspec.json.encode(rows_of(found.take(slice(at, at + CHUNK))))[1:-1]
        yield (b"," if at else b"[") + piece + (b"]" if at + CHUNK >= len(found) else b"")

"""Raw readings of one sensor as the batches that the hot path folds: first copies, in the order of their own time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.columns import Bytes, Int64s
from schemas.sensor_reading import ReadingBatch
from sinks import tables
from sinks.broker import Offsets
from sinks.clickhouse import ClickHouse, quoted

PIECE_S = 1800
"""Read at once: up to 5,400 probe-seconds, 2 MB."""


def batches(store: ClickHouse, sensor_id: str, begin_s: int, end_s: int, below: Offsets | None = None) -> Iterator[ReadingBatch]:
    """What raw holds of [begin_s, end_s), piece by piece.

    Args:
        below: as in `raw.read`; None: everything.
    """
    count = 0
    for at in range(begin_s, end_s, PIECE_S):
        rows = store.arrow(_query(sensor_id, at, min(at + PIECE_S, end_s), below))
        if rows.num_rows:
            batch = batch_of(sensor_id, rows, count)
            count += len(batch)
            yield batch


def batch_of(sensor_id: str, rows: pa.Table, first_offset: int = 0) -> ReadingBatch:
    """Columns as in `_query`, by second and probe; as if they had been the whole log, in this order, from an offset on."""
    table = rows.combine_chunks()
    column = {name: table[name].to_numpy().astype(np.int64) for name in ("second_s", "probe", "received_ms")}
    second = column["second_s"]
    first = np.flatnonzero(np.concatenate(([True], second[1:] != second[:-1])))
    n, m = len(first), len(second)
    buffer, places = _packed(table)
    zero = np.zeros(n, np.int64)
    return ReadingBatch(
        names=[sensor_id],
        buffer=buffer,
        offset=np.arange(first_offset, first_offset + n),
        appended_ms=second[first] * 1000,
        sensor=zero,
        timestamp_s=second[first],
        received_at_ms=column["received_ms"][first],
        version_at=zero,
        reading=np.repeat(np.arange(n), np.diff(np.append(first, m))),
        probe=column["probe"] - 1,
        kind=np.zeros(m, np.int64),
        samples=places["power"][1],
        voltages=places["voltage"][1],
        power_at=places["power"][0],
        pf_at=places["pf"][0],
        voltage_at=places["voltage"][0],
    )


def _packed(table: pa.Table) -> tuple[Bytes, dict[str, tuple[Int64s, Int64s]]]:
    """The lists of three columns behind each other as bytes; by name: where each stands, and how many numbers it has."""
    parts: list[Bytes] = []
    places: dict[str, tuple[Int64s, Int64s]] = {}
    used = 0
    for name, kind in (("power", "<i4"), ("pf", "i1"), ("voltage", "<i4")):
        lists: Any = table[name].combine_chunks()
        edges = lists.offsets.to_numpy().astype(np.int64)
        values = np.ascontiguousarray(lists.values.to_numpy()[edges[0] : edges[-1]], kind)
        places[name] = used + (edges[:-1] - edges[0]) * values.itemsize, np.diff(edges)
        parts.append(values.view(np.uint8))
        used += values.nbytes
    return np.concatenate(parts), places


def _query(sensor_id: str, begin_s: int, end_s: int, below: Offsets | None) -> str:
    bounds = " OR ".join(f"(log_partition = {partition} AND log_offset < {end})" for (_, partition), end in (below or {}).items())
    return (
        "SELECT toUnixTimestamp(second) AS second_s, probe, toUnixTimestamp64Milli(received_at) AS received_ms, "
        f"power, pf, voltage FROM {tables.READINGS_RAW.name} FINAL "
        f"WHERE sensor_id = {quoted(sensor_id)} AND second >= {begin_s} AND second < {end_s} AND ({bounds or '1'}) "
        "ORDER BY second, probe SETTINGS do_not_merge_across_partitions_select_final = 1"
    )

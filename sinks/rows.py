"""Events to the rows of their tables: Arrow record batches built from whole columns, never sample by sample."""

from typing import Any

import numpy as np
import pyarrow as pa

from schemas.columns import Bytes, Int64s, gather
from schemas.conflict import Conflicts
from schemas.power_minute import PROBE_FIELDS, MinuteRows
from schemas.sensor_reading import PROBE_TYPES, ReadingBatch

RANK_MAX = np.uint64(2**64 - 1)
"""rank = RANK_MAX - offset: of two copies the table keeps the higher rank, so the first in the log."""

_VERSION_BYTES = 6

_MINUTE_TYPES: dict[str, type[np.integer]] = {
    "seconds_mask": np.uint64,
    "samples": np.uint16,
    "power_min_mw": np.int32,
    "power_max_mw": np.int32,
    "voltage_min_mv": np.int32,
    "voltage_max_mv": np.int32,
}


def readings(batch: ReadingBatch, partition: Int64s) -> pa.RecordBatch:
    """One row per probe-second, in the table's order.

    Args:
        batch: n readings of sensor.readings, of any partitions.
        partition: shape (n,), where each stands.

    Returns:
        the rows of `readings_raw`, as many as the batch has probe-seconds.
    """
    place, sensors = _vocabulary(batch.names, batch.sensor)
    order = np.lexsort((batch.probe, batch.timestamp_s[batch.reading], place[batch.reading]))
    reading = batch.reading[order]
    version_at, versions = _texts(batch.buffer, batch.version_at, _VERSION_BYTES)
    columns = {
        "sensor_id": _dictionary(place[reading], sensors),
        "second": pa.array(batch.timestamp_s[reading].astype(np.uint32)),
        "probe": pa.array((batch.probe[order] + 1).astype(np.uint8)),
        "probe_type": _dictionary(batch.kind[order], list(PROBE_TYPES)),
        "format_version": _dictionary(version_at[reading], versions),
        "received_at": pa.array(batch.received_at_ms[reading]).cast(pa.timestamp("ms", "UTC")),
        "log_partition": pa.array(partition[reading].astype(np.int32)),
        "rank": pa.array(RANK_MAX - batch.offset[reading].astype(np.uint64)),
        "power": _lists(batch.buffer, batch.power_at[order], batch.samples[order], "<i4"),
        "pf": _lists(batch.buffer, batch.pf_at[order], batch.samples[order], "i1"),
        "voltage": _lists(batch.buffer, batch.voltage_at[order], batch.voltages[order], "<i4"),
    }
    return pa.RecordBatch.from_pydict(columns)


def minutes(batch: MinuteRows) -> pa.RecordBatch:
    """One row per probe that was present: the rows of `minutes_raw`, in the table's order."""
    place, sensors = _vocabulary(batch.names, batch.sensor)
    probe, at = np.nonzero(batch.probes["seconds_mask"])
    order = np.lexsort((probe, batch.minute_s[at], place[at]))
    probe, at = probe[order], at[order]
    columns = {
        "sensor_id": _dictionary(place[at], sensors),
        "minute": pa.array(batch.minute_s[at].astype(np.uint32)),
        "probe": pa.array((probe + 1).astype(np.uint8)),
        "version": pa.array(batch.version[at].astype(np.uint64)),
    }
    columns |= {name: pa.array(batch.probes[name][probe, at].astype(_MINUTE_TYPES.get(name, np.int64))) for name in PROBE_FIELDS}
    return pa.RecordBatch.from_pydict(columns)


def conflicts(found: Conflicts, partition: Int64s) -> pa.RecordBatch:
    """One row per conflict: the rows of `conflicts_raw`; partition has shape (c,)."""
    place, sensors = _vocabulary(found.names, found.sensor)
    columns = {
        "sensor_id": _dictionary(place, sensors),
        "second": pa.array(found.timestamp_s.astype(np.uint32)),
        "probe": pa.array((found.probe + 1).astype(np.uint8)),
        "log_partition": pa.array(partition.astype(np.int32)),
        "first_offset": pa.array(found.first_offset.astype(np.uint64)),
        "later_offset": pa.array(found.later_offset.astype(np.uint64)),
    }
    return pa.RecordBatch.from_pydict(columns)


def _vocabulary(names: list[str], index: Int64s) -> tuple[Int64s, list[str]]:
    """Only the names in use, in alphabetical order, and the index into them."""
    used, inverse = np.unique(index, return_inverse=True)
    present = [names[i] for i in used.tolist()]
    order = sorted(range(len(present)), key=lambda i: present[i].encode())
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[inverse], [present[i] for i in order]


def _texts(buffer: Bytes, at: Int64s, width: int) -> tuple[Int64s, list[str]]:
    """Distinct texts of `width` bytes, and the index into them: shape (n,)."""
    distinct, index = np.unique(gather(buffer, at, width, f"S{width}").reshape(-1), return_inverse=True)
    return index, [text.decode("utf-8", "replace") for text in distinct.tolist()]


def _dictionary(index: Int64s, names: list[str]) -> "pa.DictionaryArray[Any, Any]":
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32), pa.int32()), pa.array(names, pa.string()))


def _lists(buffer: Bytes, at: Int64s, count: Int64s, dtype: str) -> "pa.ListArray[Any]":
    """Packed samples as a list column: m lists of count[i] values that stand at at[i]."""
    ends = np.zeros(len(count) + 1, np.int32)
    np.cumsum(count, out=ends[1:])
    size = np.dtype(dtype).itemsize
    widths = np.flatnonzero(np.bincount(count, minlength=1)).tolist()
    if len(widths) == 1:
        flat = gather(buffer, at, widths[0] * size, dtype).reshape(-1)
    else:
        flat = np.empty(int(ends[-1]), dtype)
        for n in widths:
            rows = np.flatnonzero(count == n)
            flat[ends[rows][:, None] + np.arange(n)] = gather(buffer, at[rows], n * size, dtype)
    made: pa.ListArray[Any] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(flat))
    return made

"""Frames and minutes of Linkys to the rows of their tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import tic_kernels as k
from schemas.columns import Bytes, Int64s
from schemas.tic_batch import MODES, FrameBatch
from schemas.tic_facts import COLOURS
from schemas.tic_minute import TicMinute, TicPhase
from sinks.rows import RANK_MAX

Array = Any
"""A column of pyarrow, of whichever type."""


def frames(batch: FrameBatch, partition: Int64s, offset: Int64s) -> pa.RecordBatch:
    """One row per frame: the rows of `tic_frames_raw`, in the order of the log.

    Args:
        batch: n frames of tic.frames, of any partitions.
        partition, offset: shape (n,), where each stands.
    """
    t, buffer, status = batch.table, batch.buffer, batch.statuses()
    columns = {
        "meter_id": _texts(buffer, t[:, k.METER_AT], t[:, k.METER_LENGTH]),
        "boot_id": _texts(buffer, t[:, k.BOOT_AT], t[:, k.BOOT_LENGTH]),
        "counter": pa.array(t[:, k.COUNTER].astype(np.uint64)),
        "second": pa.array(batch.at_s.astype(np.uint32)),
        "meter_second": pa.array(t[:, k.METER_S].astype(np.uint32), mask=t[:, k.METER_S] < 0),
        "received_at": pa.array(t[:, k.RECEIVED_MS]).cast(pa.timestamp("ms", "UTC")),
        "clock_degraded": pa.array(t[:, k.DEGRADED] != 0),
        "clock_synchronised": pa.array(t[:, k.SYNCHRONISED] != 0),
        "monotonic_ms": pa.array(t[:, k.MONOTONIC_MS].astype(np.uint64)),
        "mode": _named(t[:, k.MODE], MODES),
        **_groups(batch),
        **_status(buffer, status),
        "relays_closed": pa.array(t[:, k.RELAYS].astype(np.uint8), mask=t[:, k.RELAYS] < 0),
        "characters": pa.array(t[:, k.CHARACTERS].astype(np.uint32)),
        "bad_characters": pa.array(t[:, k.BAD_CHARACTERS].astype(np.uint32)),
        "discarded_frames": pa.array(t[:, k.DISCARDED].astype(np.uint32)),
        "stray_characters": pa.array(t[:, k.STRAY].astype(np.uint64)),
        **_refusals(batch),
        "log_partition": pa.array(partition.astype(np.int32)),
        "rank": pa.array(RANK_MAX - offset.astype(np.uint64)),
    }
    return pa.RecordBatch.from_pydict(columns)


def _groups(batch: FrameBatch) -> dict[str, Array]:
    g, edges = batch.groups(), _edges(batch.table[:, k.LABELS])
    kind = g[:, k.KIND]
    values = {
        "label": _texts(batch.buffer, g[:, k.LABEL_AT], g[:, k.LABEL_LENGTH]),
        "number": pa.array(g[:, k.VALUE], mask=kind != 1),
        "text": _texts(batch.buffer, g[:, k.VALUE], np.where(kind == 2, g[:, k.VALUE_LENGTH], 0)),
        "stamp": pa.array(g[:, k.STAMP_S].astype(np.uint32), mask=g[:, k.STAMP_S] < 0),
        "stamp_degraded": pa.array(g[:, k.STAMP_DEGRADED] != 0),
    }
    return {name: pa.ListArray.from_arrays(edges, array) for name, array in values.items()}


def _status(buffer: Bytes, s: Int64s) -> dict[str, Array]:
    def flag(field: int) -> Array:
        return pa.array(s[:, field] != 0)

    def small(field: int) -> Array:
        return pa.array(s[:, field].astype(np.uint8))

    return {
        "breaker": _texts(buffer, s[:, k.BREAKER_AT], s[:, k.BREAKER_LENGTH]),
        "contact_open": flag(k.CONTACT_OPEN),
        "over_voltage": flag(k.OVER_VOLTAGE),
        "over_power": flag(k.OVER_POWER),
        "supplier_index": small(k.SUPPLIER),
        "tempo_today": _named(s[:, k.TODAY], COLOURS),
        "tempo_tomorrow": _named(s[:, k.TOMORROW], COLOURS),
        "peak_announced": small(k.PEAK_ANNOUNCED),
        "peak_running": small(k.PEAK_RUNNING),
    }


def _refusals(batch: FrameBatch) -> dict[str, Array]:
    count = batch.table[:, k.REJECTED]
    r = np.empty((int(count.sum()), k.REFUSAL_FIELDS), np.int64)
    k.refusals(batch.buffer, batch.table, r)
    raw = [batch.buffer[at : at + n].tobytes().hex() for at, n in r[:, [k.RAW_AT, k.RAW_LENGTH]].tolist()]
    values = {
        "rejected_label": _texts(batch.buffer, r[:, k.NAME_AT], r[:, k.NAME_LENGTH]),
        "rejected_code": _texts(batch.buffer, r[:, k.CODE_AT], r[:, k.CODE_LENGTH]),
        "rejected_hex": pa.array(raw, pa.string()),
    }
    edges = _edges(count)
    return {name: pa.ListArray.from_arrays(edges, array) for name, array in values.items()}


def minutes(found: Sequence[TicMinute]) -> pa.RecordBatch:
    """One row per minute: the rows of `tic_minutes_raw`, in the table's order."""
    found = sorted(found, key=lambda one: (one.meter_id.encode(), one.minute_s, one.version))

    def plain(name: str, kind: pa.DataType) -> Array:
        return pa.array([getattr(one, name) for one in found], kind)

    def phases(quantity: str, field: str, kind: pa.DataType) -> Array:
        of: list[list[TicPhase]] = [getattr(one, quantity) for one in found]
        return pa.array([[getattr(phase, field) for phase in one] for one in of], pa.list_(kind))

    def indexes(field: str, kind: pa.DataType) -> Array:
        return pa.array([[getattr(index, field) for index in one.indexes] for one in found], pa.list_(kind))

    u8, u16, u32, u64, i64, flag, text = pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.int64(), pa.bool_(), pa.string()
    columns = {
        "meter_id": plain("meter_id", text),
        "minute": plain("minute_s", u32),
        "version": plain("version", u64),
        "frames": plain("frames", u16),
        "seconds_mask": plain("seconds_mask", u64),
        "apparent_frames": plain("apparent_frames", u16),
        "apparent_sum_va": plain("apparent_sum_va", u64),
        "apparent_min_va": plain("apparent_min_va", u32),
        "apparent_max_va": plain("apparent_max_va", u32),
        "injected_max_va": plain("injected_max_va", u32),
        "voltage_frames": phases("voltages", "frames", u16),
        "voltage_sum_v": phases("voltages", "sum", u64),
        "voltage_min_v": phases("voltages", "least", u32),
        "voltage_max_v": phases("voltages", "most", u32),
        "current_frames": phases("currents", "frames", u16),
        "current_sum_a": phases("currents", "sum", u64),
        "current_max_a": phases("currents", "most", u32),
        "tariff": plain("tariff", u8),
        "tariff_name": plain("tariff_name", text),
        "index_label": indexes("label", text),
        "index_first_wh": indexes("first_wh", i64),
        "index_last_wh": indexes("last_wh", i64),
        "energy_wh": indexes("energy_wh", i64),
        "drawn_wh": plain("drawn_wh", i64),
        "injected_wh": plain("injected_wh", i64),
        "contract_va": plain("contract_va", u32),
        "tempo_today": plain("tempo_today", text),
        "tempo_tomorrow": plain("tempo_tomorrow", text),
        "over_power": plain("over_power", flag),
        "clock_degraded": plain("clock_degraded", flag),
        "characters": plain("characters", u64),
        "bad_characters": plain("bad_characters", u64),
        "rejected_groups": plain("rejected_groups", u64),
        "discarded_frames": plain("discarded_frames", u64),
        "lost_frames": plain("lost_frames", u64),
        "quarantined": plain("quarantined", u16),
    }
    return pa.RecordBatch.from_pydict(columns)


def _edges(counts: Int64s) -> Array:
    return pa.array(np.concatenate(([0], np.cumsum(counts))).astype(np.int32), pa.int32())


def _named(index: Int64s, names: Sequence[str]) -> "pa.DictionaryArray[Any, Any]":
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32), pa.int32()), pa.array(names, pa.string()))


def _texts(buffer: Bytes, at: Int64s, length: Int64s) -> Array:
    """Spans of ASCII as a column of texts."""
    ends = np.concatenate(([0], np.cumsum(length))).astype(np.int32)
    out = np.empty(int(ends[-1]), np.uint8)
    k.lay(buffer, at, length, out)
    return pa.StringArray.from_buffers(len(at), pa.py_buffer(ends.tobytes()), pa.py_buffer(out.tobytes()))

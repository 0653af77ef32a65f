"""Reads whole minutes back out of the raw table, and folds them as the hot path does."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.power_minute import MinuteRows
from schemas.units import MINUTE_S
from sinks import tables
from sinks.broker import Offsets
from sinks.clickhouse import ClickHouse, quoted
from streams.core.rebuild import Lists, figures_of, whole_minutes

Minute = tuple[str, int]
"""Sensor id, and the UTC second at which the minute starts."""


def read_minutes(store: ClickHouse, wanted: Iterable[Minute], below: Offsets) -> MinuteRows:
    """Whole minutes from raw, as the hot path would have counted them.

    Args:
        store: where raw is.
        wanted: the minutes; those that have no raw rows are left out of the answer.
        below: by topic and partition of sensor.readings, the offset that raw is complete up to. What lies
            beyond is not read: half an insert would give a version two contents.
    """
    return fold(store.arrow(_query(wanted, below)))


def fold(stored: pa.Table) -> MinuteRows:
    """First copies of probe-seconds to minutes; columns as in `_query`."""
    table = stored.combine_chunks()
    ids: Any = table["sensor_id"].combine_chunks()
    ids = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
    column = {name: table[name].to_numpy().astype(np.int64) for name in ("second_s", "probe", "log_offset")}
    return whole_minutes(
        ids.dictionary.to_pylist(),
        ids.indices.to_numpy().astype(np.int64),
        column["second_s"],
        column["log_offset"],
        column["probe"] - 1,
        figures_of(_lists(table["power"]), _lists(table["pf"]), _lists(table["voltage"])),
    )


def spans(wanted: Iterable[Minute]) -> list[tuple[str, int, int]]:
    """Minutes as few stretches: (sensor id, first second, end second) each, in order."""
    found: list[tuple[str, int, int]] = []
    for sensor, minute in sorted(set(wanted)):
        if found and found[-1][0] == sensor and found[-1][2] == minute:
            found[-1] = (sensor, found[-1][1], minute + MINUTE_S)
        else:
            found.append((sensor, minute, minute + MINUTE_S))
    return found


def _query(wanted: Iterable[Minute], below: Offsets) -> str:
    places = " OR ".join(f"(sensor_id = {quoted(s)} AND second >= {start} AND second < {end})" for s, start, end in spans(wanted))
    bounds = " OR ".join(f"(log_partition = {partition} AND log_offset < {end})" for (_, partition), end in below.items())
    return (
        "SELECT sensor_id, toUnixTimestamp(second) AS second_s, probe, log_offset, power, pf, voltage "
        f"FROM {tables.READINGS_RAW.name} FINAL WHERE ({places or '0'}) AND ({bounds or '0'}) "
        "SETTINGS do_not_merge_across_partitions_select_final = 1"
    )


def _lists(column: "pa.ChunkedArray[Any]") -> Lists:
    array: Any = column.combine_chunks()
    edges = array.offsets.to_numpy().astype(np.int64)
    return Lists(array.values.to_numpy()[edges[0] : edges[-1]], edges - edges[0])

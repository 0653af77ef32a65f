"""Reads whole minutes back out of the raw table, and folds them as the hot path does."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.columns import Int64s
from schemas.conflict import Conflicts
from schemas.figures import ProbeSeconds
from schemas.late_minute import Copies
from schemas.power_minute import MinuteRows
from schemas.units import MINUTE_S
from sinks import tables
from sinks.broker import Offsets
from sinks.clickhouse import ClickHouse, quoted
from streams.core.rebuild import Lists, differing, figures_of, whole_minutes

Minute = tuple[str, int]
"""Sensor id, and the UTC second at which the minute starts."""


@dataclass(frozen=True, slots=True)
class Stored:
    """m probe-seconds of raw; shape (m,) each, as in the table, probe 0..2.

    Attributes:
        names: the vocabulary that `sensor` indexes.
        figures: of their samples.
    """

    names: list[str]
    sensor: Int64s
    timestamp_s: Int64s
    probe: Int64s
    log_partition: Int64s
    log_offset: Int64s
    figures: ProbeSeconds

    def minutes(self) -> MinuteRows:
        """Folded as the hot path would have."""
        return whole_minutes(self.names, self.sensor, self.timestamp_s, self.log_offset, self.probe, self.figures)

    def conflicts(self, late: dict[Minute, Copies]) -> tuple[Conflicts, Int64s]:
        """Which of the late copies hold other values than what is stored, and the partition of each."""
        found, rows = differing(self.names, self.sensor, self.timestamp_s, self.log_offset, self.probe, self.figures.digest, late)
        return found, self.log_partition[rows]


def read(store: ClickHouse, wanted: Iterable[Minute], below: Offsets) -> Stored:
    """What raw holds of some minutes: first copies.

    Args:
        store: where raw is.
        wanted: the minutes.
        below: by topic and partition of sensor.readings, the offset that raw is complete up to. What lies
            beyond is not read: half an insert would give a version two contents.
    """
    return stored(store.arrow(_query(wanted, below)))


def read_minutes(store: ClickHouse, wanted: Iterable[Minute], below: Offsets) -> MinuteRows:
    """Whole minutes from raw, as `read`; those that have no raw rows are left out of the answer."""
    return read(store, wanted, below).minutes()


def stored(rows: pa.Table) -> Stored:
    """Columns as in `_query`."""
    table = rows.combine_chunks()
    ids: Any = table["sensor_id"].combine_chunks()
    ids = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
    column = {name: table[name].to_numpy().astype(np.int64) for name in ("second_s", "probe", "log_partition", "log_offset")}
    return Stored(
        ids.dictionary.to_pylist(),
        ids.indices.to_numpy().astype(np.int64),
        column["second_s"],
        column["probe"] - 1,
        column["log_partition"],
        column["log_offset"],
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
        "SELECT sensor_id, toUnixTimestamp(second) AS second_s, probe, log_partition, log_offset, power, pf, voltage "
        f"FROM {tables.READINGS_RAW.name} FINAL WHERE ({places or '0'}) AND ({bounds or '0'}) "
        "SETTINGS do_not_merge_across_partitions_select_final = 1"
    )


def _lists(column: "pa.ChunkedArray[Any]") -> Lists:
    array: Any = column.combine_chunks()
    edges = array.offsets.to_numpy().astype(np.int64)
    return Lists(array.values.to_numpy()[edges[0] : edges[-1]], edges - edges[0])

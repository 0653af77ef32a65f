"""Conflicts: copies of a probe-second with other values than the first; as columns, and as values of `sensor.conflicts`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas import columns, topics, wire
from schemas.columns import Int64s
from schemas.names import Names


@dataclass(frozen=True, slots=True)
class Conflicts:
    """c conflicts.

    Attributes:
        names: the vocabulary that `sensor` indexes.
        sensor, timestamp_s, first_offset, later_offset: shape (c,), as in conflict.avsc.
        probe: shape (c,), 0..2 for phase A, B, C.
    """

    names: list[str]
    sensor: Int64s
    timestamp_s: Int64s
    probe: Int64s
    first_offset: Int64s
    later_offset: Int64s

    def __len__(self) -> int:
        return len(self.sensor)


def encode_conflicts(header: bytes, found: Conflicts, partition: Int64s | int) -> list[tuple[bytes, bytes]]:
    """Conflicts as (key, value) pairs.

    Args:
        header: `wire.header` of the schema's id.
        found: what to encode.
        partition: of `sensor.readings`; shape (c,), or one for all.
    """
    if not len(found):
        return []
    keys = [name.encode() for name in found.names]
    bodies = columns.records(
        [
            columns.constant(header, len(found)),
            columns.texts(keys, found.sensor),
            columns.varints(found.timestamp_s),
            columns.varints(found.probe + 1),
            columns.varints(np.broadcast_to(partition, len(found))),
            columns.varints(found.first_offset),
            columns.varints(found.later_offset),
        ]
    )
    return list(zip([keys[c] for c in found.sensor.tolist()], bodies, strict=True))


def decode_conflicts(values: Sequence[bytes | None], schema_of: wire.SchemaOf) -> tuple[Conflicts, Int64s, list[tuple[int, str]]]:
    """Decode conflicts, in order; they are few, so one at a time.

    Returns:
        the conflicts, shape (c,) partition of `sensor.readings`, and (position, reason) of each value that is none.

    Raises:
        RegistryUnavailable: a schema id is new and the registry cannot be asked; nothing is lost, try again.
    """
    names, rejected = Names(), []
    rows: list[tuple[int, ...]] = []
    for at, value in enumerate(values):
        try:
            record = wire.decode(topics.CONFLICTS, value, schema_of)
        except wire.WireError as error:
            rejected.append((at, str(error)))
            continue
        numbers = [record[name] for name in ("timestamp_s", "probe_id", "log_partition", "first_offset", "later_offset")]
        if not 0 <= numbers[0] < 1 << 32 or not 1 <= numbers[1] <= 3 or min(numbers[2:]) < 0:
            rejected.append((at, f"second, probe, partition, offsets are {numbers}; expected a time, 1 to 3, none negative"))
            continue
        rows.append((names.code(record["sensor_id"]), *numbers))
    table = np.array(rows, np.int64).reshape(-1, 6).T
    return Conflicts(names.names, table[0], table[1], table[2] - 1, table[4], table[5]), table[3], rejected

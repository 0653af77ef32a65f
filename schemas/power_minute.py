"""Sensor-minutes as columns, and as values of `power.minutes`."""

from dataclasses import dataclass

import numpy as np

from schemas import columns
from schemas.columns import Int64s, Piece
from schemas.units import PROBES

PROBE_FIELDS = (
    "seconds_mask",
    "samples",
    "energy_units",
    "power_min_mw",
    "power_max_mw",
    "pf_units",
    "voltage_units",
    "voltage_min_mv",
    "voltage_max_mv",
)
"""The fields of ProbeMinute after probe_id, in the order of power_minute.avsc."""


@dataclass(slots=True)
class MinuteRows:
    """r sensor-minutes.

    Attributes:
        names: the vocabulary that `sensor` indexes.
        sensor, minute_s, version: shape (r,), as in power_minute.avsc.
        probes: by field of PROBE_FIELDS, shape (3, r); a probe whose seconds_mask is 0 was absent all minute.
    """

    names: list[str]
    sensor: Int64s
    minute_s: Int64s
    version: Int64s
    probes: dict[str, Int64s]

    def __len__(self) -> int:
        return len(self.sensor)


def encode_minutes(header: bytes, rows: MinuteRows) -> list[tuple[bytes, bytes]]:
    """Minutes as (key, value) pairs for `power.minutes`.

    Args:
        header: `wire.header` of the schema's id.
        rows: r minutes, each with at least one probe.
    """
    keys = [name.encode() for name in rows.names]
    present = rows.probes["seconds_mask"] != 0
    pattern = present[0] + 2 * present[1] + 4 * present[2]
    out: list[tuple[bytes, bytes]] = []
    for kind in np.unique(pattern).tolist():
        at = np.flatnonzero(pattern == kind)
        probes = [k for k in range(PROBES) if kind >> k & 1]
        pieces = [
            columns.constant(header, len(at)),
            columns.texts(keys, rows.sensor[at]),
            columns.varints(rows.minute_s[at]),
            columns.varints(rows.version[at]),
            columns.constant(columns.varint(len(probes)), len(at)),
        ]
        for k in probes:
            pieces.append(columns.constant(columns.varint(k + 1), len(at)))
            pieces += [_column(rows, name, k, at) for name in PROBE_FIELDS]
        pieces.append(columns.constant(b"\0", len(at)))
        out += zip([keys[c] for c in rows.sensor[at].tolist()], columns.records(pieces), strict=True)
    return out


def _column(rows: MinuteRows, name: str, k: int, at: Int64s) -> Piece:
    return columns.varints(rows.probes[name][k, at])

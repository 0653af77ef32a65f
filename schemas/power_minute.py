"""Sensor-minutes as columns, and as values of `power.minutes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from schemas import columns, topics, wire
from schemas.columns import Bools, Bytes, Columns, Int64s, Piece
from schemas.names import Names
from schemas.units import MINUTE_S, PROBES, SAMPLES_MAX, SAMPLES_MIN

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


# ---- values to columns -------------------------------------------------------------------------------------


class MinuteDecoder:
    """Turns values of `power.minutes` into columns.

    Args:
        schema_of: finds writers' schemas.
        names: the vocabulary of sensor ids; shared by all batches of one process.
    """

    def __init__(self, schema_of: wire.SchemaOf, names: Names | None = None) -> None:
        self.names = Names() if names is None else names
        self._schema_of = schema_of
        self._ours = wire.raw_schema(topics.MINUTES)
        self._present: set[bytes] = set()

    def decode(self, values: Sequence[bytes | None]) -> tuple[MinuteRows, list[tuple[int, str]]]:
        """Decode minutes, in order.

        Returns:
            the minutes, and (position, reason) of each value that is none.

        Raises:
            RegistryUnavailable: a schema id is new and the registry cannot be asked; nothing is lost, try again.
        """
        bodies: dict[int, bytes | None] = dict(enumerate(values))
        rejected: dict[int, str] = {}
        tried: set[int] = set()
        odd = [at for at, value in bodies.items() if not self._is_present(value)]
        while True:
            for at in odd:
                try:
                    if at in tried:
                        raise wire.WireError("the record cannot be held in columns; expected what schemas/power_minute.avsc says")
                    bodies[at] = self._slow(values[at])
                except wire.WireError as error:
                    rejected[at] = str(error)
                    del bodies[at]
            buffer, starts, ends = columns.join(cast(list[bytes], list(bodies.values())))
            cols, bad = columns.decode(self._ours, buffer, starts + wire.HEADER, ends)
            wrong = bad | _broken(cols)
            if not wrong.any():
                rows = _rows(cols, buffer, self.names)
                wrong = rows.sensor < 0
                if not wrong.any():
                    return rows, sorted(rejected.items())
            tried.update(odd)
            odd = [list(bodies)[i] for i in np.flatnonzero(wrong).tolist()]

    def _is_present(self, value: bytes | None) -> bool:
        """Whether the value begins with a schema id whose layout is the present one."""
        head = b"" if value is None else value[: wire.HEADER]
        if head in self._present:
            return True
        if len(head) < wire.HEADER or head[0] != 0:
            return False
        schema = self._schema_of(int.from_bytes(head[1:], "big"))
        if schema is None or wire.layout(schema) != wire.layout(self._ours):
            return False
        self._present.add(head)
        return True

    def _slow(self, value: bytes | None) -> bytes:
        """One value in our layout; WireError when it is no minute."""
        record = wire.decode(topics.MINUTES, value, self._schema_of)
        problem = _problem(record)
        if problem:
            raise wire.WireError(problem)
        return wire.encode(topics.MINUTES, 0, record)


_EXTREMES = ("power_min_mw", "power_max_mw", "voltage_min_mv", "voltage_max_mv")
_INT32 = 1 << 31
_SECONDS_END = 1 << 32
"""ClickHouse keeps times of day as 32-bit seconds."""


def _broken(cols: Columns) -> Bools:
    """Which records break a rule of `_problem`; shape (n,)."""
    n = len(cols.numbers["minute_s"])
    minute, length = cols.numbers["minute_s"], cols.lengths["sensor_id"]
    bad: Bools = (length < 1) | (length > 64) | (minute < 0) | (minute >= _SECONDS_END) | (minute % MINUTE_S != 0)
    bad |= cols.numbers["version"] < 0
    seen = np.zeros(n, np.int64)
    for k, item in enumerate(cols.items["probes"]):
        f = item.columns.numbers
        probe = f["probe_id"]
        wrong = (probe < 1) | (probe > PROBES) | (f["seconds_mask"] < 1) | (f["seconds_mask"] >= 1 << MINUTE_S)
        wrong |= (f["samples"] < SAMPLES_MIN) | (f["samples"] > SAMPLES_MAX * MINUTE_S) | (k >= PROBES)
        for name in _EXTREMES:
            wrong |= (f[name] < -_INT32) | (f[name] >= _INT32)
        bit = np.int64(1) << np.clip(probe, 0, PROBES + 1)
        wrong |= seen[item.rows] & bit != 0
        seen[item.rows] |= bit
        bad[item.rows] |= wrong
    bad |= seen == 0
    return bad


def _problem(record: dict[str, Any]) -> str | None:
    """Which rule of a minute a record breaks, in words."""
    ids = [p["probe_id"] for p in record["probes"]]
    if not 1 <= len(record["sensor_id"].encode()) <= 64:
        return f"sensor_id has {len(record['sensor_id'].encode())} bytes; expected 1 to 64"
    if record["minute_s"] % MINUTE_S or not 0 <= record["minute_s"] < _SECONDS_END:
        return f"minute_s is {record['minute_s']}; expected the start of a minute in seconds since 1970"
    if record["version"] < 0:
        return f"version is {record['version']}; expected an offset"
    if not ids or len(set(ids)) != len(ids) or not set(ids) <= {1, 2, 3}:
        return f"probe ids are {ids[:9]}; expected one to three of 1, 2, 3, no two alike"
    return next(filter(None, map(_probe_problem, record["probes"])), None)


def _probe_problem(probe: dict[str, Any]) -> str | None:
    who, mask, samples = f"probe {probe['probe_id']}", probe["seconds_mask"], probe["samples"]
    if not 0 < mask < 1 << MINUTE_S or not SAMPLES_MIN <= samples <= SAMPLES_MAX * MINUTE_S:
        return f"{who}: seconds_mask {mask:#x} with {samples} samples; expected 1 to 60 seconds"
    extremes = [probe[name] for name in _EXTREMES]
    if min(extremes) < -_INT32 or max(extremes) >= _INT32:
        return f"{who}: least and greatest are {extremes}; expected 32-bit integers"
    return None


def _rows(cols: Columns, buffer: Bytes, names: Names) -> MinuteRows:
    n = len(cols.numbers["minute_s"])
    probes = {name: np.zeros((PROBES, n), np.int64) for name in PROBE_FIELDS}
    for item in cols.items["probes"]:
        at = item.columns.numbers["probe_id"] - 1
        for name in PROBE_FIELDS:
            probes[name][at, item.rows] = item.columns.numbers[name]
    sensor = names.codes(buffer, cols.starts["sensor_id"], cols.lengths["sensor_id"])
    return MinuteRows(names.names, sensor, cols.numbers["minute_s"], cols.numbers["version"], probes)

"""One second of one sensor: as a record, and as columns of many."""

from dataclasses import dataclass

from schemas.columns import Bytes, Int64s

PROBE_TYPES = ("CT", "rogow_coil")

AHEAD_S = 3600
"""A reading further ahead of the log's own clock than this is refused: an open minute would pin the log."""


@dataclass(frozen=True, slots=True)
class ProbeSecond:
    """One probe's samples of one second; units as in sensor_reading.avsc."""

    probe_id: int
    probe_type: str
    power_mw: list[int]
    pf_pct: list[int]
    voltage_mv: list[int]


@dataclass(frozen=True, slots=True)
class SensorReading:
    sensor_id: str
    timestamp_s: int
    received_at_ms: int
    format_version: str
    probes: list[ProbeSecond]


@dataclass(slots=True)
class ReadingBatch:
    """n readings of one partition in log order, and their m probe-seconds.

    Attributes:
        names: the vocabulary that `sensor` indexes.
        offset, appended_ms: shape (n,), where in the log, and the log's own time of each.
        sensor: shape (n,), index into names.
        timestamp_s, received_at_ms: shape (n,).
        version_at: shape (n,), where the six characters of format_version stand in the buffer.
        reading: shape (m,), which reading a probe-second belongs to.
        probe: shape (m,), 0..2 for phase A, B, C.
        kind: shape (m,), index into PROBE_TYPES.
        samples: shape (m,), 18..22.
        voltages: shape (m,), as samples, or 1 where the voltage came as one number.
        power_at, pf_at, voltage_at: shape (m,), where the packed samples stand in the buffer.
    """

    names: list[str]
    buffer: Bytes
    offset: Int64s
    appended_ms: Int64s
    sensor: Int64s
    timestamp_s: Int64s
    received_at_ms: Int64s
    version_at: Int64s
    reading: Int64s
    probe: Int64s
    kind: Int64s
    samples: Int64s
    voltages: Int64s
    power_at: Int64s
    pf_at: Int64s
    voltage_at: Int64s

    def __len__(self) -> int:
        return len(self.offset)

"""One second of one sensor: as a record, and as columns of many."""

from dataclasses import dataclass

import numpy as np

from schemas.columns import Bytes, Int64s, gather
from schemas.units import UNITS

PROBE_TYPES = ("CT", "rogow_coil")


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


@dataclass(slots=True)
class ProbeSeconds:
    """Per-second figures of m probe-seconds; every array has shape (m,).

    Attributes:
        samples: power samples.
        energy_units, pf_units, voltage_units: exact means of the second, in 1/UNITS of mW s, percent, mV.
        power_min_mw, power_max_mw, voltage_min_mv, voltage_max_mv: over the samples.
    """

    samples: Int64s
    energy_units: Int64s
    pf_units: Int64s
    voltage_units: Int64s
    power_min_mw: Int64s
    power_max_mw: Int64s
    voltage_min_mv: Int64s
    voltage_max_mv: Int64s


def summarise(batch: ReadingBatch) -> ProbeSeconds:
    """Reduce each probe-second's samples to the figures a minute needs."""
    m = len(batch.reading)
    energy, low, high = _reduce(batch, batch.power_at, batch.samples, "<i4")
    pf, _, _ = _reduce(batch, batch.pf_at, batch.samples, "i1", extremes=False)
    voltage, v_low, v_high = _reduce(batch, batch.voltage_at, batch.voltages, "<i4")
    assert len(energy) == m
    return ProbeSeconds(batch.samples, energy, pf, voltage, low, high, v_low, v_high)


def _reduce(
    batch: ReadingBatch, at: Int64s, count: Int64s, dtype: str, *, extremes: bool = True
) -> tuple[Int64s, Int64s, Int64s]:
    """The mean in 1/UNITS, and the least and greatest, of each packed span: shape (m,) each."""
    m = len(at)
    mean, low, high = np.zeros(m, np.int64), np.zeros(m, np.int64), np.zeros(m, np.int64)
    size = np.dtype(dtype).itemsize
    widths = np.flatnonzero(np.bincount(count, minlength=1)).tolist() if m else []
    for n in widths:
        rows = slice(None) if len(widths) == 1 else np.flatnonzero(count == n)
        values = gather(batch.buffer, at[rows], n * size, dtype)
        if n == 1:
            mean[rows] = values[:, 0].astype(np.int64) * UNITS
            low[rows] = high[rows] = values[:, 0]
            continue
        flat, edges = values.reshape(-1), np.arange(0, values.size, n)
        mean[rows] = np.add.reduceat(flat, edges, dtype=np.int64) * (UNITS // n)
        if extremes:
            low[rows] = np.minimum.reduceat(flat, edges)
            high[rows] = np.maximum.reduceat(flat, edges)
    return mean, low, high

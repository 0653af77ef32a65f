"""One second of one sensor: as a record, and as columns of many."""

from dataclasses import dataclass

import numpy as np

from schemas.columns import Bytes, Int64s, gather
from schemas.digest import UInt64s, digest, weighed
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
        digest: of all samples, see digest.py.
    """

    samples: Int64s
    energy_units: Int64s
    pf_units: Int64s
    voltage_units: Int64s
    power_min_mw: Int64s
    power_max_mw: Int64s
    voltage_min_mv: Int64s
    voltage_max_mv: Int64s
    digest: Int64s


@dataclass(frozen=True, slots=True)
class Spans:
    """m packed spans of `dtype`: span i holds count[i] values and stands at at[i] in the buffer. Shape (m,) each."""

    buffer: Bytes
    at: Int64s
    count: Int64s
    dtype: str


def summarise(batch: ReadingBatch) -> ProbeSeconds:
    """Reduce each probe-second's samples to the figures a minute needs."""
    return figures(
        Spans(batch.buffer, batch.power_at, batch.samples, "<i4"),
        Spans(batch.buffer, batch.pf_at, batch.samples, "i1"),
        Spans(batch.buffer, batch.voltage_at, batch.voltages, "<i4"),
    )


def figures(power_mw: Spans, pf_pct: Spans, voltage_mv: Spans) -> ProbeSeconds:
    """Reduce m probe-seconds."""
    energy, low, high, power = _reduce(power_mw, "power")
    pf, _, _, factor = _reduce(pf_pct, "pf")
    mean, v_low, v_high, voltage = _reduce(voltage_mv, "voltage")
    content = digest([power, factor, voltage], energy, mean, power_mw.count, voltage_mv.count)
    return ProbeSeconds(power_mw.count, energy, pf, mean, low, high, v_low, v_high, content)


_Figures = tuple[Int64s, Int64s, Int64s, UInt64s]
"""The mean in 1/UNITS, the least, the greatest (of power factors: zero), and the weighted sum of each span: shape (m,) each."""


def _reduce(spans: Spans, quantity: str) -> _Figures:
    m = len(spans.at)
    widths = np.flatnonzero(np.bincount(spans.count, minlength=1)).tolist() if m else []
    if len(widths) == 1:
        return _reduce_alike(spans, spans.at, widths[0], quantity)
    out = np.zeros(m, np.int64), np.zeros(m, np.int64), np.zeros(m, np.int64), np.zeros(m, np.uint64)
    for n in widths:
        rows = np.flatnonzero(spans.count == n)
        for whole, part in zip(out, _reduce_alike(spans, spans.at[rows], n, quantity), strict=True):
            whole[rows] = part
    return out


def _reduce_alike(spans: Spans, at: Int64s, n: int, quantity: str) -> _Figures:
    values = gather(spans.buffer, at, n * np.dtype(spans.dtype).itemsize, spans.dtype)
    content = weighed(values, quantity)
    if n == 1:
        only = values[:, 0].astype(np.int64)
        return only * UNITS, only, only, content
    flat, edges = values.reshape(-1), np.arange(0, values.size, n)
    mean = np.add.reduceat(flat, edges, dtype=np.int64) * (UNITS // n)
    if quantity == "pf":
        nothing = np.zeros(len(at), np.int64)
        return mean, nothing, nothing, content
    low, high = np.minimum.reduceat(flat, edges), np.maximum.reduceat(flat, edges)
    return mean, low.astype(np.int64), high.astype(np.int64), content

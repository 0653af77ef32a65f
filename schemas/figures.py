"""Per-second figures of probe-seconds: what a minute needs of their samples."""

from dataclasses import dataclass

import numpy as np

from schemas import kernels
from schemas.columns import Bytes, Int64s
from schemas.sensor_reading import ReadingBatch


@dataclass(frozen=True, slots=True)
class ProbeSeconds:
    """Per-second figures of m probe-seconds.

    Attributes:
        table: shape (kernels.FIGURES, m): samples; the exact mean power in 1/UNITS of mW s, its least and greatest sample
            in mW; the exact mean power factor in 1/UNITS of percent; the exact mean voltage in 1/UNITS of mV, its least
            and greatest sample in mV; the digest of all samples, see digest.py.
    """

    table: Int64s

    def __len__(self) -> int:
        return len(self.energy_units)

    @property
    def energy_units(self) -> Int64s:
        """Shape (m,)."""
        found: Int64s = self.table[kernels.ENERGY]
        return found

    @property
    def digest(self) -> Int64s:
        """Shape (m,)."""
        found: Int64s = self.table[kernels.DIGEST]
        return found

    def take(self, rows: Int64s) -> "ProbeSeconds":
        """Some of them."""
        return ProbeSeconds(self.table[:, rows])


@dataclass(frozen=True, slots=True)
class Spans:
    """m packed spans: span i holds count[i] values and stands at at[i] in the buffer. Shape (m,) each."""

    buffer: Bytes
    at: Int64s
    count: Int64s


def summarise(batch: ReadingBatch) -> ProbeSeconds:
    """Reduce each probe-second's samples to the figures a minute needs."""
    return figures(
        Spans(batch.buffer, batch.power_at, batch.samples),
        Spans(batch.buffer, batch.pf_at, batch.samples),
        Spans(batch.buffer, batch.voltage_at, batch.voltages),
    )


def figures(power_mw: Spans, pf_pct: Spans, voltage_mv: Spans) -> ProbeSeconds:
    """Reduce m probe-seconds, given as spans of 32-bit, 8-bit and 32-bit integers, the lowest byte first."""
    out = np.empty((kernels.FIGURES, len(power_mw.at)), np.int64)
    counts = np.stack((power_mw.count, voltage_mv.count), axis=1)
    kernels.figures(power_mw.buffer, power_mw.at, pf_pct.buffer, pf_pct.at, voltage_mv.buffer, voltage_mv.at, counts, out)
    return ProbeSeconds(out)

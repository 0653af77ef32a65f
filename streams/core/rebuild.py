"""Whole minutes from stored probe-seconds: the cold path's fold, by the hot path's own code."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.columns import Int64s
from schemas.power_minute import MinuteRows
from schemas.sensor_reading import ProbeSeconds
from schemas.units import MINUTE_S, PROBES, UNITS
from streams.core.minute import OpenMinutes, minute_keys


@dataclass(frozen=True, slots=True)
class Lists:
    """m lists of numbers: list i is values[edges[i]:edges[i + 1]]. Shapes (total,) and (m + 1,); no list is empty."""

    values: npt.NDArray[np.signedinteger]
    edges: Int64s

    @property
    def lengths(self) -> Int64s:
        return np.diff(self.edges)


def figures_of(power_mw: Lists, pf_pct: Lists, voltage_mv: Lists) -> ProbeSeconds:
    """Per-second figures of m probe-seconds, shape (m,) each, from their samples."""
    return ProbeSeconds(
        samples=power_mw.lengths,
        energy_units=_mean_units(power_mw),
        pf_units=_mean_units(pf_pct),
        voltage_units=_mean_units(voltage_mv),
        power_min_mw=_reduce(np.minimum, power_mw),
        power_max_mw=_reduce(np.maximum, power_mw),
        voltage_min_mv=_reduce(np.minimum, voltage_mv),
        voltage_max_mv=_reduce(np.maximum, voltage_mv),
    )


def whole_minutes(
    names: list[str], sensor: Int64s, timestamp_s: Int64s, offset: Int64s, probe: Int64s, figures: ProbeSeconds
) -> MinuteRows:
    """Fold stored first copies into full rows; the version is the newest offset among them, as in the hot path.

    Args:
        names: the vocabulary that `sensor` indexes.
        sensor, timestamp_s, offset: shape (m,), of each stored probe-second.
        probe: shape (m,), 0..2.
        figures: shape (m,) each.
    """
    order = np.argsort(offset, kind="stable")
    m = len(order)
    minute = timestamp_s[order] // MINUTE_S
    place = np.arange(m)

    def wide(values: Int64s) -> Int64s:
        out = np.zeros((PROBES, m), np.int64)
        out[probe[order], place] = values[order]
        return out

    folded = ProbeSeconds(*(wide(getattr(figures, name)) for name in ProbeSeconds.__slots__))
    minutes = OpenMinutes()
    minutes.fold(
        minute_keys(sensor[order], minute), timestamp_s[order] - minute * MINUTE_S, offset[order], folded.samples > 0, folded
    )
    return minutes.take_changed(names)


def _mean_units(lists: Lists) -> Int64s:
    sums: Int64s = np.add.reduceat(lists.values, lists.edges[:-1], dtype=np.int64) if len(lists.edges) > 1 else _none()
    # A list of one is a number for the whole second; UNITS is a multiple of every other length.
    return sums * (UNITS // lists.lengths)


def _reduce(function: np.ufunc, lists: Lists) -> Int64s:
    return function.reduceat(lists.values, lists.edges[:-1]).astype(np.int64) if len(lists.edges) > 1 else _none()


def _none() -> Int64s:
    return np.zeros(0, np.int64)

"""Whole minutes from stored probe-seconds: the cold path's fold, by the hot path's own code."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.columns import Int64s
from schemas.conflict import Conflicts
from schemas.figures import ProbeSeconds, Spans, figures
from schemas.late_minute import COPY, Copies
from schemas.power_minute import MinuteRows
from schemas.units import MINUTE_S
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
    """Per-second figures of m probe-seconds from their samples."""
    return figures(_spans(power_mw, "<i4"), _spans(pf_pct, "i1"), _spans(voltage_mv, "<i4"))


def whole_minutes(
    names: list[str], sensor: Int64s, timestamp_s: Int64s, offset: Int64s, probe: Int64s, seconds: ProbeSeconds
) -> MinuteRows:
    """Fold stored first copies into full rows; the version is the newest offset among them, as in the hot path.

    Args:
        names: the vocabulary that `sensor` indexes.
        sensor, timestamp_s, offset: shape (m,), of each stored probe-second.
        probe: shape (m,), 0..2.
        seconds: their figures.
    """
    order = np.argsort(offset, kind="stable")
    minute = timestamp_s[order] // MINUTE_S
    minutes = OpenMinutes()
    minutes.fold(
        minute_keys(sensor[order], minute),
        timestamp_s[order] - minute * MINUTE_S,
        offset[order],
        np.arange(len(order)),
        probe[order],
        seconds.take(order),
    )
    return minutes.take_changed(names)


def differing(
    names: list[str],
    sensor: Int64s,
    timestamp_s: Int64s,
    offset: Int64s,
    probe: Int64s,
    digest: Int64s,
    late: dict[tuple[str, int], Copies],
) -> tuple[Conflicts, Int64s]:
    """Late copies whose values are not those of the stored first copy.

    Args:
        names: the vocabulary that `sensor` indexes.
        sensor, timestamp_s, offset, probe, digest: shape (m,), of each stored probe-second.
        late: by sensor id and start of the minute, what came late; what raw does not hold is passed over.

    Returns:
        c conflicts, and shape (c,) the stored row of each.
    """
    code = {name: i for i, name in enumerate(names)}
    known = [(code[name], minute, copies) for (name, minute), copies in late.items() if name in code]
    counts = [len(copies) for _, _, copies in known]
    copies = np.concatenate([np.zeros(0, COPY), *(copies for _, _, copies in known)])
    second = np.repeat(np.array([minute for _, minute, _ in known], np.int64), counts) + copies["second"]
    wanted = _place(np.repeat(np.array([s for s, _, _ in known], np.int64), counts), second, copies["probe"])
    stored = _place(sensor, timestamp_s, probe)
    order = np.argsort(stored)
    at = np.searchsorted(stored, wanted, sorter=order)
    found = at < len(order)
    rows = order[at[found]]
    copies, wanted = copies[found], wanted[found]
    differs = (stored[rows] == wanted) & (offset[rows] != copies["log_offset"]) & (digest[rows] != copies["digest"])
    rows, copies = rows[differs], copies[differs]
    later = copies["log_offset"].astype(np.int64)
    return Conflicts(names, sensor[rows], timestamp_s[rows], probe[rows], offset[rows], later), rows


def _place(sensor: Int64s, timestamp_s: Int64s, probe: Int64s) -> Int64s:
    """One integer per probe-second; sensors are few enough here that it does not overflow."""
    return (sensor << 40) | (timestamp_s << 2) | probe


def _spans(lists: Lists, dtype: str) -> Spans:
    packed = np.ascontiguousarray(lists.values, dtype)
    return Spans(packed.view(np.uint8), lists.edges[:-1] * packed.itemsize, lists.lengths)

"""Readings that come after their minute was closed: what the rebuilder needs to know of them."""

from dataclasses import dataclass

import numpy as np

from schemas.columns import Int64s
from schemas.late_minute import COPY, Copies, LateMinutes
from schemas.units import MINUTE_S
from streams.core.minute import split_keys

COPIES_MAX = 5_000
"""Probe-seconds of one message at most: 90 kB."""


@dataclass(frozen=True, slots=True)
class LateCopies:
    """c late probe-seconds in log order: key as of `minute_keys`, and COPY each; shape (c,)."""

    key: Int64s
    copies: Copies


def late_copies(key: Int64s, second: Int64s, offset: Int64s, reading: Int64s, probe: Int64s, digest: Int64s) -> LateCopies:
    """Some probe-seconds of n readings.

    Args:
        key, second, offset: shape (n,), of each reading.
        reading, probe, digest: shape (c,), of each late probe-second.
    """
    copies = np.empty(len(reading), COPY)
    copies["log_offset"], copies["second"], copies["probe"] = offset[reading], second[reading], probe
    copies["digest"] = digest
    return LateCopies(key[reading], copies)


def late_minutes(names: list[str], parts: list[LateCopies]) -> LateMinutes:
    """Late probe-seconds by minute."""
    if not parts:
        none = np.zeros(0, np.int64)
        return LateMinutes(names, none, none, none, np.zeros(0, COPY), np.zeros(1, np.int64))
    key = np.concatenate([part.key for part in parts])
    order = np.argsort(key, kind="stable")
    key, copies = key[order], np.concatenate([part.copies for part in parts])[order]
    first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    within = np.arange(len(key)) - np.repeat(first, np.diff(np.append(first, len(key))))
    starts = np.flatnonzero(within % COPIES_MAX == 0)
    edges = np.append(starts, len(key))
    sensor, minute = split_keys(key[starts])
    return LateMinutes(names, sensor, minute * MINUTE_S, copies["log_offset"][edges[1:] - 1].astype(np.int64), copies, edges)

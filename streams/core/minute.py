"""Open sensor-minutes, folded from batches of readings.

Every sum is an integer, so the result does not depend on how the log was cut into batches. A minute's
content is a function of the log up to its version, the offset of the last reading that counted. Copies count for
nothing; those with other values than the first are found by a digest that is kept for each counted probe-second.
"""

from dataclasses import dataclass, fields

import numpy as np

from schemas.columns import Bools, Int64s
from schemas.conflict import Conflicts
from schemas.power_minute import MinuteRows
from schemas.sensor_reading import ProbeSeconds
from schemas.units import MINUTE_S, PROBES
from streams.core.seen import first_copies

_NEVER = np.iinfo(np.int64).max
_SUMS = ("samples", "energy_units", "pf_units", "voltage_units")
_LOWS = ("power_min_mw", "voltage_min_mv")
_HIGHS = ("power_max_mw", "voltage_max_mv")
_MINUTE_BITS = 32
_LOW = (1 << 32) - 1

_EMPTY = {"seconds_mask": 0, **dict.fromkeys(_SUMS, 0), **dict.fromkeys(_LOWS, _NEVER), **dict.fromkeys(_HIGHS, -_NEVER)}


def minute_keys(sensor: Int64s, minute: Int64s) -> Int64s:
    """One integer per sensor and minute number (UTC seconds // 60), shape (n,)."""
    return (sensor << _MINUTE_BITS) | minute


def split_keys(key: Int64s) -> tuple[Int64s, Int64s]:
    """Sensor and minute number of each key, shape (n,) each."""
    return key >> _MINUTE_BITS, key & _LOW


@dataclass(frozen=True, slots=True)
class Differing:
    """c copies whose values are not those of the first: shape (c,) each; keys as of `minute_keys`, probe 0..2."""

    key: Int64s
    second: Int64s
    probe: Int64s
    first_offset: Int64s
    later_offset: Int64s


class OpenMinutes:
    """The sensor-minutes that can still grow.

    A slab of columns, one slot a minute, found through a sorted list of keys; slots of closed minutes are
    used again.
    """

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.int64)
        self._slots = np.zeros(0, np.int64)
        self._free = np.zeros(0, np.int64)
        self._probes = {name: np.zeros((PROBES, 0), np.int64) for name in _EMPTY}
        self._first_offset = np.zeros(0, np.int64)
        self._version = np.zeros(0, np.int64)
        self._changed = np.zeros(0, np.bool_)
        # Of the first copy of each second: the upper half of its digest, and its offset after _first_offset.
        self._marks = np.zeros((0, PROBES), np.int64)

    def __len__(self) -> int:
        return len(self._keys)

    def fold(self, key: Int64s, second: Int64s, offset: Int64s, present: Bools, figures: ProbeSeconds) -> Differing | None:
        """Count readings that are new.

        Args:
            key: shape (n,), from `minute_keys`, in log order.
            second: shape (n,), 0..59.
            offset: shape (n,), ascending.
            present: shape (3, n), which probes each reading holds.
            figures: per-second figures, shape (3, n) each; where a probe is absent they mean nothing.

        Returns:
            the copies with other values, None when there is none. Of two different contents one in 2^32 is not told apart.
        """
        if not len(key):
            return None
        order = _stable_order(key)
        key, second, offset, present = key[order], second[order], offset[order], present[:, order]
        edges = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        slots = self._slots_of(key[edges])
        group = np.repeat(np.arange(len(edges)), np.diff(np.append(edges, len(key))))
        masks = self._probes["seconds_mask"]
        new = first_copies(masks[:, slots], group, second, present)
        every = bool(new.all())

        def chosen(values: Int64s, otherwise: int) -> Int64s:
            return values if every else np.where(new, values, otherwise)

        bits = np.broadcast_to(np.int64(1) << second, new.shape)
        masks[:, slots] |= np.bitwise_or.reduceat(chosen(bits, 0), edges, axis=1)
        for name in _SUMS:
            self._probes[name][:, slots] += np.add.reduceat(chosen(getattr(figures, name)[:, order], 0), edges, axis=1)
        for name in _LOWS:
            low = np.minimum.reduceat(chosen(getattr(figures, name)[:, order], _NEVER), edges, axis=1)
            self._probes[name][:, slots] = np.minimum(self._probes[name][:, slots], low)
        for name in _HIGHS:
            high = np.maximum.reduceat(chosen(getattr(figures, name)[:, order], -_NEVER), edges, axis=1)
            self._probes[name][:, slots] = np.maximum(self._probes[name][:, slots], high)
        counted = new.any(axis=0)
        last = np.maximum.reduceat(np.where(counted, offset, -1), edges)
        first = np.minimum.reduceat(np.where(counted, offset, _NEVER), edges)
        self._version[slots] = np.maximum(self._version[slots], last)
        self._first_offset[slots] = np.minimum(self._first_offset[slots], first)
        self._changed[slots] |= last >= 0
        at = slots[group]
        place = at * MINUTE_S + second
        mark = (figures.digest[:, order] & ~_LOW) | ((offset - self._first_offset[at]) & _LOW)
        if every:
            self._marks[place] = mark.T
            return None
        probe, row = np.nonzero(new)
        self._marks[place[row], probe] = mark[probe, row]
        probe, row = np.nonzero(present & ~new)
        first = self._marks[place[row], probe]
        differs = (first ^ mark[probe, row]) & ~_LOW != 0
        if not differs.any():
            return None
        probe, row, first = probe[differs], row[differs], first[differs]
        return Differing(key[row], second[row], probe, self._first_offset[at[row]] + (first & _LOW), offset[row])

    def take_changed(self, names: list[str]) -> MinuteRows:
        """The minutes that changed since the last call, as full rows."""
        at = np.flatnonzero(self._changed[self._slots])
        rows = self._rows(names, at)
        self._changed[self._slots[at]] = False
        return rows

    def close_before(self, minute: int) -> None:
        """Forget minutes whose number is below this. Only after `take_changed`: what is forgotten is not published."""
        keep = (self._keys & _LOW) >= minute
        if keep.all():
            return
        gone = self._slots[~keep]
        assert not self._changed[gone].any(), "a minute was closed before it was taken"
        self._free = np.concatenate((self._free, gone))
        self._keys, self._slots = self._keys[keep], self._slots[keep]

    def oldest_offset(self, otherwise: int) -> int:
        """The first offset that an open minute was folded from."""
        return int(self._first_offset[self._slots].min(initial=otherwise))

    def _rows(self, names: list[str], at: Int64s) -> MinuteRows:
        slots = self._slots[at]
        sensor, minute = split_keys(self._keys[at])
        return MinuteRows(
            names=names,
            sensor=sensor,
            minute_s=minute * MINUTE_S,
            version=self._version[slots],
            probes={name: values[:, slots] for name, values in self._probes.items()},
        )

    def _slots_of(self, keys: Int64s) -> Int64s:
        """Slots of distinct ascending keys; new ones are opened."""
        at = np.searchsorted(self._keys, keys)
        known = at < len(self._keys)
        known[known] = self._keys[at[known]] == keys[known]
        if not known.all():
            fresh = keys[~known]
            slots = self._take_slots(len(fresh))
            self._keys = np.insert(self._keys, at[~known], fresh)
            self._slots = np.insert(self._slots, at[~known], slots)
            at = np.searchsorted(self._keys, keys)
        return self._slots[at]

    def _take_slots(self, count: int) -> Int64s:
        if len(self._free) < count:
            self._grow(max(count - len(self._free), len(self._version), 256))
        slots, self._free = self._free[:count], self._free[count:]
        for name, nothing in _EMPTY.items():
            self._probes[name][:, slots] = nothing
        self._first_offset[slots], self._version[slots], self._changed[slots] = _NEVER, -1, False
        return slots

    def _grow(self, more: int) -> None:
        size = len(self._version)
        for name, values in self._probes.items():
            self._probes[name] = np.concatenate((values, np.zeros((PROBES, more), np.int64)), axis=1)
        self._first_offset = np.concatenate((self._first_offset, np.zeros(more, np.int64)))
        self._version = np.concatenate((self._version, np.zeros(more, np.int64)))
        self._changed = np.concatenate((self._changed, np.zeros(more, np.bool_)))
        self._marks = np.concatenate((self._marks, np.zeros((more * MINUTE_S, PROBES), np.int64)))
        self._free = np.concatenate((self._free, np.arange(size, size + more)))


def _stable_order(key: Int64s) -> Int64s:
    """Indices that sort the keys and keep equal ones in log order, shape (n,)."""
    sensor, minute = split_keys(key)
    low = int(minute.min())
    span = int(minute.max()) - low + 1
    if (int(sensor.max()) + 1) * span <= 1 << 16:
        # Sixteen bits are sorted in linear time.
        return np.argsort((sensor * span + (minute - low)).astype(np.uint16), kind="stable")
    return np.argsort(key, kind="stable")


def dense(figures: ProbeSeconds, reading: Int64s, probe: Int64s, n: int) -> ProbeSeconds:
    """Figures of m probe-seconds as shape (3, n) each; zero where a reading lacks the probe."""
    if len(probe) == PROBES * n and (probe == np.repeat(np.arange(PROBES), n)).all():
        # Three probes each, in order: the usual case.
        return ProbeSeconds(*(getattr(figures, f.name).reshape(PROBES, n) for f in fields(ProbeSeconds)))
    out = ProbeSeconds(*(np.zeros((PROBES, n), np.int64) for _ in fields(ProbeSeconds)))
    for f in fields(ProbeSeconds):
        getattr(out, f.name)[probe, reading] = getattr(figures, f.name)
    return out


def chosen(figures: ProbeSeconds, rows: Int64s) -> ProbeSeconds:
    """Some columns of figures of shape (3, n)."""
    return ProbeSeconds(*(getattr(figures, f.name)[:, rows] for f in fields(ProbeSeconds)))


def conflicts(names: list[str], parts: list[Differing]) -> Conflicts:
    """What `fold` found, as the event; all of one partition, which the writer adds."""

    def column(name: str) -> Int64s:
        return np.concatenate([np.zeros(0, np.int64), *(getattr(part, name) for part in parts)])

    sensor, minute = split_keys(column("key"))
    second = minute * MINUTE_S + column("second")
    return Conflicts(names, sensor, second, column("probe"), column("first_offset"), column("later_offset"))

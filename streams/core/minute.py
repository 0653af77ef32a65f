"""Open sensor-minutes, folded from batches of readings.

Every sum is an integer, so the result does not depend on how the log was cut into batches. A minute's
content is a function of the log up to its version, the offset of the last reading that counted. Copies count for
nothing; those with other values than the first are found by a digest that is kept for each counted probe-second.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas import kernels
from schemas.columns import Bools, Int64s
from schemas.compiled import compiled
from schemas.conflict import Conflicts
from schemas.figures import ProbeSeconds
from schemas.power_minute import PROBE_FIELDS, MinuteRows
from schemas.units import MINUTE_S, PROBES, UNITS

_NEVER = np.iinfo(np.int64).max
_MINUTE_BITS = 32
_LOW = (1 << 32) - 1

# One open sensor-minute and probe: what PROBE_FIELDS names, in that order. All but the mask come from the same place of
# `kernels.figures` less one.
_MASK, _SAMPLES, _ENERGY, _POWER_MIN, _POWER_MAX, _PF, _VOLTAGE, _VOLTAGE_MIN, _VOLTAGE_MAX = range(9)
_SUMS = (_SAMPLES, _ENERGY, _PF, _VOLTAGE)
_LOWS = (_POWER_MIN, _VOLTAGE_MIN)
_HIGHS = (_POWER_MAX, _VOLTAGE_MAX)
Int32s = npt.NDArray[np.int32]

SECOND_FIELDS = 5
"""Of a probe-second: mean power in mW, mean power factor in permille, mean, least and greatest voltage in mV."""

_NO_NUMBERS, _NO_FLAGS = np.zeros(0, np.int64), np.zeros(0, np.bool_)
_DELAY_MAX_MS = (1 << 31) - 1
_NOTHING = np.array([_NEVER if f in _LOWS else -_NEVER if f in _HIGHS else 0 for f in range(len(PROBE_FIELDS))])


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


@dataclass(frozen=True, slots=True)
class SecondsOf:
    """Slabs by slot: `masks` (s, 3), `seconds` (s, 60, 3, SECOND_FIELDS), `delays` (s, 60), `twice` (s,): seconds that came
    again with other values, `marks` (s, 60, 3): digests, `versions` (s,)."""

    masks: Int64s
    seconds: Int32s
    delays: Int32s
    twice: Int64s
    marks: Int64s
    versions: Int64s


class OpenMinutes:
    """The sensor-minutes that can still grow.

    A slab of columns, one slot a minute, found through a sorted list of keys; slots of closed minutes are
    used again.
    """

    def __init__(self, *, keep_seconds: bool = False) -> None:
        self._keep_seconds = keep_seconds
        self._keys = np.zeros(0, np.int64)
        self._slots = np.zeros(0, np.int64)
        self._free = np.zeros(0, np.int64)
        self._figures = np.zeros((0, PROBES, len(PROBE_FIELDS)), np.int64)
        self._first_offset = np.zeros(0, np.int64)
        self._version = np.zeros(0, np.int64)
        self._changed = np.zeros(0, np.bool_)
        # Of the first copy of each second: the upper half of its digest, and its offset after _first_offset.
        self._marks = np.zeros((0, MINUTE_S, PROBES), np.int64)
        # What the rules of anomalies judge: of each first copy, and which seconds came again with other values.
        self._seconds = np.zeros((0, MINUTE_S, PROBES, SECOND_FIELDS), np.int32)
        self._delays = np.zeros((0, MINUTE_S), np.int32)
        self._twice = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._keys)

    def fold(
        self,
        key: Int64s,
        second: Int64s,
        offset: Int64s,
        reading: Int64s,
        probe: Int64s,
        figures: ProbeSeconds,
        delay_ms: Int64s | None = None,
        first: Bools | None = None,
    ) -> Differing | None:
        """Count probe-seconds that are new.

        Args:
            key: shape (n,), of each reading, from `minute_keys`, in log order.
            second: shape (n,), 0..59.
            offset: shape (n,), ascending.
            reading: shape (m,), ascending, which of the n readings each probe-second belongs to.
            probe: shape (m,), 0..2.
            figures: of the m probe-seconds.
            delay_ms: shape (n,), from the beginning of each second to when it was received; kept with `keep_seconds`.
            first: shape (m,), filled: whether each probe-second is a first copy.

        Returns:
            the copies with other values, None when there is none. Of two different contents one in 2^32 is not told apart.
        """
        slots = self._slots_of(key)
        copies = np.empty((len(reading), 2), np.int64)
        found = _count(
            slots,
            second,
            offset,
            reading,
            probe,
            figures.table,
            self._figures,
            self._first_offset,
            self._version,
            self._changed,
            self._marks,
            self._seconds,
            self._delays,
            self._twice,
            _NO_NUMBERS if delay_ms is None else delay_ms,
            _NO_FLAGS if first is None else first,
            copies,
        )
        if not found:
            return None
        at, first_offset = copies[:found].T
        row = reading[at]
        return Differing(key[row], second[row], probe[at], first_offset, offset[row])

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

    def seconds_of(self) -> "SecondsOf":
        """What is kept for the rules, by slot; with `keep_seconds`. It changes with the next fold."""
        masks = self._figures[:, :, _MASK]
        return SecondsOf(masks, self._seconds, self._delays, self._twice, self._marks, self._version)

    def places(self) -> tuple[Int64s, Int64s, Int64s]:
        """Sensor, minute number and slot of every open minute, by sensor and minute; shape (k,) each."""
        return *split_keys(self._keys), self._slots

    def _rows(self, names: list[str], at: Int64s) -> MinuteRows:
        slots = self._slots[at]
        sensor, minute = split_keys(self._keys[at])
        figures = self._figures[slots]
        return MinuteRows(
            names=names,
            sensor=sensor,
            minute_s=minute * MINUTE_S,
            version=self._version[slots],
            probes={name: figures[:, :, f].T for f, name in enumerate(PROBE_FIELDS)},
        )

    def _slots_of(self, key: Int64s) -> Int64s:
        """The slot of each key, shape (n,); new ones are opened."""
        slots = np.empty(len(key), np.int64)
        if _find(self._keys, self._slots, key, slots):
            fresh = np.unique(key[slots < 0])
            at = np.searchsorted(self._keys, fresh)
            self._keys = np.insert(self._keys, at, fresh)
            self._slots = np.insert(self._slots, at, self._take_slots(len(fresh)))
            _find(self._keys, self._slots, key, slots)
        return slots

    def _take_slots(self, count: int) -> Int64s:
        if len(self._free) < count:
            self._grow(max(count - len(self._free), len(self._version), 256))
        slots, self._free = self._free[:count], self._free[count:]
        self._figures[slots] = _NOTHING
        self._first_offset[slots], self._version[slots], self._changed[slots] = _NEVER, -1, False
        if self._keep_seconds:
            self._twice[slots] = 0
        return slots

    def _grow(self, more: int) -> None:
        size = len(self._version)

        def longer(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.concatenate((values, np.zeros((more, *values.shape[1:]), values.dtype)))

        self._figures, self._marks = longer(self._figures), longer(self._marks)
        self._first_offset, self._version, self._changed = map(longer, (self._first_offset, self._version, self._changed))
        if self._keep_seconds:
            self._seconds, self._delays, self._twice = longer(self._seconds), longer(self._delays), longer(self._twice)
        self._free = np.concatenate((self._free, np.arange(size, size + more)))


@compiled
def _find(keys: Int64s, slots: Int64s, wanted: Int64s, out: Int64s) -> int:
    """The slot of each wanted key by bisection, -1 where there is none, and how many there are not."""
    missing = 0
    for i in range(len(wanted)):
        low, high = 0, len(keys)
        while low < high:
            middle = (low + high) // 2
            if keys[middle] < wanted[i]:
                low = middle + 1
            else:
                high = middle
        if low < len(keys) and keys[low] == wanted[i]:
            out[i] = slots[low]
        else:
            out[i] = -1
            missing += 1
    return missing


@compiled
def _count(
    slots: Int64s,
    second: Int64s,
    offset: Int64s,
    reading: Int64s,
    probe: Int64s,
    table: Int64s,
    figures: Int64s,
    first_offset: Int64s,
    version: Int64s,
    changed: Bools,
    marks: Int64s,
    seconds: Int32s,
    delays: Int32s,
    twice: Int64s,
    delay_ms: Int64s,
    first: Bools,
    copies: Int64s,
) -> int:
    """The loop of `OpenMinutes.fold`: how many copies differ; of each, `copies` says which it is and the offset of the first."""
    found = 0
    for i in range(len(reading)):
        row, p = reading[i], probe[i]
        at, s = slots[row], second[row]
        digest = table[kernels.DIGEST, i]
        if (figures[at, p, _MASK] >> s) & 1:
            mark = marks[at, s, p]
            if (mark ^ digest) & ~_LOW != 0:
                copies[found, 0], copies[found, 1] = i, first_offset[at] + (mark & _LOW)
                found += 1
                if len(twice) > 0:
                    twice[at] |= 1 << s
            if len(first) > 0:
                first[i] = False
            continue
        if len(first) > 0:
            first[i] = True
        if len(seconds) > 0:
            seconds[at, s, p, 0] = table[kernels.ENERGY, i] // UNITS
            seconds[at, s, p, 1] = 10 * table[kernels.PF, i] // UNITS
            seconds[at, s, p, 2] = table[kernels.VOLTAGE, i] // UNITS
            seconds[at, s, p, 3] = table[kernels.VOLTAGE_MIN, i]
            seconds[at, s, p, 4] = table[kernels.VOLTAGE_MAX, i]
            if (figures[at, 0, _MASK] | figures[at, 1, _MASK] | figures[at, 2, _MASK]) >> s & 1 == 0:
                delays[at, s] = min(max(delay_ms[row], -_DELAY_MAX_MS), _DELAY_MAX_MS)
        first_offset[at] = min(first_offset[at], offset[row])
        version[at] = max(version[at], offset[row])
        changed[at] = True
        marks[at, s, p] = (digest & ~_LOW) | (offset[row] - first_offset[at])
        figures[at, p, _MASK] |= 1 << s
        for f in _SUMS:
            figures[at, p, f] += table[f - 1, i]
        for f in _LOWS:
            figures[at, p, f] = min(figures[at, p, f], table[f - 1, i])
        for f in _HIGHS:
            figures[at, p, f] = max(figures[at, p, f], table[f - 1, i])
    return found


def conflicts(names: list[str], parts: list[Differing]) -> Conflicts:
    """What `fold` found, as the event; all of one partition, which the writer adds."""

    def column(name: str) -> Int64s:
        return np.concatenate([np.zeros(0, np.int64), *(getattr(part, name) for part in parts)])

    sensor, minute = split_keys(column("key"))
    second = minute * MINUTE_S + column("second")
    return Conflicts(names, sensor, second, column("probe"), column("first_offset"), column("later_offset"))

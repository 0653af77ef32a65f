"""Samples that are kept: of the seconds in which a voltage left its band, and of those around them."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from schemas.anomaly import AnomalySecond
from schemas.columns import Bools, Int64s
from schemas.sensor_reading import ReadingBatch
from streams.core.anomaly.voltage import Second

AROUND_S = 2
_BATCHES = 32
_READINGS = 10_000

Kept = dict[tuple[int, int], AnomalySecond]
"""By second and probe 0..2: of one sensor."""


@dataclass(slots=True)
class Captured:
    """Of one partition, by row of `sensors`.

    The seconds that were out of their band are always here. Those around them are as far as they came not long before, or
    later: that depends on the order of the log, which the intervals do not.
    """

    by_sensor: dict[int, Kept] = field(default_factory=dict)
    _recent: deque[tuple[ReadingBatch, Int64s, Int64s, Int64s]] = field(default_factory=deque)
    _until_s: dict[int, int] = field(default_factory=dict)

    def take(self, batch: ReadingBatch, row: Int64s, first: Int64s, out: Bools) -> None:
        """Look through a batch.

        Args:
            first: shape (f,), its probe-seconds that are first copies; row: shape (f,), of the sensor of each.
            out: shape (f,), which of them were out of their band.
        """
        sensor, second = row, batch.timestamp_s[batch.reading[first]]
        if self._until_s:
            self._follow(batch, first, sensor, second)
        if out.any():
            self._catch(batch, first, sensor, second, out)
        self._recent.append((batch, first, sensor, second))
        while len(self._recent) > _BATCHES or (len(self._recent) > 1 and sum(len(one[0]) for one in self._recent) > _READINGS):
            self._recent.popleft()

    def samples(self, sensor: int, worst_us: int) -> tuple[AnomalySecond, ...]:
        """What is kept around a moment, by second and probe."""
        at_s = worst_us // 1_000_000
        kept = self.by_sensor.get(sensor, {})
        return tuple(kept[key] for key in sorted(kept) if abs(key[0] - at_s) <= AROUND_S)

    def second(self, sensor: int, timestamp_s: int, out: Iterable[tuple[int, bool]]) -> Second:
        """One second for the rules; `out` says of each probe that came whether it was out of its band."""
        kept = self.by_sensor.get(sensor, {})
        return Second(
            timestamp_s,
            {p: tuple(kept[timestamp_s, p].lists()[2].tolist()) if wrong else None for p, wrong in out},
        )

    def forget(self, sensor: int, before_s: int, around_us: Iterable[int]) -> None:
        """Let go of seconds before this one, but for those around some moments."""
        kept = self.by_sensor.get(sensor)
        if kept is None:
            return
        centres = [at // 1_000_000 for at in around_us]
        left = {k: v for k, v in kept.items() if k[0] >= before_s or any(abs(k[0] - c) <= AROUND_S for c in centres)}
        if left:
            self.by_sensor[sensor] = left
        else:
            del self.by_sensor[sensor]

    def _catch(self, batch: ReadingBatch, first: Int64s, sensor: Int64s, second: Int64s, out: Bools) -> None:
        for s, t in np.unique(np.stack((sensor[out], second[out]), 1), axis=0).tolist():
            self._until_s[s] = max(self._until_s.get(s, 0), t + AROUND_S)
            for one in (*self._recent, (batch, first, sensor, second)):
                self._keep(s, *one[:2], np.flatnonzero((one[2] == s) & (abs(one[3] - t) <= AROUND_S)), one[3])

    def _follow(self, batch: ReadingBatch, first: Int64s, sensor: Int64s, second: Int64s) -> None:
        """The seconds after one that was caught before."""
        for s, until in list(self._until_s.items()):
            mine = sensor == s
            if mine.any():
                self._keep(s, batch, first, np.flatnonzero(mine & (second <= until) & (second >= until - 2 * AROUND_S)), second)
                if second[mine].max() > until:
                    del self._until_s[s]

    def _keep(self, sensor: int, batch: ReadingBatch, first: Int64s, rows: Int64s, second: Int64s) -> None:
        kept = self.by_sensor.setdefault(sensor, {}) if len(rows) else {}
        for row in rows.tolist():
            at, t = int(first[row]), int(second[row])
            probe, n, v = int(batch.probe[at]), int(batch.samples[at]), int(batch.voltages[at])
            if (t, probe) not in kept:
                kept[t, probe] = AnomalySecond(
                    t,
                    probe + 1,
                    _bytes(batch, int(batch.power_at[at]), 4 * n),
                    _bytes(batch, int(batch.pf_at[at]), n),
                    _bytes(batch, int(batch.voltage_at[at]), 4 * v),
                )


def _bytes(batch: ReadingBatch, at: int, length: int) -> bytes:
    return batch.buffer[at : at + length].tobytes()

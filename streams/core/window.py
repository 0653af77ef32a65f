"""One partition's progress: watermark, open minutes, what is late, and where a restart must read from."""

from dataclasses import dataclass, field, fields

import numpy as np

from schemas.columns import Int64s
from schemas.power_minute import MinuteRows
from schemas.sensor_reading import ProbeSeconds, ReadingBatch, summarise
from schemas.units import MINUTE_S
from streams.core.minute import OpenMinutes, dense, minute_keys
from streams.core.selection import Selection


@dataclass(frozen=True, slots=True)
class Position:
    """What is committed for one partition.

    Attributes:
        offset: the oldest reading that an open minute still needs; a restart reads from here.
        watermark_ms: the running maximum of the records' append times, up to next_offset.
        next_offset: every reading below it has been decided: counted, a copy, or reported late.
    """

    offset: int
    watermark_ms: int
    next_offset: int

    @property
    def metadata(self) -> str:
        """What travels beside the offset in the commit."""
        return f"{self.watermark_ms},{self.next_offset}"

    @classmethod
    def parse(cls, offset: int, metadata: str) -> "Position":
        """Read a commit back.

        Raises:
            ValueError: the metadata is not ours.
        """
        watermark_ms, next_offset = map(int, metadata.split(","))
        return cls(offset, watermark_ms, next_offset)


@dataclass(frozen=True, slots=True)
class LateMinutes:
    """Minutes that late readings belong to: shape (r,) each; offset is the newest of each minute."""

    names: list[str]
    sensor: Int64s
    minute_s: Int64s
    offset: Int64s

    def __len__(self) -> int:
        return len(self.sensor)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What must be acknowledged before the position may be committed."""

    minutes: MinuteRows
    late: LateMinutes
    position: Position


@dataclass(slots=True)
class Partition:
    """The fold's state for one partition of `sensor.readings`.

    Attributes:
        lateness_ms: how long after its end a minute stays open.
        watermark_ms, next_offset: as in Position.
        redo_below: offsets below it were decided before the commit that this state started from.
        only: the sensor-minutes to count and report, None: all; the watermark is everybody's.
    """

    lateness_ms: int
    watermark_ms: int = 0
    next_offset: int = 0
    redo_below: int = 0
    only: Selection | None = None
    open: OpenMinutes = field(default_factory=OpenMinutes)
    _late: dict[int, int] = field(default_factory=dict)

    @classmethod
    def restore(cls, position: Position | None, lateness_ms: int, only: Selection | None = None) -> "Partition":
        """The state to begin with at a committed position (None: at the beginning of the log)."""
        if position is None:
            return cls(lateness_ms, only=only)
        return cls(lateness_ms, position.watermark_ms, position.offset, position.next_offset, only)

    def fold(self, batch: ReadingBatch) -> None:
        """Take in the next readings, in log order; those below `next_offset` are passed over."""
        n = len(batch)
        if not n:
            return
        watermark = np.maximum.accumulate(np.maximum(batch.appended_ms, self.watermark_ms))
        minute = batch.timestamp_s // MINUTE_S
        late = (minute + 1) * (MINUTE_S * 1000) + self.lateness_ms <= watermark
        ahead = batch.offset >= self.next_offset
        if self.only is not None:
            ahead &= self.only.wanted(batch.names, batch.sensor, minute)
        counts = ahead & ~late
        # A late reading below redo_below was counted or reported before the commit: its minute is final.
        reported = np.flatnonzero(ahead & late & (batch.offset >= self.redo_below))
        if len(reported):
            self._report(minute_keys(batch.sensor[reported], minute[reported]), batch.offset[reported])
        if counts.any():
            self._count(batch, minute, None if counts.all() else np.flatnonzero(counts))
        self.watermark_ms = int(watermark[-1])
        self.next_offset = max(self.next_offset, int(batch.offset[-1]) + 1)

    def passed(self, next_offset: int) -> None:
        """Note that the log goes on to here, also where the last messages were no readings."""
        self.next_offset = max(self.next_offset, next_offset)

    def checkpoint(self, names: list[str]) -> Checkpoint:
        """Take what has changed, close what has ended, and say what may be committed once it is safe."""
        minutes = self.open.take_changed(names)
        self.open.close_before((self.watermark_ms - self.lateness_ms) // (MINUTE_S * 1000))
        keys = np.fromiter(self._late, np.int64, len(self._late))
        offsets = np.fromiter(self._late.values(), np.int64, len(self._late))
        self._late = {}
        late = LateMinutes(names, keys >> 32, (keys & 0xFFFFFFFF) * MINUTE_S, offsets)
        position = Position(self.open.oldest_offset(self.next_offset), self.watermark_ms, self.next_offset)
        return Checkpoint(minutes, late, position)

    def _report(self, keys: Int64s, offsets: Int64s) -> None:
        unique, last = np.unique(keys[::-1], return_index=True)
        self._late.update(zip(unique.tolist(), offsets[::-1][last].tolist(), strict=True))

    def _count(self, batch: ReadingBatch, minute: Int64s, rows: Int64s | None) -> None:
        """Fold the chosen readings (None: all)."""
        n = len(batch)
        part = summarise(batch)
        wide = {f.name: dense(getattr(part, f.name), batch.reading, batch.probe, n) for f in fields(ProbeSeconds)}
        present = wide["samples"] > 0
        key = minute_keys(batch.sensor, minute)
        second = batch.timestamp_s - minute * MINUTE_S
        offset = batch.offset
        if rows is not None:
            key, second, offset, present = key[rows], second[rows], offset[rows], present[:, rows]
            wide = {name: values[:, rows] for name, values in wide.items()}
        self.open.fold(key, second, offset, present, ProbeSeconds(**wide))

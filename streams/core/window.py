"""One partition's progress: watermark, open minutes, what is late, and where a restart must read from."""

from dataclasses import dataclass, field

import numpy as np

from schemas.columns import Bools
from schemas.conflict import Conflicts
from schemas.figures import summarise
from schemas.late_minute import LateMinutes
from schemas.power_minute import MinuteRows
from schemas.sensor_reading import ReadingBatch
from schemas.units import MINUTE_S
from streams.core.anomaly.judge import NO_RULINGS, Judge, Rulings
from streams.core.flood import NO_FLOOD, Flood
from streams.core.late import LateCopies, late_copies, late_minutes
from streams.core.minute import Differing, OpenMinutes, conflicts, minute_keys, split_keys
from streams.core.selection import Selection


@dataclass(frozen=True, slots=True)
class Position:
    """What is committed for one partition.

    Attributes:
        offset: the oldest reading that an open minute still needs; a restart reads from here.
        watermark_ms: the running maximum of the records' append times, up to next_offset.
        next_offset: every reading below it has been decided: counted, a copy, or reported late.
        flood: what of the messages below it could not be used.
    """

    offset: int
    watermark_ms: int
    next_offset: int
    flood: Flood = NO_FLOOD

    @property
    def metadata(self) -> str:
        """What travels beside the offset in the commit.

        It ends with a zero: confluent-kafka takes what it reads for a C string, and goes on reading without one.
        """
        return f"{self.watermark_ms},{self.next_offset},{self.flood.seen},{self.flood.dead}\0"

    @classmethod
    def parse(cls, offset: int, metadata: str) -> "Position":
        """Read a commit back.

        Raises:
            ValueError: the metadata is not ours.
        """
        numbers = [int(text) for text in metadata.rstrip("\0").split(",")]
        if len(numbers) not in (2, 4):  # an earlier version wrote two
            raise ValueError(f"{len(numbers)} numbers came")
        return cls(offset, numbers[0], numbers[1], Flood(*numbers[2:]))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What must be acknowledged before the position may be committed."""

    minutes: MinuteRows
    late: LateMinutes
    conflicts: Conflicts
    position: Position
    rulings: Rulings = NO_RULINGS


@dataclass(slots=True)
class Partition:
    """The fold's state for one partition of `sensor.readings`.

    Attributes:
        lateness_ms: how long after its end a minute stays open.
        watermark_ms, next_offset, flood: as in Position.
        redo_below: offsets below it were decided before the commit that this state started from.
        only: the sensor-minutes to count and report, None: all; the watermark is everybody's.
        rules: of anomalies; None: nobody asks for them.
    """

    lateness_ms: int
    watermark_ms: int = 0
    next_offset: int = 0
    redo_below: int = 0
    only: Selection | None = None
    flood: Flood = NO_FLOOD
    open: OpenMinutes = field(default_factory=OpenMinutes)
    rules: Judge | None = None
    _late: list[LateCopies] = field(default_factory=list)
    _differing: list[Differing] = field(default_factory=list)

    @classmethod
    def restore(cls, position: Position | None, lateness_ms: int, only: Selection | None = None) -> "Partition":
        """The state to begin with at a committed position (None: at the beginning of the log)."""
        if position is None:
            return cls(lateness_ms, only=only)
        return cls(lateness_ms, position.watermark_ms, position.offset, position.next_offset, only, position.flood)

    def judged_by(self, rules: Judge) -> None:
        """Look for anomalies too; before anything is folded."""
        self.rules, self.open = rules, OpenMinutes(keep_seconds=True)

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
        # A late reading below redo_below was counted or reported before the commit: its minute is final.
        self._take(batch, ahead & ~late, ahead & late & (batch.offset >= self.redo_below))
        self.watermark_ms = int(watermark[-1])
        self.next_offset = max(self.next_offset, int(batch.offset[-1]) + 1)

    @property
    def decided(self) -> int:
        """Messages below this offset were judged before, and are only read again."""
        return max(self.redo_below, self.next_offset)

    def passed(self, next_offset: int) -> None:
        """Note that the log goes on to here, also where the last messages were no readings."""
        self.next_offset = max(self.next_offset, next_offset)

    def checkpoint(self, names: list[str], live_ms: int = 0) -> Checkpoint:
        """Take what has changed, close what has ended, and say what may be committed once it is safe.

        Args:
            names: the vocabulary of sensor codes.
            live_ms: the log's time now, where no message tells it; 0: it is not known.
        """
        minutes = self.open.take_changed(names)
        before = (self.watermark_ms - self.lateness_ms) // (MINUTE_S * 1000)
        rulings = NO_RULINGS
        if self.rules is not None:
            self.rules.close(self.open, names, before)
        self.open.close_before(before)
        if self.rules is not None:
            live_ms = max(live_ms, self.watermark_ms)
            rulings = self.rules.look(self.open, names, self.watermark_ms, live_ms, self.next_offset)
        late, self._late = late_minutes(names, self._late), []
        differing, self._differing = conflicts(names, self._differing), []
        position = Position(self.open.oldest_offset(self.next_offset), self.watermark_ms, self.next_offset, self.flood)
        return Checkpoint(minutes, late, differing, position, rulings)

    def _take(self, batch: ReadingBatch, counts: Bools, late: Bools) -> None:
        """Count some readings, and note others as late; shape (n,) each."""
        if not counts.any() and not late.any():
            return
        figures = summarise(batch)
        reading, probe, counted = batch.reading, batch.probe, np.arange(len(batch.probe))
        minute = batch.timestamp_s // MINUTE_S
        key, second = minute_keys(batch.sensor, minute), batch.timestamp_s - minute * MINUTE_S
        if late.any():
            at = np.flatnonzero(late[reading])
            self._late.append(late_copies(key, second, batch.offset, reading[at], probe[at], figures.digest[at]))
            if self.rules is not None:
                self.rules.came_late(batch.names, batch.sensor[late], batch.timestamp_s[late])
        delay_ms = batch.received_at_ms - 1000 * batch.timestamp_s
        if not counts.all():
            counted = at = np.flatnonzero(counts[reading])
            rows = np.cumsum(counts) - 1  # of a reading among those that count
            reading, probe, figures = rows[reading[at]], probe[at], figures.take(at)
            key, second, offset = key[counts], second[counts], batch.offset[counts]
            delay_ms = delay_ms[counts]
        else:
            offset = batch.offset
        if self.rules is None:
            differing = self.open.fold(key, second, offset, reading, probe, figures)
        else:
            first = np.empty(len(counted), np.bool_)
            differing = self.open.fold(key, second, offset, reading, probe, figures, delay_ms, first)
            changed = np.zeros(0, np.int64) if differing is None else split_keys(differing.key)[0]
            if len(counted):
                self.rules.see(batch, counted, figures.table, first, changed)
        if differing is not None:
            self._differing.append(differing)

"""One partition's progress over `tic.frames`: watermark, open meter-minutes, what is late, where a restart must read from.

A minute is made of its own frames and of those of the minute before, so the frames of a closed minute are kept as long
as the next one is open, late ones included: every row that is published is made of all frames up to its version.

A frame without a time of its own counts at the log's, which differs between its copies. Only raw knows which copy came
first, so minutes with such a frame are left to the rebuilder, and so are those after them.
"""

from dataclasses import dataclass, field

import numpy as np

from schemas.columns import Bools, Int64s
from schemas.late_minute import COPY, LateMinutes
from schemas.tic_batch import FrameBatch
from schemas.tic_facts import BOOT, COUNTER, FACTS, NAME, OFFSET, Facts, facts
from schemas.tic_minute import TicMinute
from schemas.units import MINUTE_S
from streams.core.anomaly.judge import NO_RULINGS, Rulings
from streams.core.anomaly.meters import Frames, Meters
from streams.core.flood import NO_FLOOD, Flood
from streams.core.late import LateCopies, late_minutes
from streams.core.minute import minute_keys
from streams.core.selection import Selection
from streams.core.tic_minute import FRAMES_MAX, fold
from streams.core.window import Position

_FIRST_ROWS = 64
Place = tuple[int, int]
"""Meter's code, minute number."""
Message = tuple[bytes | None, bytes | None, int]
"""Key, value, append time."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A frame that breaks a rule of integrity: where it stands, as it came, and why."""

    offset: int
    message: Message
    reason: str


@dataclass(frozen=True, slots=True)
class TicCheckpoint:
    """What must be acknowledged before the position may be committed."""

    minutes: list[TicMinute]
    late: LateMinutes
    quarantined: list[Quarantined]
    position: Position
    rulings: Rulings = NO_RULINGS


class MeterMinute:
    """The distinct frames of one meter's minute, the first FRAMES_MAX of the log.

    Attributes:
        cold: whether a frame is among them that has no time of its own.
        on_time: how many of them came in time: those are the first.
        changed: whether its row is not published yet.
        refused: offset and reason of frames that its last row does not count.
    """

    __slots__ = ("_boots", "_count", "_handed", "_messages", "_names", "_seen", "_table", "changed", "cold", "on_time", "refused")

    def __init__(self) -> None:
        self.cold = self.changed = False
        self.on_time = 0
        self.refused: list[tuple[int, str]] = []
        self._handed = 0
        self._seen: set[tuple[str, int]] = set()
        self._table = np.empty((_FIRST_ROWS, FACTS), np.int64)
        self._count = 0
        self._messages: list[Message] = []
        self._boots: dict[str, int] = {}
        self._names: dict[str, int] = {}

    def add(self, identity: tuple[str, int], row: Int64s, name: str) -> bool:
        """Take in a frame; whether it is new and is used.

        Args:
            identity: boot id and counter.
            row: its facts.
            name: of its tariff; empty: it says none.
        """
        if identity in self._seen or self._count == FRAMES_MAX:
            return False
        if self._count == len(self._table):
            self._table = np.concatenate((self._table, np.empty_like(self._table)))
        self._seen.add(identity)
        mine = self._table[self._count]
        mine[:] = row
        mine[BOOT] = self._boots.setdefault(identity[0], len(self._boots))
        mine[NAME] = self._names.setdefault(name, len(self._names)) if name else -1
        self._count += 1
        return True

    def keep(self, message: Message) -> None:
        """The bytes of the frame that was added last."""
        self._messages.append(message)

    def hand_over(self) -> Int64s:
        """Offsets of the frames that the rebuilder was not told of."""
        offsets = self._table[self._handed : self._count, OFFSET]
        self._handed = self._count
        return offsets

    @property
    def facts(self) -> Facts:
        return Facts(self._table[: self._count], list(self._boots), list(self._names))

    @property
    def in_time(self) -> Facts:
        """Of frames that came in time, whatever came later: what the rules of anomalies judge."""
        return Facts(self._table[: self.on_time], list(self._boots), [])

    @property
    def first_offset(self) -> int:
        return int(self._table[0, OFFSET])

    def message(self, offset: int) -> Message:
        """The bytes of one of its frames."""
        return self._messages[int(np.searchsorted(self._table[: self._count, OFFSET], offset))]


@dataclass(slots=True)
class TicPartition:
    """The fold's state for one partition of `tic.frames`.

    Attributes:
        lateness_ms: how long after its end a minute stays open.
        watermark_ms, next_offset, flood: as in Position.
        redo_below: offsets below it were decided before the commit that this state started from.
        only: the meter-minutes to publish and report, None: all; the watermark is everybody's.
        open: the minutes whose frames are kept: the open ones, and the last closed one of each meter.
        rules: of anomalies; None: nobody asks for them.
    """

    lateness_ms: int
    watermark_ms: int = 0
    next_offset: int = 0
    redo_below: int = 0
    only: Selection | None = None
    flood: Flood = NO_FLOOD
    open: dict[Place, MeterMinute] = field(default_factory=dict)
    rules: Meters | None = None
    _first_open: int = field(init=False)
    _late: list[LateCopies] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._first_open = self._open_from()

    @classmethod
    def restore(cls, position: Position | None, lateness_ms: int, only: Selection | None = None) -> "TicPartition":
        """The state to begin with at a committed position (None: at the beginning of the log)."""
        if position is None:
            return cls(lateness_ms, only=only)
        return cls(lateness_ms, position.watermark_ms, position.offset, position.next_offset, only, position.flood)

    @property
    def decided(self) -> int:
        """Messages below this offset were judged before, and are only read again."""
        return max(self.redo_below, self.next_offset)

    def passed(self, next_offset: int) -> None:
        """Note that the log goes on to here, also where the last messages were no frames."""
        self.next_offset = max(self.next_offset, next_offset)

    def fold(self, batch: FrameBatch) -> None:
        """Take in the next frames, in log order; those below `next_offset` are passed over."""
        if not len(batch):
            return
        watermark = np.maximum.accumulate(np.maximum(batch.appended_ms, self.watermark_ms))
        minute = batch.at_s // MINUTE_S
        late = (minute + 1) * (MINUTE_S * 1000) + self.lateness_ms <= watermark
        ahead = batch.offset >= self.next_offset
        report = ahead & late & (batch.offset >= self.redo_below)
        kept = ahead & (minute >= self._first_open - 1)
        if self.only is not None:  # a frame matters to its minute and to the next
            about = self.only.wanted(batch.names, batch.meter, minute) | self.only.wanted(batch.names, batch.meter, minute + 1)
            report &= about
            kept &= about
        if report.any():
            self._report(batch, np.flatnonzero(report))
        if kept.any():
            self._keep(batch, np.flatnonzero(kept), late)
        self.watermark_ms = int(watermark[-1])
        self.next_offset = max(self.next_offset, int(batch.offset[-1]) + 1)

    def judged_by(self, rules: Meters) -> None:
        """Look for anomalies too; before anything is folded."""
        self.rules = rules

    def checkpoint(self, names: list[str], live_ms: int = 0) -> TicCheckpoint:
        """Take what has changed, close what has ended, and say what may be committed once it is safe.

        Args:
            names: the vocabulary of meter codes.
            live_ms: the log's time now, where no message tells it; 0: it is not known.
        """
        rows, quarantined = [], []
        first_open = self._open_from()
        for place in sorted(place for place in self.open if place[1] >= self._first_open):
            one, before = self.open[place], self.open.get((place[0], place[1] - 1))
            if one.changed and self._wanted(names, place):
                if one.cold or (before is not None and before.cold):
                    self._hand_over(place, one, before)
                else:
                    folded = fold(names[place[0]], place[1] * MINUTE_S, one.facts, None if before is None else before.facts)
                    one.refused = folded.refused
                    rows += [] if folded.row is None else [folded.row]
            one.changed = False
            if place[1] < first_open:
                quarantined += [Quarantined(offset, one.message(offset), why) for offset, why in one.refused]
        rulings = self._judged(names, first_open, live_ms) if self.rules is not None else NO_RULINGS
        self._first_open = first_open
        for place in [place for place in self.open if place[1] < first_open - 1]:
            del self.open[place]
        late, self._late = late_minutes(names, self._late), []
        oldest = min((one.first_offset for one in self.open.values()), default=self.next_offset)
        return TicCheckpoint(rows, late, quarantined, Position(oldest, self.watermark_ms, self.next_offset, self.flood), rulings)

    def _judged(self, names: list[str], first_open: int, live_ms: int) -> Rulings:
        """What the rules say of the minutes that close now, for good, and of those that stay open, for the time being."""
        assert self.rules is not None
        minutes = {
            (names[code], minute): Frames(None if one.cold else one.in_time)
            for (code, minute), one in self.open.items()
            if minute >= self._first_open and (one.cold or one.on_time)
        }
        self.rules.close({place: one for place, one in minutes.items() if place[1] < first_open}, first_open)
        still = {place: one for place, one in minutes.items() if place[1] >= first_open}
        return self.rules.look(still, max(live_ms, self.watermark_ms), self.next_offset)

    def _open_from(self) -> int:
        """The first minute number that is open."""
        return (self.watermark_ms - self.lateness_ms) // (MINUTE_S * 1000)

    def _wanted(self, names: list[str], place: Place) -> bool:
        code, minute = np.array([place[0]]), np.array([place[1]])
        return self.only is None or bool(self.only.wanted(names, code, minute)[0])

    def _keep(self, batch: FrameBatch, at: Int64s, late: Bools) -> None:
        found = facts(batch)
        rows = found.table
        meters, minutes, certain = batch.meter.tolist(), (batch.at_s // MINUTE_S).tolist(), batch.certain.tolist()
        counters, appended = rows[:, COUNTER].tolist(), batch.appended_ms.tolist()
        boots, names, in_time = rows[:, BOOT].tolist(), rows[:, NAME].tolist(), (~late).tolist()
        if self.rules is not None:
            self.rules.see(batch.names, batch.meter[at], batch.appended_ms[at])
        for i in at.tolist():
            place = meters[i], minutes[i]
            one = self.open.get(place)
            if one is None:
                one = self.open[place] = MeterMinute()
            name = found.names[names[i]] if names[i] >= 0 else ""
            if not one.add((found.boots[boots[i]], counters[i]), rows[i], name):
                continue
            one.keep((*batch.message(i), appended[i]))
            one.on_time += in_time[i]
            one.cold |= not certain[i]
            one.changed = True
            after = self.open.get((place[0], place[1] + 1))
            if after is not None:
                after.changed = True

    def _report(self, batch: FrameBatch, at: Int64s) -> None:
        copies = np.zeros(len(at), COPY)
        copies["log_offset"], copies["second"] = batch.offset[at], batch.at_s[at] % MINUTE_S
        self._late.append(LateCopies(minute_keys(batch.meter[at], batch.at_s[at] // MINUTE_S), copies))

    def _hand_over(self, place: Place, one: MeterMinute, before: MeterMinute | None) -> None:
        """Leave a minute to the rebuilder; it has changed, or the one before it has."""
        one.refused = []
        offsets = one.hand_over()
        if before is not None:  # the rebuilder must see its frames too
            offsets = np.sort(np.concatenate((offsets, before.facts.table[-1:, OFFSET])))
        copies = np.zeros(len(offsets), COPY)
        copies["log_offset"] = offsets
        key = np.full(len(offsets), minute_keys(np.array([place[0]]), np.array([place[1]]))[0])
        self._late.append(LateCopies(key, copies))

"""Which speed a line has, and whether bit 7 is a parity: told by what gives right frames. No port and no clock here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from producers.tic.bytes import carries_parity
from producers.tic.decode import DecodedFrame, Decoder, Event
from producers.tic.frames import Discarded, Why
from producers.tic.labels import Mode
from producers.tic.rules import LINE, LINE_WITHOUT_PARITY, Rules

BAD_AFTER_S = 10.0
"""54E 9.4.1: a receiver is bad after 10 s without a right frame."""
GROUPS_MIN = 3
"""Of a right frame. The shortest there is, of an overload (ADIR), has 5."""
SAMPLE_MAX = 4096


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an opening of the port may go without a right frame.

    Attributes:
        settled_s: once one came at this opening; from the beginning at a speed that was right in an earlier start.
        by_speed_s: before: two frames of the longest kind (one may be cut by the opening) and a margin.
        pause_s: a silence longer than this ends a run of bytes; between groups and frames it is 33 ms at most.
    """

    settled_s: float = BAD_AFTER_S
    by_speed_s: dict[int, float] = field(default_factory=lambda: {9600: 5.0, 1200: 8.0})
    pause_s: float = 1.0


class Trouble(StrEnum):
    """Why a port is to be opened again."""

    SILENT = "silent"
    GARBAGE = "garbage"
    GONE = "gone"


def is_right(event: Event, mode: Mode | None) -> bool:
    """Whether it is a frame most of whose groups were accepted, of the mode that is asked for.

    Not: without any refused group. A meter of a newer version may send a label that is always refused.
    """
    return (
        isinstance(event, DecodedFrame)
        and len(event.groups) >= GROUPS_MIN
        and len(event.groups) > len(event.rejected)
        and mode in (None, event.mode)
    )


class Opening:
    """What one opening of the port gives.

    Until the first right frame the bytes are read twice, with parity and without: an adapter that throws the parity
    away would else look like a line that is dead.

    Args:
        known: right frames are to be expected at this speed.

    Attributes:
        rules: those that gave the first right frame; None before it.
    """

    def __init__(self, speed: int, mode: Mode | None, now_s: float, patience: Patience, *, known: bool = False) -> None:
        self.rules: Rules | None = None
        self._mode, self._patience = mode, patience
        self._limit_s = patience.settled_s if known else patience.by_speed_s.get(speed, patience.settled_s)
        self._decoder, self._other = Decoder(LINE), Decoder(LINE_WITHOUT_PARITY)
        self._sample = bytearray()
        self._byte_s = self._base_s = now_s
        self.heard = 0

    def feed(self, data: bytes, now_s: float) -> list[Event]:
        """Take what the port gave."""
        if now_s - self._byte_s > self._patience.pause_s or not self.heard:
            self._base_s = now_s
        self.heard += len(data)
        self._byte_s = now_s
        events = self._decoder.feed(data)
        if self.rules is None:
            events = self._settle(data, events)
        if any(is_right(event, self._mode) for event in events):
            self._base_s = now_s
        return events

    def end(self) -> list[Event]:
        """The port is closed."""
        return self._decoder.end() if self.rules else []

    def trouble(self, now_s: float) -> Trouble | None:
        """Why this opening is given up; None while it may go on."""
        if now_s - self._byte_s >= self._limit_s:
            return Trouble.SILENT
        return Trouble.GARBAGE if self.heard and now_s - self._base_s >= self._limit_s else None

    def _settle(self, data: bytes, events: list[Event]) -> list[Event]:
        self._sample += data[: SAMPLE_MAX - len(self._sample)]
        without = self._other.feed(data)
        for at, event in enumerate(events):
            if is_right(event, self._mode):
                self._settled(LINE)
                return [_given_up(one) for one in events[:at]] + events[at:]
        if any(is_right(event, self._mode) for event in without) and carries_parity(bytes(self._sample)) is False:
            self._decoder = self._other
            self._settled(LINE_WITHOUT_PARITY)
            return [event for event in without if is_right(event, self._mode)]
        return [_given_up(one) for one in events]

    def _settled(self, rules: Rules) -> None:
        self.rules = rules
        self._limit_s = self._patience.settled_s
        self._other, self._sample = self._decoder, bytearray()


def _given_up(event: Event) -> Event:
    """Before a line is known to be one, a frame that is mostly wrong is noise."""
    return Discarded(event.begin, event.stray, event.raw, Why.NOTHING) if isinstance(event, DecodedFrame) else event


class Speeds:
    """In which order speeds are tried: the one that was right last, then the others, round and round.

    Args:
        candidates: at least one.
        known: the one that was right in an earlier start; 0: none.

    Attributes:
        known: the next opening is the first, at the speed of an earlier start.
    """

    def __init__(self, candidates: Sequence[int], known: int = 0) -> None:
        self._order = sorted(candidates, key=lambda one: one != known)
        self._turn = 0
        self._known = self.known = known in candidates

    @property
    def speed(self) -> int:
        """For the next opening."""
        return self._order[self._turn % len(self._order)]

    def after(self, speed: int, *, settled: bool, trouble: Trouble) -> None:
        """How an opening ended. Silence says nothing against a speed that has been right before; nor does a lost device."""
        self.known &= trouble is not Trouble.GARBAGE
        if settled:
            self._order.sort(key=lambda one: one != speed)
            self._turn, self._known = 0, True
        elif trouble is Trouble.GARBAGE or (trouble is Trouble.SILENT and not self._known):
            self._turn += 1

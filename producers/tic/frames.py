"""Bytes to frames: STX, groups, ETX; or an end that came too early (54E 5.3.6; R2 of the decode contract).

Events depend on the bytes alone, not on how they were cut into pieces.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from producers.tic.bytes import Parity, characters

STX, ETX, EOT = 0x02, 0x03, 0x04
CONTROLS = re.compile(rb"[\x02\x03\x04]")
FRAME_MAX = 4096
"""Longer than any frame: all 71 groups at once take 1,727 bytes. A frame open above this is given up."""


class Why(StrEnum):
    """Why a frame that was begun is none."""

    STX = "restarted"
    """The next one began: the end of this one was lost."""
    EOT = "interrupted"
    """A local Euridis session stopped the meter; it begins again with a new frame."""
    LENGTH = "too long"
    """The end was lost, and what follows is noise."""
    END = "cut off"
    """The input ended."""
    NOTHING = "nothing right"
    """No group of it was accepted."""
    REPEATED = "two in one"
    """A label came twice: the end of one frame and the beginning of the next were lost."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What stood between STX and ETX.

    Attributes:
        begin: position of the STX in the stream.
        stray: bytes between the end of the frame before and this STX.
        raw: the bytes, as they came.
    """

    begin: int
    stray: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Discarded:
    """A frame that was opened and is given up.

    Attributes:
        begin, stray, raw: as of a frame; at most FRAME_MAX + 1 bytes.
    """

    begin: int
    stray: int
    raw: bytes
    why: Why


_CLOSE = "close"
_NEXT: dict[tuple[bool, int], tuple[Why | str | None, bool]] = {
    # (inside a frame, character): (what becomes of the frame, whether one is open afterwards)
    (False, STX): (None, True),
    (False, ETX): (None, False),  # outside a frame everything up to STX is ignored
    (False, EOT): (None, False),
    (True, STX): (Why.STX, True),
    (True, ETX): (_CLOSE, False),
    (True, EOT): (Why.EOT, False),
}


class Framer:
    """Cuts a stream into frames. Holds at most one frame."""

    def __init__(self, parity: Parity) -> None:
        self._parity = parity
        self._position = 0
        self._ended = 0
        self._begin = 0
        self._body: bytearray | None = None

    @property
    def position(self) -> int:
        """How many bytes have been taken."""
        return self._position

    def feed(self, data: bytes) -> list[Frame | Discarded]:
        """Take the next bytes, however many."""
        events: list[Frame | Discarded] = []
        at = 0
        for control in CONTROLS.finditer(characters(data, self._parity)):
            where = control.start()
            self._extend(data[at:where], events)
            at = where + 1
            outcome, opens = _NEXT[self._body is not None, control[0][0]]
            if outcome is not None:
                events.append(self._leave(outcome, self._position + where + (not opens)))
            if opens:
                self._begin, self._body = self._position + where, bytearray()
        self._extend(data[at:], events)
        self._position += len(data)
        return events

    def end(self) -> list[Frame | Discarded]:
        """The input has ended; a new one may follow, as of a port opened again."""
        return [] if self._body is None else [self._leave(Why.END, self._position)]

    def _extend(self, piece: bytes, events: list[Frame | Discarded]) -> None:
        if self._body is None:
            return
        self._body += piece[: FRAME_MAX + 1 - len(self._body)]
        if len(self._body) > FRAME_MAX:
            events.append(self._leave(Why.LENGTH, self._begin + 1 + len(self._body)))

    def _leave(self, outcome: Why | str, ended: int) -> Frame | Discarded:
        raw, stray = bytes(self._body or b""), self._begin - self._ended
        self._body, self._ended = None, ended
        if isinstance(outcome, Why):
            return Discarded(self._begin, stray, raw, outcome)
        return Frame(self._begin, stray, raw)

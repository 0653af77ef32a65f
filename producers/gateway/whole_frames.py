"""Short text messages that came in one frame, taken out of the bytes of a WebSocket before aiohttp's reader.

That is how sensors send their seconds. The way through the reader, its queue and a task that waits on it costs
more than all our checks. Whatever else comes, the reader gets exactly as it came: control frames, fragments, long
frames, faults, and every text that is not taken.
"""

from collections.abc import Callable
from typing import Protocol

from aiohttp._websocket.helpers import websocket_mask  # no public name; its other form, in Python, takes six times as long

SHORT = 16_384
"""Longer frames are left to the reader: a beginning that waits for its end is copied with each piece that comes."""

_TEXT = 0x81
_DATA = (0x0, 0x1, 0x2)


class Reader(Protocol):
    """What is needed of aiohttp's WebSocketReader."""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]: ...
    def feed_eof(self) -> None: ...


class WholeFrames:
    """Stands before the reader.

    Args:
        reader: gets what is not taken.
        take: is offered each short text; says whether it took it.
    """

    def __init__(self, reader: Reader, take: Callable[[bytes], bool]) -> None:
        self._reader, self._take = reader, take
        self._rest = b""
        self._of_reader = 0
        """Bytes still to come of a frame that is the reader's."""
        self._fragmented = False

    def feed_eof(self) -> None:
        self._reader.feed_eof()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take what came over the wire, cut anywhere. Returns what the reader returns: whether the connection is over."""
        data = self._rest + data if self._rest else data
        at, size = 0, len(data)
        while at < size:
            if not self._of_reader:
                frame = self._frame(data, at)
                if frame is None:
                    break
                at, self._of_reader = frame
            if self._of_reader:
                piece = data[at : at + self._of_reader]
                at += len(piece)
                self._of_reader -= len(piece)
                over = self._reader.feed_data(piece)
                if over[0]:
                    return over
        self._rest = data[at:]
        return False, b""

    def _frame(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Look at the frame that begins here.

        Returns:
            where to go on and how many bytes from there are the reader's: none when the frame was taken;
            None when more of it must come first.
        """
        left = len(data) - at
        if left < 2:
            return None
        first, second = data[at], data[at + 1]
        length, start = second & 0x7F, at + 2
        if length >= 126:
            start += 2 if length == 126 else 8
            if start > len(data):
                return None
            length = int.from_bytes(data[at + 2 : start], "big")
        if second & 0x80:
            start += 4
        end = start + length
        if first == _TEXT and second & 0x80 and length <= SHORT and not self._fragmented:
            if end > len(data):
                return None
            text = bytearray(data[start:end])
            websocket_mask(data[start - 4 : start], text)
            if self._take(bytes(text)):
                return end, 0
        elif first & 0x0F in _DATA:
            self._fragmented = not first & 0x80
        return at, end - at

"""Frames between the port and the disk: bounded, and what is thrown away is counted."""

import threading
from collections import deque
from collections.abc import Sequence

from schemas.tic_frame import TicFrame

FRAMES_MAX = 1000
"""A disk may stand still for a quarter of an hour: a line sends 1.5 frames a second at most. About 10 MB."""


class Backlog:
    """A queue that never blocks who puts in; the oldest frames make room.

    Attributes:
        dropped: frames thrown away.
        newest: the last frame put in, taken or not; None before the first.
        held: frames that are not in it yet: they wait to learn whose they are (`Reception.unconfirmed`).
    """

    def __init__(self, limit: int = FRAMES_MAX) -> None:
        self.dropped = 0
        self.newest: TicFrame | None = None
        self.held: tuple[TicFrame, ...] = ()
        self._limit = limit
        self._frames: deque[TicFrame] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: TicFrame) -> None:
        """The newest frame."""
        with self._lock:
            self._frames.append(frame)
            self.newest = frame
            self._shorten()

    def take(self) -> list[TicFrame]:
        """All frames, the oldest first."""
        with self._lock:
            taken = list(self._frames)
            self._frames.clear()
            return taken

    def give_back(self, frames: Sequence[TicFrame]) -> None:
        """Frames that were taken and could not be stored; they are the oldest again."""
        with self._lock:
            self._frames.extendleft(reversed(frames))
            self._shorten()

    def _shorten(self) -> None:
        while len(self._frames) > self._limit:
            self._frames.popleft()
            self.dropped += 1

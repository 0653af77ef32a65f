"""When a byte came, though bytes are read many at a time."""

from bisect import bisect_right
from collections import deque

READS_MAX = 1024
"""Of 50 ms: longer than a frame that is not yet given up takes at 1200 baud."""


class Arrivals:
    """The moments of the last reads.

    Args:
        speed: of the line, in baud; a character takes 10 bits.
    """

    def __init__(self, speed: int) -> None:
        self._character_s = 10 / speed
        self._ends: deque[int] = deque([0], READS_MAX)
        self._at_s: deque[float] = deque([0.0], READS_MAX)

    def read(self, count: int, now_s: float) -> None:
        """So many bytes were there now."""
        self._ends.append(self._ends[-1] + count)
        self._at_s.append(now_s)

    def of(self, position: int) -> float:
        """When the byte at this position of the stream was complete: as long before its read as the bytes behind it took.

        Never before the read before it; for one longer ago than is remembered, the oldest read.
        """
        at = min(bisect_right(self._ends, position), len(self._ends) - 1)
        behind = self._ends[at] - position - 1
        return max(self._at_s[at] - behind * self._character_s, self._at_s[at - 1] if at else self._at_s[0])

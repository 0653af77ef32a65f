"""Acknowledgements over WebSockets, gathered for one turn of the event loop: one write to a connection, not one for each.

The log acknowledges many seconds at a time, often several of one sensor, and a write costs more than judging a second.
"""

import asyncio
from typing import Protocol


class Speaker(Protocol):
    """One connection."""

    def write(self, frames: bytes) -> None: ...


class Answers:
    """For one event loop, and its thread only."""

    def __init__(self) -> None:
        self._unsaid: dict[Speaker, list[bytes]] = {}

    def say(self, to: Speaker, frame: bytes) -> None:
        """Write a frame soon, after those said before it."""
        gathered = self._unsaid.get(to)
        if gathered is not None:
            gathered.append(frame)
            return
        if not self._unsaid:
            asyncio.get_running_loop().call_soon(self.write)
        self._unsaid[to] = [frame]

    def write(self) -> None:
        """Write it now."""
        unsaid, self._unsaid = self._unsaid, {}
        for to, gathered in unsaid.items():
            to.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))

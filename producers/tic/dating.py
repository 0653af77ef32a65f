"""Frames that came before the machine's clock was set get their time once it is: a Raspberry Pi has no battery.

Each frame carries the machine's monotonic time, which never steps. What cannot be mended here keeps the time the clock
told: frames of an earlier start of the reader whose clock was never set.
"""

import time
from dataclasses import replace
from typing import Protocol

from producers.tic.spool import Entry
from schemas import avro, topics

STARTING_S = 180.0
"""A machine that started so recently, with a network, is about to learn the time: frames wait for it."""
AGAIN_S = 2.0


class Clock(Protocol):
    """What is needed of producers.tic.clock.Clock."""

    def synchronised(self) -> bool: ...


class Dating:
    """For the frames of one start of the reader.

    Args:
        boot_id: of that start.
    """

    def __init__(self, boot_id: str, clock: Clock) -> None:
        self._mark, self._boot_id, self._clock = boot_id.encode(), boot_id, clock
        self._needed = not clock.synchronised()

    def wait_s(self) -> float:
        """How long to wait before anything is delivered; 0: no longer."""
        waits = self._needed and time.monotonic() < STARTING_S and not self._clock.synchronised()
        return AGAIN_S if waits else 0.0

    def dated(self, entries: list[Entry]) -> list[Entry]:
        """The same frames, with the right time where it is known by now."""
        if not self._needed or not self._clock.synchronised():
            return entries
        began_ms = round((time.time() - time.monotonic()) * 1000)
        return [self._one(entry, began_ms) if self._mark in entry.body[:96] else entry for entry in entries]

    def _one(self, entry: Entry, began_ms: int) -> Entry:
        frame = avro.decode_body(topics.TIC_FRAMES, entry.body, avro.raw_schema(topics.TIC_FRAMES), "ours")
        if frame["clock_synchronised"] or frame["boot_id"] != self._boot_id:
            return entry
        frame |= {"received_at_ms": began_ms + frame["monotonic_ms"], "clock_synchronised": True}
        return replace(entry, body=avro.encode_body(topics.TIC_FRAMES, frame))

"""Frames that came before the machine's clock was set get their time once it is: a Raspberry Pi has no battery.

Each frame carries the time since the machine's start, which never steps. So frames of this start of the reader can be
mended, and those of earlier ones since the machine started; what cannot keeps the time the clock told.
"""

import time
from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

from producers.tic.clock import since_start_s
from producers.tic.spool import Entry
from schemas import avro, topics

STARTING_S = 180.0
"""A machine that started so recently, with a network, is about to learn the time: frames wait for it."""
AGAIN_S = 2.0


class Clock(Protocol):
    """What is needed of producers.tic.clock.Clock."""

    def synchronised(self) -> bool: ...


class Dating:
    """For the frames since the machine started.

    Args:
        boot_ids: of the reader, each of which began before the machine's clock was set; none: nothing needs mending.
    """

    def __init__(self, boot_ids: Collection[str], clock: Clock) -> None:
        self._boot_ids, self._clock = frozenset(boot_ids), clock
        self._marks = [boot_id.encode() for boot_id in self._boot_ids]
        self._needed = bool(boot_ids)

    def wait_s(self) -> float:
        """How long to wait before anything is delivered; 0: no longer."""
        waits = self._needed and since_start_s() < STARTING_S and not self._clock.synchronised()
        return AGAIN_S if waits else 0.0

    def dated(self, entries: list[Entry]) -> list[Entry]:
        """The same frames, with the right time where it is known by now."""
        if not self._needed or not self._clock.synchronised():
            return entries
        began_ms = round((time.time() - since_start_s()) * 1000)
        return [self._one(entry, began_ms) if self._may_be(entry.body[:96]) else entry for entry in entries]

    def _may_be(self, head: bytes) -> bool:
        """Whether a frame that begins so needs a closer look; to decode each costs much more."""
        return any(mark in head for mark in self._marks)

    def _one(self, entry: Entry, began_ms: int) -> Entry:
        frame = avro.decode_body(topics.TIC_FRAMES, entry.body, avro.raw_schema(topics.TIC_FRAMES), "ours")
        if frame["clock_synchronised"] or frame["boot_id"] not in self._boot_ids:
            return entry
        frame |= {"received_at_ms": began_ms + frame["monotonic_ms"], "clock_synchronised": True}
        return replace(entry, body=avro.encode_body(topics.TIC_FRAMES, frame))

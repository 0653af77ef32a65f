"""Decoded frames to records: whose they are, which number they have, when they came."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from producers.tic.decode import DecodedFrame, Event
from producers.tic.frames import Discarded
from producers.tic.groups import Group
from producers.tic.identity import Meter
from producers.tic.labels import Mode
from producers.tic.record import Received, record
from schemas.tic_frame import TicFrame

HELD_MAX = 8
"""Frames that wait to learn whose they are: a meter counts once two frames in a row name it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame's first byte came; as in tic_frame.avsc."""

    received_at_ms: int
    clock_synchronised: bool
    monotonic_ms: int


@dataclass(frozen=True, slots=True)
class _Held:
    frame: DecodedFrame
    moment: Moment


class Reception:
    """The frames of one line, in order. Their counter has no holes but for frames that are lost later.

    Args:
        boot_id: of this start of the reader.
        mode: the only one to take; None: both.
        key: of the pseudonyms; None: addresses leave as they are.

    Attributes:
        meter: the one at the end of the line.
        refused: frames that were right and are no records, by reason.
    """

    def __init__(self, boot_id: str, mode: Mode | None = None, key: bytes | None = None) -> None:
        self.meter = Meter()
        self.refused: Counter[str] = Counter()
        self._boot_id, self._mode, self._key = boot_id, mode, key
        self._counter = self._discarded = self._stray = 0
        self._held: deque[_Held] = deque()

    def take(self, event: Event, moment: Moment) -> list[TicFrame]:
        """What one event of the decoder makes: no record, one, or with the second frame of a meter the first as well."""
        self._stray += event.stray
        if isinstance(event, Discarded):
            self._discarded += 1
            return []
        if self._mode not in (None, event.mode):
            self._refuse("other mode")
            return []
        self.meter = self.meter.after(event.groups)
        self._held.append(_Held(event, moment))
        if len(self._held) > HELD_MAX:
            self._held.popleft()
            self._refuse("no address")
        return self._release(event.groups)

    def _release(self, last: Mapping[str, Group]) -> list[TicFrame]:
        if not self.meter.owns(last):
            return []
        records = []
        for held in self._held:
            if self.meter.owns(held.frame.groups):
                records.append(self._record(held))
            else:
                self._refuse("other address")
        self._held.clear()
        return records

    def _record(self, held: _Held) -> TicFrame:
        moment = held.moment
        received = Received(
            address=str(self.meter.address),
            boot_id=self._boot_id,
            counter=self._counter,
            received_at_ms=moment.received_at_ms,
            clock_synchronised=moment.clock_synchronised,
            monotonic_ms=moment.monotonic_ms,
            discarded_frames=self._discarded,
            stray_characters=self._stray,
        )
        self._counter += 1
        self._discarded = self._stray = 0
        return record(held.frame, received, self._key)

    def _refuse(self, why: str) -> None:
        self.refused[why] += 1
        self._discarded += 1

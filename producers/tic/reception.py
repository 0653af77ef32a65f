"""Decoded frames to records: whose they are, which number they have, when they came."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from producers.tic.decode import DecodedFrame, Event
from producers.tic.frames import Discarded
from producers.tic.groups import Group
from producers.tic.identity import Meter, address_of, pseudonym
from producers.tic.labels import Mode
from producers.tic.record import Received, record
from schemas.tic_frame import TicFrame

HELD_MAX = 8
"""Frames that wait to learn whose they are: a meter counts once two frames in a row name it, even with a restart between."""


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
        known: the id of the meter of earlier starts: the first frame that names it confirms it.
        left: frames of an earlier start that nothing has confirmed; the first frame that names the same meter does.

    Attributes:
        meter: the one at the end of the line.
        unconfirmed: frames that name a new meter and wait for a second one, as they will be if it comes; not of
            other frames that wait, which name none.
        refused: frames that were right and are no records, by reason.
    """

    def __init__(
        self,
        boot_id: str,
        mode: Mode | None = None,
        key: bytes | None = None,
        *,
        known: str = "",
        left: Sequence[TicFrame] = (),
    ) -> None:
        self.meter = Meter()
        self.unconfirmed = tuple(left)
        self.refused: Counter[str] = Counter()
        self._boot_id, self._mode, self._key = boot_id, mode, key
        self._known, self._left = known, tuple(left)
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
        self.meter = self._heard(event.groups)
        self._held.append(_Held(event, moment))
        if len(self._held) > HELD_MAX:
            self._held.popleft()
            self._refuse("no address")
        records = self._release(event.groups)
        self.unconfirmed = (*self._left, *self._claims())
        return records

    def _heard(self, groups: Mapping[str, Group]) -> Meter:
        meter = self.meter.after(groups)
        seen = address_of(groups)
        if meter.address is None and seen is not None and self._id(seen) in (self._known, *(one.meter_id for one in self._left)):
            return Meter(seen)
        return meter

    def _id(self, address: str) -> str:
        return address if self._key is None else pseudonym(address, self._key)

    def _claims(self) -> list[TicFrame]:
        """Frames that are held and name the meter that the last one named."""
        claimed = self.meter.claimed
        held = [one for one in self._held if claimed is not None and address_of(one.frame.groups) == claimed]
        return [self._record(one, str(claimed), self._counter + ahead) for ahead, one in enumerate(held)]

    def _release(self, last: Mapping[str, Group]) -> list[TicFrame]:
        if not self.meter.owns(last):
            return []
        address = str(self.meter.address)
        records = [one for one in self._left if one.meter_id == self._id(address)]
        if len(records) < len(self._left):
            self.refused["other address"] += len(self._left) - len(records)
        self._left = ()
        for held in self._held:
            if self.meter.owns(held.frame.groups):
                records.append(self._record(held, address, self._counter))
                self._counter += 1
                self._discarded = self._stray = 0
            else:
                self._refuse("other address")
        self._held.clear()
        return records

    def _record(self, held: _Held, address: str, counter: int) -> TicFrame:
        moment = held.moment
        received = Received(
            address=address,
            boot_id=self._boot_id,
            counter=counter,
            received_at_ms=moment.received_at_ms,
            clock_synchronised=moment.clock_synchronised,
            monotonic_ms=moment.monotonic_ms,
            discarded_frames=self._discarded,
            stray_characters=self._stray,
        )
        return record(held.frame, received, self._key)

    def _refuse(self, why: str) -> None:
        self.refused[why] += 1
        self._discarded += 1

"""How good the line is: counters over the decoder's events."""

from collections import Counter
from dataclasses import dataclass, field

from producers.tic.decode import DecodedFrame, Event
from producers.tic.frames import Discarded
from producers.tic.groups import NO_LABEL
from producers.tic.labels import LABELS

OTHER = "other"
"""Counts for all labels that are in no table, so that noise cannot make counters without end."""
_KNOWN = {label for table in LABELS.values() for label in table} | {NO_LABEL}


@dataclass(slots=True)
class LinkQuality:
    """Counters of one line; none ever falls.

    Attributes:
        frames: emitted; `whole`: of these, without a refused group.
        characters, bad_characters: inside frames that were emitted; of these, with wrong parity.
        stray_characters: outside of any frame.
        discarded: frames given up, by reason.
        accepted: groups by label.
        rejected: groups by (label, reason).
    """

    frames: int = 0
    whole: int = 0
    characters: int = 0
    bad_characters: int = 0
    stray_characters: int = 0
    discarded: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        """Count one event."""
        self.stray_characters += event.stray
        if isinstance(event, Discarded):
            self.discarded[event.why] += 1
            return
        self._add_frame(event)

    def _add_frame(self, frame: DecodedFrame) -> None:
        self.frames += 1
        self.whole += not frame.rejected
        self.characters += len(frame.raw)
        self.bad_characters += frame.bad_characters
        self.accepted.update(_counted(label) for label in frame.groups)
        self.rejected.update((_counted(one.label), one.code) for one in frame.rejected)

    def share_accepted(self) -> float | None:
        """Groups accepted of groups seen; None before the first."""
        seen = self.accepted.total() + self.rejected.total()
        return self.accepted.total() / seen if seen else None


def _counted(label: str) -> str:
    return label if label in _KNOWN else OTHER

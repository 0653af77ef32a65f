"""Bytes to decoded frames, and to the JSON of the decode contract (R9)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from producers.tic.bytes import BAD, characters
from producers.tic.errors import MixedModesError, TicError
from producers.tic.frames import Discarded, Frame, Framer, Why
from producers.tic.groups import PIECES, Group, group_of
from producers.tic.horodate import iso
from producers.tic.labels import Mode
from producers.tic.rules import CONTRACT, Rules

SAME_GROUPS = 512
"""Most groups of a frame are those of the frame before: so many are remembered, ten frames of them, in half a megabyte."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate group that was refused.

    Attributes:
        raw: its bytes as they came, parity included.
        label: as far as it can be read.
        code: short name of the reason.
        reason: what came, what was expected, what to do.
    """

    raw: bytes
    label: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame of which at least one group was accepted.

    Attributes:
        begin: position of its STX in the stream.
        stray: bytes between the end of the frame before and its STX.
        raw: its bytes as they came, without STX and ETX.
        mode: that of its groups.
        groups: by label, in the order of the meter; of two with one label the later.
        rejected: in order.
        bad_characters: how many have the wrong parity.
    """

    begin: int
    stray: int
    raw: bytes
    mode: Mode
    groups: dict[str, Group]
    rejected: tuple[Rejected, ...]
    bad_characters: int


Event = DecodedFrame | Discarded


class Decoder:
    """A stream of bytes to events; the same events however the bytes are cut."""

    def __init__(self, rules: Rules = CONTRACT) -> None:
        self._rules = rules
        self._framer = Framer(rules.parity)
        self._group_of = lru_cache(SAME_GROUPS)(partial(group_of, rules=rules))

    @property
    def position(self) -> int:
        """How many bytes have been taken."""
        return self._framer.position

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes, however many."""
        return [self._decoded(event) for event in self._framer.feed(data)]

    def end(self) -> list[Event]:
        """The input has ended."""
        return [self._decoded(event) for event in self._framer.end()]

    def _decoded(self, frame: Frame | Discarded) -> Event:
        if isinstance(frame, Discarded):
            return frame
        body = characters(frame.raw, self._rules.parity)
        accepted: list[tuple[Group, re.Match[bytes]]] = []
        rejected: list[Rejected] = []
        for piece in PIECES.finditer(body):
            try:
                accepted.append((self._group_of(piece[0]), piece))
            except TicError as error:
                rejected.append(_rejected(frame, piece, error))
        if not accepted:
            return Discarded(frame.begin, frame.stray, frame.raw, Why.NOTHING)
        mode = _mode([group for group, _ in accepted])
        if self._rules.exact:
            others = [(group, piece) for group, piece in accepted if group.mode is not mode]
            for group, piece in others:
                rejected.append(_rejected(frame, piece, MixedModesError(group.label, came=group.mode, frame=mode)))
                accepted.remove((group, piece))
        groups = {group.label: group for group, _ in accepted}
        if self._rules.exact and len(groups) < len(accepted):
            return Discarded(frame.begin, frame.stray, frame.raw, Why.REPEATED)
        return DecodedFrame(frame.begin, frame.stray, frame.raw, mode, groups, tuple(rejected), body.count(BAD))


def _rejected(frame: Frame, piece: re.Match[bytes], error: TicError) -> Rejected:
    return Rejected(frame.raw[piece.start() : piece.end()], error.label, error.code, str(error))


def _mode(groups: list[Group]) -> Mode:
    """Of the most groups; of as many in both, standard."""
    standard = sum(group.mode is Mode.STANDARD for group in groups)
    return Mode.STANDARD if 2 * standard >= len(groups) else Mode.HISTORIC


def decode(pieces: Iterable[bytes], rules: Rules = CONTRACT) -> Iterator[Event]:
    """A whole input, in pieces of any size."""
    decoder = Decoder(rules)
    for piece in pieces:
        yield from decoder.feed(piece)
    yield from decoder.end()


@dataclass(slots=True)
class Totals:
    """What the contract says of a capture beside its frames."""

    frames: int = 0
    rejected_groups: int = 0
    discarded_frames: int = 0
    standard: int = 0
    historic: int = 0

    def add(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, Discarded):
            self.discarded_frames += 1
            return
        self.frames += 1
        self.rejected_groups += len(event.rejected)
        standard = sum(group.mode is Mode.STANDARD for group in event.groups.values())
        self.standard += standard
        self.historic += len(event.groups) - standard

    def as_json(self) -> dict[str, Any]:
        """The contract's members but for `frames`; of groups of both modes the more frequent one tells the mode."""
        mode = Mode.STANDARD if self.standard >= self.historic else Mode.HISTORIC
        return {
            "mode": mode if self.standard + self.historic else None,
            "rejected_groups": self.rejected_groups,
            "discarded_frames": self.discarded_frames,
        }


def frame_json(frame: DecodedFrame) -> dict[str, dict[str, Any]]:
    """One of the contract's `frames`."""
    return {label: _entry(group) for label, group in frame.groups.items()}


def _entry(group: Group) -> dict[str, Any]:
    entry: dict[str, Any] = {"value": group.value, "horodate": None if group.at_s is None else iso(group.at_s)}
    return entry | {"degraded": True} if group.degraded else entry


def capture_json(pieces: Iterable[bytes], rules: Rules = CONTRACT) -> dict[str, Any]:
    """The contract's JSON of a whole capture, in memory."""
    totals, frames = Totals(), []
    for event in decode(pieces, rules):
        totals.add(event)
        if isinstance(event, DecodedFrame):
            frames.append(frame_json(event))
    return {"frames": frames, **totals.as_json()}

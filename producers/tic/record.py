"""Decoded frames to records of `tic.frames`."""

from dataclasses import dataclass

from producers.tic.calendars import switches
from producers.tic.decode import DecodedFrame
from producers.tic.groups import NO_LABEL
from producers.tic.identity import hidden, pseudonym
from producers.tic.labels import LABELS
from producers.tic.relays import relays_closed
from producers.tic.stge import status
from schemas.tic_frame import TicFrame, TicLabel, TicLink, TicRejected


@dataclass(frozen=True, slots=True)
class Received:
    """What the reader knows of a frame besides its bytes; as in tic_frame.avsc.

    Attributes:
        address: of the meter (`identity.Meter`).
        discarded_frames, stray_characters: since the frame before, this frame's own stray included.
    """

    address: str
    boot_id: str
    counter: int
    received_at_ms: int
    clock_synchronised: bool
    monotonic_ms: int
    discarded_frames: int
    stray_characters: int


def record(frame: DecodedFrame, received: Received, key: bytes | None = None) -> TicFrame:
    """One frame as a record.

    Args:
        frame: decoded with the rules of a line, so that every number fits.
        received: where and when it came in.
        key: when given, address and delivery point leave under pseudonyms, and no bytes of refused
            groups leave, which may hold them.
    """
    groups = frame.groups if key is None else hidden(frame.groups, key)
    values = {label: group.value for label, group in groups.items()}
    date, state = groups.get("DATE"), status(values.get("STGE"))
    return TicFrame(
        meter_id=received.address if key is None else pseudonym(received.address, key),
        boot_id=received.boot_id,
        counter=received.counter,
        meter_at_s=date.at_s if date else None,
        clock_degraded=bool(date and date.degraded) or bool(state and state.clock_degraded),
        received_at_ms=received.received_at_ms,
        clock_synchronised=received.clock_synchronised,
        monotonic_ms=received.monotonic_ms,
        mode=frame.mode.value,
        labels=[TicLabel(group.label, group.value, group.at_s, group.degraded) for group in groups.values()],
        status=state,
        relays_closed=relays_closed(values.get("RELAIS")),
        tomorrow=switches(values.get("PJOURF+1")),
        peak_day=switches(values.get("PPOINTE")),
        link=TicLink(len(frame.raw), frame.bad_characters, received.discarded_frames, received.stray_characters),
        rejected=[
            TicRejected(one.raw, one.label, one.code) if key is None else TicRejected(b"", _known(one.label), one.code)
            for one in frame.rejected
        ],
    )


def _known(label: str) -> str:
    """A damaged label may be a piece of an address."""
    return label if any(label in table for table in LABELS.values()) else NO_LABEL

"""What a reader knows from its earlier starts: a small file beside the spool, written when it changes.

Nothing in it is believed by itself: a meter counts when a frame names it, a speed when it gives right frames; frames are sealed.
"""

import base64
import binascii
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog

from producers.tic import spool_row
from schemas import avro, topics
from schemas.registry import text_of
from schemas.tic_frame import TicFrame, of_record

STARTS_MAX = 500
"""Starts of the reader that are remembered; a day of crashes, one each three minutes."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered.

    Attributes:
        meter_id: whose frames came last, as they are sent (address or pseudonym); empty: nobody's yet.
        speed: at which right frames came last, in baud; 0: none did.
        machine: the start of the machine that `starts` belong to, as its kernel names it.
        starts: boot ids of readers that began before the machine's clock was set.
        held: frames that no second frame has confirmed yet (`Reception`), sealed, base64; empty: none.
    """

    meter_id: str = ""
    speed: int = 0
    machine: str = ""
    starts: tuple[str, ...] = ()
    held: str = ""


class Memory:
    """The file. It may be lost: then the first frame of a start waits for the second, and speeds are tried in turn.

    Args:
        path: made when there is something to remember.

    Attributes:
        known: what it says now.
    """

    def __init__(self, path: Path) -> None:
        self.known = _read(path)
        self._path, self._failed = path, False
        text = text_of(topics.TIC_FRAMES)
        self._schema = sha256(text.encode()).digest()[:8]

    @property
    def held(self) -> tuple[TicFrame, ...]:
        """Frames of an earlier start that are not confirmed; none when they are damaged, or of another build's schema."""
        try:
            row = spool_row.opened(base64.b64decode(self.known.held, validate=True))
        except binascii.Error:
            return ()
        if row is None or row.schema != self._schema:
            return ()
        schema = avro.raw_schema(topics.TIC_FRAMES)
        return tuple(of_record(avro.decode_body(topics.TIC_FRAMES, body, schema, "ours")) for body in row.bodies())

    def keep(self, meter_id: str, speed: int, held: Sequence[TicFrame]) -> None:
        """Remember what is known now. Waits for the disk when anything has changed.

        Args:
            meter_id: empty: as before.
            speed: 0: as before.
        """
        packed = ""
        if held:
            bodies = [frame.body() for frame in held]
            row = spool_row.Row(0, len(bodies), 0, 0, self._schema, spool_row.pack(bodies))
            packed = base64.b64encode(row.sealed()).decode()
        self._know(replace(self.known, meter_id=meter_id or self.known.meter_id, speed=speed or self.known.speed, held=packed))

    def starts(self, machine: str) -> tuple[str, ...]:
        """Boot ids of readers that began before the machine's clock was set, since this start of the machine."""
        return self.known.starts if machine and machine == self.known.machine else ()

    def start(self, boot_id: str, machine: str) -> None:
        """Remember a start of the reader before the machine's clock was set."""
        self._know(replace(self.known, machine=machine, starts=(*self.starts(machine), boot_id)[-STARTS_MAX:]))

    def _know(self, known: Known) -> None:
        if known == self.known:
            return
        try:
            _write(self._path, json.dumps(asdict(known)))
        except OSError as error:
            if not self._failed:
                structlog.get_logger(__name__).warning("what is known of the line is not kept", why=str(error))
            self._failed = True
            return
        self.known, self._failed = known, False


def _read(path: Path) -> Known:
    try:
        found: Any = json.loads(path.read_text())
        return Known(
            str(found["meter_id"]),
            int(found["speed"]),
            str(found["machine"]),
            tuple(map(str, found["starts"])),
            str(found["held"]),
        )
    except (OSError, ValueError, TypeError, LookupError):  # none yet, or damaged: nothing is known
        return Known()


def _write(path: Path, text: str) -> None:
    """The old file or the new one, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

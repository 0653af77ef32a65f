"""A Linky for tests: groups, frames and the line they come over."""

import json
from dataclasses import asdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from producers.tic.bytes import with_parity
from producers.tic.decode import DecodedFrame, decode
from producers.tic.identity import address_of
from producers.tic.record import Received, record
from producers.tic.rules import LINE
from schemas.tic_frame import TicFrame

GOLDEN = Path(__file__).parent / "golden" / "tic"
FRAMES = sorted((GOLDEN / "frames").glob("*.tic"))
CAPTURES = sorted((GOLDEN / "captures").glob("*.tic"))


def standard(label: str, data: str, horodate: str | None = None) -> bytes:
    """A group of standard mode, LF to CR, as 7-bit characters."""
    text = "\t".join([label, *([] if horodate is None else [horodate]), data, ""]).encode()
    return b"\n" + text + bytes([(sum(text) & 0x3F) + 0x20]) + b"\r"


def historic(label: str, data: str) -> bytes:
    """A group of historic mode."""
    text = f"{label} {data}".encode()
    return b"\n" + text + b" " + bytes([(sum(text) & 0x3F) + 0x20]) + b"\r"


def framed(*groups: bytes) -> bytes:
    """STX, groups, ETX."""
    return b"\x02" + b"".join(groups) + b"\x03"


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """The same bytes in pieces that end at these positions."""
    ends = sorted({0, len(data), *(where % (len(data) + 1) for where in at)})
    return [data[begin:end] for begin, end in pairwise(ends)]


def flipped(data: bytes, rate: float, rng: np.random.Generator) -> bytes:
    """Each bit turned over with this probability."""
    bits: NDArray[np.uint8] = np.unpackbits(np.frombuffer(data, np.uint8))
    return np.packbits(bits ^ (rng.random(len(bits)) < rate)).tobytes()


def heard(data: bytes, sent_baud: int, port_baud: int) -> bytes:
    """What a port opened with 8N1 at another speed makes of these characters."""
    levels = [1] * 10
    for byte in with_parity(data):
        levels += [0, *(byte >> bit & 1 for bit in range(8)), 1]
    levels += [1] * 10
    step = sent_baud / port_baud
    out, at = bytearray(), 0.0
    while at + 10 * step < len(levels):
        if levels[int(at)]:
            at += step / 16  # a port looks for the falling edge 16 times a bit
            continue
        out.append(sum(levels[int(at + (1.5 + bit) * step)] << bit for bit in range(8)))
        at += 9.5 * step
    return bytes(out)


ADDRESS = "992562000017"
"""Of one of the golden meters."""


@cache
def records() -> list[TicFrame]:
    """A record of each golden frame; the first ones are of the meter ADDRESS."""
    found = []
    for path in FRAMES:
        (frame,) = (one for one in decode([with_parity(path.read_bytes())], LINE) if isinstance(one, DecodedFrame))
        address = address_of(frame.groups) or ADDRESS
        found.append(record(frame, Received(address, "boot-1", 41, 1_766_899_543_120, True, 77_000, 2, 31)))
    return sorted(found, key=lambda one: one.meter_id != ADDRESS)


def sent(frame: TicFrame) -> dict[str, Any]:
    """A frame as it stands in the body of a post."""
    made: dict[str, Any] = json.loads(msgspec.json.encode(asdict(frame)))
    return made

"""The short way: what `scan` finds in a good text, as values of Python."""

import struct
import threading

import numpy as np

from producers.gateway import scan
from producers.gateway.exact import FUTURE_S, TIMESTAMP_MIN_S
from producers.gateway.timestamps import seconds_of
from producers.gateway.verdict import Reading

_PLACES = struct.Struct(f"={scan.ROWS}q")
_SECOND = struct.Struct(f"={scan.ROW}q")


class _Room(threading.local):
    """What `scan` writes into; one for each thread, as large batches are judged beside the event loop."""

    def __init__(self) -> None:
        self.found, self.out = np.zeros(scan.FOUND, np.int64), np.zeros(scan.PACKED_MAX, np.uint8)
        self.places, self.packed = self.found.data, self.out.data
        self.seconds = self.places.cast("B")[_PLACES.size :]


_room = _Room()


def read(text: bytes, shape: int, scale: int, zero_based: bool, now_ms: int) -> tuple[tuple[int, ...], list[Reading]] | None:
    """A good text's places (see `scan`) and its readings; None says nothing about the text.

    Args:
        scale: what power and voltage are multiplied by.
        zero_based: the sensor numbers its probes 0, 1, 2.
    """
    room, latest_s = _room, now_ms // 1000 + FUTURE_S
    count = scan.scan(text, shape, scale, 1 if zero_based else 0, latest_s, room.found, room.out)
    if not count:
        return None
    places, packed, start = _PLACES.unpack_from(room.places), room.packed, 0
    if count == 1:
        timestamp_s, quoted, phases, end = _SECOND.unpack_from(room.places, _PLACES.size)
        if not quoted:
            return places, [Reading(timestamp_s, phases, bytes(packed[:end]))]
    readings: list[Reading] = []
    for timestamp_s, quoted, phases, end in _SECOND.iter_unpack(room.seconds[: count * _SECOND.size]):
        if quoted:
            timestamp_s = seconds_of(text[timestamp_s:quoted].decode()) or 0  # noqa: PLW2901
            if not TIMESTAMP_MIN_S <= timestamp_s <= latest_s:
                return None
        readings.append(Reading(timestamp_s, phases, bytes(packed[start:end])))
        start = end
    return places, readings


def warm() -> None:
    """Compile, or load what was compiled: before the first text comes that somebody waits for."""
    for shape in (scan.POST, scan.BATCH, scan.FRAME):
        read(b"{}", shape, 1, False, 0)


if __name__ == "__main__":
    warm()

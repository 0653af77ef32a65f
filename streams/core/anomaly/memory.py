"""What is remembered of a sensor beyond the few minutes of log that a restart reads again, as bytes and back."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np

from schemas.anomaly import Anomaly, AnomalySecond
from schemas.columns import Int64s
from streams.core.anomaly.habit import Habit
from streams.core.anomaly.seconds import WIDTH
from streams.core.anomaly.voltage import Event

LAYOUT = 1000 * WIDTH + 2
"""Changes with what the numbers mean; a memory of another layout is not read: the rules begin anew."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One sensor's memory.

    Attributes:
        numbers: a row of `seconds`, little-endian.
        voltage: events that are not over for good.
        samples: around their worst moments.
        habit: beside its table.
        told: what was published and may still change, and what ended for good in the publication that follows.
    """

    numbers: bytes
    voltage: list[Event]
    samples: list[AnomalySecond]
    told: list[Anomaly]
    habit: Habit

    def row(self) -> Int64s:
        """The numbers; shape (WIDTH,)."""
        return np.frombuffer(self.numbers, "<i8").astype(np.int64)


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Kept)


def pack(row: Int64s, voltage: Iterable[Event], samples: Iterable[AnomalySecond], told: Iterable[Anomaly], habit: Habit) -> bytes:
    """A memory as bytes."""
    return _ENCODER.encode(Kept(row.astype("<i8").tobytes(), list(voltage), list(samples), list(told), habit))


def unpack(state: bytes, layout: int) -> Kept | None:
    """Bytes as a memory; None when they are of another layout."""
    if layout != LAYOUT:
        return None
    kept = _DECODER.decode(state)
    return kept if len(kept.numbers) == 8 * WIDTH else None

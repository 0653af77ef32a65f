"""Groups as a meter sends them, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from producers.simulate.linky.hours import ahead_s
from producers.tic.bytes import with_parity
from producers.tic.labels import LABELS, Mode

STX, ETX, EOT = b"\x02", b"\x03", b"\x04"
SUMMER_S = 7200


@dataclass(frozen=True, slots=True)
class Said:
    """One group: its text on the line, and the value that a right reader gives.

    Attributes:
        data, horodate: as sent; horodate None for none.
        value: number, text, or None for empty data.
        at_s: the horodate's moment.
        degraded: its letter is small.
    """

    label: str
    data: str
    value: int | str | None
    horodate: str | None = None
    at_s: int | None = None
    degraded: bool = False


def number(mode: Mode, label: str, value: int, at_s: int | None = None) -> Said:
    """A number, with zeros before it to the label's length."""
    data = f"{value:0{LABELS[mode][label].chars}}"
    return Said(label, data, value, None if at_s is None else horodate(at_s), at_s)


def text(mode: Mode, label: str, value: str) -> Said:
    """Text, with spaces after it to the label's length."""
    return Said(label, f"{value:<{LABELS[mode][label].chars}}", value.strip(" ") or None)


def horodate(at_s: int, *, degraded: bool = False, letter: str | None = None) -> str:
    """SAAMMJJhhmmss of a moment."""
    ahead = ahead_s(at_s)
    season = letter or ("E" if ahead == SUMMER_S else "H")
    return (season.lower() if degraded else season) + f"{datetime.fromtimestamp(at_s + ahead, UTC):%y%m%d%H%M%S}"


def frame(mode: Mode, groups: Sequence[Said]) -> bytes:
    """A whole frame, as a port opened with 8N1 reads it: even parity in bit 7."""
    group = _standard if mode is Mode.STANDARD else _historic
    return with_parity(STX + b"".join(map(group, groups)) + ETX)


def _standard(said: Said) -> bytes:
    fields = [said.label, said.data] if said.horodate is None else [said.label, said.horodate, said.data]
    summed = "".join(f"{field}\t" for field in fields).encode()
    return b"\n" + summed + _checksum(summed) + b"\r"


def _historic(said: Said) -> bytes:
    summed = f"{said.label} {said.data}".encode()
    return b"\n" + summed + b" " + _checksum(summed) + b"\r"


def _checksum(summed: bytes) -> bytes:
    return bytes(((sum(summed) & 0x3F) + 0x20,))

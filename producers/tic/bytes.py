"""Bytes of a port opened with 8N1 to characters: 7 data bits, and even parity as bit 7 (54E 5.3.5)."""

from enum import StrEnum

BAD = 0xFF
"""Stands for a character that is known to be damaged. No character of 7 bits has this code."""
SAMPLE_MIN = 64


class Parity(StrEnum):
    """What bit 7 is known to be."""

    MARKED = "marked"
    """R1 of the decode contract: a byte below 0x80 tells nothing, so captures without parity can be read as well."""
    EVEN = "even"
    """The port is 8N1 on a 7E1 line: every byte carries its parity, a clear bit 7 too."""
    STRIPPED = "stripped"
    """Bit 7 means nothing: the port threw the parity away."""


def _character(byte: int, parity: Parity) -> int:
    odd = byte.bit_count() % 2 == 1
    judged = {Parity.MARKED: byte >= 0x80, Parity.EVEN: True, Parity.STRIPPED: False}[parity]
    return BAD if judged and odd else byte & 0x7F


TABLES = {parity: bytes(_character(byte, parity) for byte in range(256)) for parity in Parity}
"""For each rule the character of each byte."""


def characters(data: bytes, parity: Parity) -> bytes:
    """One character for each byte; `BAD` where the parity is wrong."""
    return data.translate(TABLES[parity])


def carries_parity(sample: bytes) -> bool | None:
    """Whether bit 7 is a parity in these bytes of a right line; None when they are too few to tell.

    On a 7E1 line read as 8N1 about 2 bytes in 5 have it set; some adapters throw it away before the port sees it.
    """
    if len(sample) < SAMPLE_MIN:
        return None
    return sum(byte >= 0x80 for byte in sample) > len(sample) // 10


def with_parity(text: bytes) -> bytes:
    """What a port opened with 8N1 reads when a meter sends these characters of 7 bits."""
    return bytes(character | character.bit_count() % 2 << 7 for character in text)

"""One group of a frame: fields, checksum, value (R4 to R8 of the decode contract).

standard            label HT data HT checksum
standard, stamped   label HT horodate HT data HT checksum
historic            label SP data SP checksum
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from producers.tic import horodate
from producers.tic.bytes import BAD
from producers.tic.errors import (
    CharacterError,
    ChecksumError,
    DamagedError,
    LabelError,
    LengthError,
    ShapeError,
    StampError,
    ValueRefusedError,
)
from producers.tic.labels import LABELS, Kind, Label, Mode
from producers.tic.rules import Rules

PIECES = re.compile(rb"[^\r\n]+")
"""R3: cut at every LF and every CR, so that one that is lost costs one group."""
NAME = re.compile(r"[A-Z0-9+-]{1,9}")
_FOREIGN = {Mode.STANDARD: re.compile(rb"[^\t -~]"), Mode.HISTORIC: re.compile(rb"[^ -~]")}
_READABLE = re.compile(rb"[A-Z0-9+-]{1,9}(?=[\t ])")
NO_LABEL = "?"

Value = int | str | None


@dataclass(frozen=True, slots=True)
class Group:
    """A group that was accepted.

    Attributes:
        label: its label; one that is in no table keeps its data as text.
        value: number, text, or None for empty data.
        at_s: its horodate in seconds since 1970; None for none, or one that is no time.
        degraded: the horodate's letter is small.
        mode: told by its separator.
    """

    label: str
    value: Value
    at_s: int | None
    degraded: bool
    mode: Mode


@dataclass(frozen=True, slots=True)
class _Fields:
    label: str
    stamp: str | None
    data: str
    checksum: int
    summed: bytes
    mode: Mode


def group_of(piece: bytes, rules: Rules) -> Group:
    """Decode the characters between LF and CR.

    Raises:
        TicError: the group is refused, and why.
    """
    fields = _standard(piece) if b"\t" in piece else _historic(piece)
    # Section 4: the six low bits of the sum, moved to 0x20..0x5F. Blind to bits 6 and 7 of every character.
    computed = (sum(fields.summed) & 0x3F) + 0x20
    if computed != fields.checksum:
        raise ChecksumError(fields.label, sent=chr(fields.checksum), computed=chr(computed))
    if NAME.fullmatch(fields.label) is None:
        raise LabelError(fields.label)
    known = LABELS[fields.mode].get(fields.label)
    if rules.exact and known is not None:
        _demand(known, fields)
    stamp = fields.stamp
    return Group(
        fields.label,
        _value(fields, known.kind if known else Kind.TEXT),
        horodate.utc_s(stamp, rules.offsets) if stamp else None,
        horodate.is_degraded(stamp) if stamp else False,
        fields.mode,
    )


def label_of(piece: bytes) -> str:
    """The label of a group that need not be right; `NO_LABEL` when it cannot be read."""
    found = _READABLE.match(piece)
    return found[0].decode("ascii") if found else NO_LABEL


def _standard(piece: bytes) -> _Fields:
    text = _text(piece, Mode.STANDARD)
    parts = text.split("\t")
    if not 3 <= len(parts) <= 4 or len(parts[-1]) != 1:
        came = f"{len(parts)} fields, the last of {len(parts[-1])} characters"
        raise ShapeError(label_of(piece), came=came, expected="3 or 4 fields, the last of one character, its checksum")
    # "Mode 2": label to the HT before the checksum, included (54E 5.3.6 tables 6 and 7).
    return _Fields(parts[0], parts[1] if len(parts) == 4 else None, parts[-2], ord(parts[-1]), piece[:-1], Mode.STANDARD)


def _historic(piece: bytes) -> _Fields:
    text = _text(piece, Mode.HISTORIC)
    label, separator, data = text[:-2].partition(" ")
    if text[-2:-1] != " " or not separator:
        raise ShapeError(label_of(piece), came=f"{len(text)} characters", expected="label SP data SP checksum")
    # "Mode 1": label to the last character of the data; the SP before the checksum is left out (54E table 2).
    return _Fields(label, None, data, ord(text[-1]), piece[:-2], Mode.HISTORIC)


def _text(piece: bytes, mode: Mode) -> str:
    foreign = _FOREIGN[mode].search(piece)
    if foreign is None:
        return piece.decode("ascii")
    wrong = piece.count(BAD)
    if wrong:  # R1: a character whose parity is wrong takes its group with it
        raise DamagedError(label_of(piece), wrong=wrong, of=len(piece))
    raise CharacterError(label_of(piece), code=foreign[0][0])


def _demand(label: Label, fields: _Fields) -> None:
    if (fields.stamp is not None) != label.stamped:
        raise StampError(label.name, stamped=label.stamped)
    if fields.stamp and fields.stamp.strip(" ") and horodate.LAYOUT.fullmatch(fields.stamp) is None:
        raise ValueRefusedError(label.name, data=fields.stamp, expected="a season letter and 12 digits as horodate")
    if len(fields.data) != label.chars:
        raise LengthError(label.name, came=len(fields.data), expected=label.chars)
    if fields.data.strip(" ") and label.pattern.fullmatch(fields.data) is None:
        raise ValueRefusedError(label.name, data=fields.data, expected=f"{label.chars} characters as {label.pattern.pattern}")


def _value(fields: _Fields, kind: Kind) -> Value:
    data = fields.data
    if not data.strip(" "):
        return None  # R7
    return _OF_KIND[kind](fields.label, data)


def _int(label: str, data: str) -> int:
    if _DIGITS.fullmatch(data) is None:
        raise ValueRefusedError(label, data=data, expected="digits only")
    return int(data)


def _bitfield(label: str, data: str) -> str:
    if _HEX.fullmatch(data) is None:
        raise ValueRefusedError(label, data=data, expected="0-9 and A-F only")
    return data


_DIGITS, _HEX = re.compile("[0-9]+"), re.compile("[0-9A-F]+")
_OF_KIND: dict[Kind, Callable[[str, str], Value]] = {  # R6
    Kind.INT: _int,
    Kind.BITFIELD: _bitfield,
    Kind.TEXT: lambda _, data: data.strip(" "),
    Kind.HORODATE: lambda *_: None,
}

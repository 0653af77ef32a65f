"""Why a group of a frame is refused: what came, what was expected, what to do.

TicError
├── DamagedError         a character's parity is wrong
├── ShapeError           not label, (horodate,) data, checksum with their separators
├── CharacterError       a character that no group holds
├── ChecksumError        the sum of the bytes is another
├── LabelError           no label
├── ValueRefusedError    not digits, not hexadecimal, or not the label's form
├── LengthError          not the label's length
├── StampError           a horodate where the label has none, or none where it has one
└── MixedModesError      a group of the other mode than the frame's others

They end in the frame's list of refused groups; none leaves `decode.py`.
"""

from typing import ClassVar

SHOWN_MAX = 40
NOISE = "Now and then: noise on the line. Every group: check speed, wiring and that bit 7 is the parity."
NEWER = "Always for this label: the meter follows another version of the specification (VTIC); report it."


class TicError(Exception):
    """A group that is refused.

    Attributes:
        code: short name of the reason, for counters.
        label: the group's label as far as it can be read.
    """

    code: ClassVar[str]

    def __init__(self, label: str, came: str) -> None:
        super().__init__(f"group {label}: {came}")
        self.label = label


class DamagedError(TicError):
    code = "parity"

    def __init__(self, label: str, *, wrong: int, of: int) -> None:
        super().__init__(label, f"the parity of {wrong} of {of} characters is wrong; expected an even number of ones. {NOISE}")


class ShapeError(TicError):
    code = "shape"

    def __init__(self, label: str, *, came: str, expected: str) -> None:
        super().__init__(label, f"{came}; expected {expected}. {NOISE}")


class CharacterError(TicError):
    code = "character"

    def __init__(self, label: str, *, code: int) -> None:
        super().__init__(label, f"holds character 0x{code:02x}; expected 0x20 to 0x7e. {NOISE}")


class ChecksumError(TicError):
    code = "checksum"

    def __init__(self, label: str, *, sent: str, computed: str) -> None:
        super().__init__(label, f"the meter sent checksum {sent!r}, its characters give {computed!r}. {NOISE}")


class LabelError(TicError):
    code = "label"

    def __init__(self, label: str) -> None:
        super().__init__(label, f"no label; expected 1 to 9 of A-Z, 0-9, + and -. {NOISE}")


class ValueRefusedError(TicError):
    code = "value"

    def __init__(self, label: str, *, data: str, expected: str) -> None:
        super().__init__(label, f"value {data[:SHOWN_MAX]!r}; expected {expected}. {NOISE} {NEWER}")


class LengthError(TicError):
    code = "length"

    def __init__(self, label: str, *, came: int, expected: int) -> None:
        super().__init__(label, f"{came} characters of data; expected {expected}. {NOISE} {NEWER}")


class StampError(TicError):
    code = "stamp"

    def __init__(self, label: str, *, stamped: bool) -> None:
        came, expected = ("without a horodate", "one") if stamped else ("with a horodate", "none")
        super().__init__(label, f"{came}; expected {expected}. {NOISE} {NEWER}")


class MixedModesError(TicError):
    code = "mode"

    def __init__(self, label: str, *, came: str, frame: str) -> None:
        super().__init__(label, f"a group of {came} mode in a frame of {frame} mode. {NOISE}")

"""Rows of the spool: some frames as one sealed piece of bytes that tells by itself what it is. No file, no clock.

A row is sealed so that nothing damaged is ever taken for a frame, and it can be found again in a file whose tables are
beyond reading.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

_MAGIC = b"\xf5TIC"
_SEAL = 8
_HEAD = struct.Struct(">8sQQQHI")
_BEFORE = len(_MAGIC) + _SEAL
_LENGTH = struct.Struct(">I")

HEAD_BYTES = _BEFORE + _HEAD.size
FRAMES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """Frames that were put together.

    Attributes:
        first: sequence number of the first; the others follow without holes.
        frames: how many; 0: the row only says what `first` and `done` are.
        done: every frame up to this number was delivered when the row was written.
        at_s: when it was written, UTC.
        schema: fingerprint of the schema of the bodies.
        packed: the bodies, each behind its length, compressed.
    """

    first: int
    frames: int
    done: int
    at_s: int
    schema: bytes
    packed: bytes

    @property
    def last(self) -> int:
        return self.first + self.frames - 1

    @property
    def size(self) -> int:
        """Bytes of the sealed row."""
        return HEAD_BYTES + len(self.packed)

    def sealed(self) -> bytes:
        """The row as bytes."""
        head = _HEAD.pack(self.schema, self.first, self.done, self.at_s, self.frames, len(self.packed))
        return _MAGIC + _seal(head, self.packed) + head + self.packed

    def bodies(self) -> list[bytes]:
        """The frames' Avro bodies, in order."""
        plain = zlib.decompress(self.packed) if self.packed else b""
        found, at = [], 0
        for _ in range(self.frames):
            (length,) = _LENGTH.unpack_from(plain, at)
            at += _LENGTH.size
            found.append(plain[at : at + length])
            at += length
        return found


def pack(bodies: Sequence[bytes]) -> bytes:
    """Bodies as a row holds them."""
    # Frames are alike: ten take a tenth of what each takes alone. zlib is in every Python; zstd saves 10 % more.
    return zlib.compress(b"".join(_LENGTH.pack(len(body)) + body for body in bodies), 6)


def rows(bodies: Sequence[bytes], first: int, done: int, at_s: int, schema: bytes, row_max: int) -> Iterator[Row]:
    """Bodies in rows of at most row_max bytes; one frame that is larger has a row of its own."""
    packed = pack(bodies) if len(bodies) <= FRAMES_MAX else None
    if packed is not None and (HEAD_BYTES + len(packed) <= row_max or len(bodies) == 1):
        yield Row(first, len(bodies), done, at_s, schema, packed)
        return
    middle = len(bodies) // 2
    yield from rows(bodies[:middle], first, done, at_s, schema, row_max)
    yield from rows(bodies[middle:], first + middle, done, at_s, schema, row_max)


def marker(first: int, done: int, at_s: int, schema: bytes) -> Row:
    """A row without frames."""
    return Row(first, 0, done, at_s, schema, b"")


def opened(data: object) -> Row | None:
    """The row in a cell; None when it is damaged."""
    return _at(data, 0, exact=True) if isinstance(data, bytes) else None


def found(data: bytes) -> Iterator[tuple[int, Row]]:
    """Every whole row in a piece of a file, whatever stands between them, and where it begins."""
    at = data.find(_MAGIC)
    while at >= 0:
        row = _at(data, at, exact=False)
        if row is not None:
            yield at, row
        at = data.find(_MAGIC, at + (row.size if row is not None else 1))


def _at(data: bytes, at: int, *, exact: bool) -> Row | None:
    if len(data) - at < HEAD_BYTES or not data.startswith(_MAGIC, at):
        return None
    head = data[at + _BEFORE : at + HEAD_BYTES]
    schema, first, done, at_s, frames, length = _HEAD.unpack(head)
    end = at + HEAD_BYTES + length
    if end > len(data) or (exact and end != len(data)):
        return None
    packed = data[at + HEAD_BYTES : end]
    if data[at + len(_MAGIC) : at + _BEFORE] != _seal(head, packed):
        return None
    return Row(first, frames, done, at_s, schema, packed)


def _seal(head: bytes, packed: bytes) -> bytes:
    return blake2b(head + packed, digest_size=_SEAL).digest()

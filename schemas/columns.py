"""Avro bodies to columns and back, many records at a time, without a Python loop over records.

Avro is read with one cursor per record: every step of the schema moves all cursors together, so the
cost of the interpreter is paid once per field and batch. A record whose bytes do not fit the schema is
marked, never raised: the caller decides what to do with it, and the others are untouched.

Covers what the log uses: int, long, boolean, string, bytes, enum, and arrays of such records.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

MAX_ITEMS = 64
"""More array items than this in one record are refused: no event of ours has them."""

PAD = 80
"""Zero bytes behind the last body: room for a broken cursor and for a window over the last span."""

_SPANS = ("string", "bytes")


@dataclass(slots=True)
class Items:
    """The k-th items of an array field.

    Attributes:
        rows: shape (m,), which records have a k-th item, ascending.
        columns: the item's fields, shape (m,) each.
    """

    rows: Int64s
    columns: "Columns"


@dataclass(slots=True)
class Columns:
    """Decoded fields of n records.

    Attributes:
        numbers: int, long, boolean and enum fields; shape (n,), int64 (an enum is its index).
        starts, lengths: string and bytes fields, as spans of the buffer; shape (n,) each.
        items: array fields: items[name][k] holds the k-th items.
    """

    numbers: dict[str, Int64s] = field(default_factory=dict)
    starts: dict[str, Int64s] = field(default_factory=dict)
    lengths: dict[str, Int64s] = field(default_factory=dict)
    items: dict[str, list[Items]] = field(default_factory=dict)


@dataclass(slots=True)
class Cursors:
    """A read position in each of n records of one buffer."""

    buffer: Bytes
    at: Int64s
    end: Int64s
    bad: Bools

    def take(self, rows: Int64s) -> "Cursors":
        return Cursors(self.buffer, self.at[rows], self.end[rows], self.bad[rows])

    def varint(self) -> Int64s:
        """Read one zigzag variable-length integer from every record."""
        byte = self.buffer[self.at].astype(np.int64)
        self.at += 1
        value = byte & 0x7F
        shift = 7
        more = byte > 0x7F
        while more.any():
            if shift > 63:
                self._fail(more)
                break
            if more.all():
                byte = self.buffer[self.at].astype(np.int64)
                self.at += 1
                value |= (byte & 0x7F) << shift
                more = byte > 0x7F
            else:
                byte = np.where(more, self.buffer[self.at], 0).astype(np.int64)
                self.at += more
                value |= (byte & 0x7F) << shift
                more = byte > 0x7F
            shift += 7
            self._fail(self.at > self.end)
        self._fail(self.at > self.end)
        # A logical shift: the tenth byte may have set the sign bit.
        return (value.view(np.uint64) >> np.uint64(1)).view(np.int64) ^ -(value & 1)

    def span(self) -> tuple[Int64s, Int64s]:
        """Read one length-prefixed span (string or bytes): where it starts, how long it is."""
        length = self.varint()
        self._fail((length < 0) | (length > self.end - self.at))
        length = np.where(self.bad, 0, length)
        start = self.at
        self.at = start + length
        return start, length

    def _fail(self, mask: Bools) -> None:
        if mask.any():
            self.bad |= mask
            # A broken record reads zeros from the padding from now on.
            self.at[self.bad] = self.end[self.bad] = self.buffer.size - PAD


def join(bodies: list[bytes]) -> tuple[Bytes, Int64s, Int64s]:
    """Lay bodies end to end.

    Returns:
        the padded buffer, and shape (n,) start and end of each body in it.
    """
    lengths = np.fromiter(map(len, bodies), np.int64, len(bodies))
    ends = np.cumsum(lengths)
    return padded(b"".join(bodies)), ends - lengths, ends


def padded(data: bytes) -> Bytes:
    """Bytes as a buffer that cursors may read."""
    return np.frombuffer(data + bytes(PAD), np.uint8)


def decode(schema: dict[str, Any], buffer: Bytes, starts: Int64s, ends: Int64s) -> tuple[Columns, Bools]:
    """Decode n records that were written with one schema.

    Args:
        schema: the parsed .avsc of a record.
        buffer: from `join`.
        starts, ends: shape (n,), where each record lies.

    Returns:
        the columns, and shape (n,) True where a record does not fit the schema (its values mean nothing).
    """
    cursors = Cursors(buffer, starts.copy(), ends.copy(), np.zeros(len(starts), np.bool_))
    columns = _read_record(schema, cursors)
    return columns, cursors.bad | (cursors.at != cursors.end)


def _read_record(schema: dict[str, Any], cursors: Cursors) -> Columns:
    columns = Columns()
    for spec in schema["fields"]:
        name, kind = spec["name"], spec["type"]
        detail: dict[str, Any] = kind if isinstance(kind, dict) else {}
        kind = detail.get("type", kind)
        if kind in ("int", "long"):
            columns.numbers[name] = cursors.varint()
        elif kind == "enum":
            index = cursors.varint()
            cursors._fail((index < 0) | (index >= len(detail["symbols"])))
            columns.numbers[name] = index
        elif kind == "boolean":
            value = cursors.buffer[cursors.at].astype(np.int64)
            cursors.at += 1
            cursors._fail((value > 1) | (cursors.at > cursors.end))
            columns.numbers[name] = value
        elif kind in _SPANS:
            columns.starts[name], columns.lengths[name] = cursors.span()
        elif kind == "array":
            columns.items[name] = _read_array(detail["items"], cursors)
        else:
            raise TypeError(f"field {name}: type {kind!r} came; columns hold numbers, spans and arrays of records")
    return columns


def _read_array(schema: dict[str, Any], cursors: Cursors) -> list[Items]:
    count = cursors.varint()
    # Our writers write one block. A negative count or a second block is legal Avro but not ours: marked,
    # and the caller's one-at-a-time path takes it.
    cursors._fail((count < 0) | (count > MAX_ITEMS))
    count = np.where(cursors.bad, 0, count)
    items: list[Items] = []
    for k in range(int(count.max(initial=0))):
        rows = np.flatnonzero(count > k)
        whole = len(rows) == len(count)
        part = cursors if whole else cursors.take(rows)
        items.append(Items(rows, _read_record(schema, part)))
        if not whole:
            cursors.at[rows], cursors.end[rows], cursors.bad[rows] = part.at, part.end, part.bad
    if (count > 0).all():
        more = cursors.varint()
    else:
        rows = np.flatnonzero(count > 0)
        part = cursors.take(rows)
        more = np.zeros(len(count), np.int64)
        more[rows] = part.varint()
        cursors.at[rows], cursors.end[rows], cursors.bad[rows] = part.at, part.end, part.bad
    cursors._fail(more != 0)
    return items


def gather(buffer: Bytes, starts: Int64s, width: int, dtype: str) -> npt.NDArray[Any]:
    """Copy equally long spans out of a buffer.

    Args:
        buffer: from `join`.
        starts: shape (m,).
        width: bytes of each span.
        dtype: what the spans hold, as "<i4".

    Returns:
        shape (m, width / itemsize).
    """
    if width == 0 or len(starts) == 0:
        return np.zeros((len(starts), width // np.dtype(dtype).itemsize), dtype)
    # Overlapping windows of raw bytes, one at every position: indexing copies each span in one move.
    windows: npt.NDArray[Any] = np.ndarray((buffer.size - width + 1,), f"V{width}", buffer.data, strides=(1,))
    return windows[starts].view(dtype).reshape(len(starts), -1)


# ---- columns to Avro -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of n encoded records: the first `keep` bytes of each row of `cells`; shapes (n, w) and (n, w)."""

    cells: Bytes
    keep: Bools


def varints(values: Int64s) -> Piece:
    """Encode shape (n,) integers as Avro int or long."""
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    width = max(1, -(-int(zigzag.max(initial=0)).bit_length() // 7))
    shifted = zigzag[:, None] >> (np.arange(width, dtype=np.uint64) * np.uint64(7))
    rest = shifted >= 0x80
    cells = ((shifted & np.uint64(0x7F)) | (rest.astype(np.uint64) << np.uint64(7))).astype(np.uint8)
    keep = np.ones_like(rest)
    keep[:, 1:] = rest[:, :-1]
    return Piece(cells, keep)


def constant(value: bytes, n: int) -> Piece:
    """The same bytes in each of n records."""
    cells = np.broadcast_to(np.frombuffer(value, np.uint8), (n, len(value)))
    return Piece(cells, np.ones(cells.shape, np.bool_))


def texts(vocabulary: list[bytes], index: Int64s) -> Piece:
    """Encode strings (or bytes) that repeat: shape (n,) indices into a vocabulary of at most 63 bytes each."""
    used, inverse = np.unique(index, return_inverse=True)
    encoded = [varint(len(vocabulary[i])) + vocabulary[i] for i in used.tolist()]
    width = max(map(len, encoded), default=1)
    cells = np.frombuffer(b"".join(e.ljust(width, b"\0") for e in encoded), np.uint8).reshape(-1, width)
    lengths = np.array([len(e) for e in encoded], np.int64)
    return Piece(cells[inverse], np.arange(width) < lengths[inverse][:, None])


def records(pieces: list[Piece]) -> list[bytes]:
    """Put pieces side by side: n byte strings."""
    if not pieces or len(pieces[0].cells) == 0:
        return []
    keep = np.concatenate([p.keep for p in pieces], axis=1)
    whole = np.concatenate([p.cells for p in pieces], axis=1)[keep].tobytes()
    ends = np.cumsum(keep.sum(axis=1)).tolist()
    return [whole[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def varint(value: int) -> bytes:
    """One Avro int or long."""
    zigzag = (value << 1) ^ (value >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append((zigzag & 0x7F) | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)

"""Kafka's record batches (format 2) to runs, many records at a time.

Layout, after the Kafka protocol guide: base offset (8 bytes), length (4), leader epoch (4), magic (1), CRC-32C
of the rest (4), attributes (2), last offset delta (4), base timestamp (8), max timestamp (8), producer id (8),
epoch (2), base sequence (4), count (4), then the records, compressed together. A record is its length,
attributes (1 byte), timestamp delta, offset delta, key, value and headers; numbers and lengths are zigzag
varints, -1 the length of null.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cramjam
import numpy as np
from aiokafka.codec import gzip_decode, snappy_decode, zstd_decode
from crc32c import crc32c

from schemas import columns, kernels
from schemas.columns import Bytes
from schemas.run import Run

_HEADER = struct.Struct(">qiibIhiqqqhii")
_CRC_FROM = 21
_LENGTH_FROM = 12
_CODEC, _LOG_APPEND_TIME, _CONTROL = 0x07, 0x08, 0x20
_LZ4 = 3
_DECODE = {1: gzip_decode, 2: snappy_decode, 4: zstd_decode}
_LZ4_MOST = 256
"""LZ4 makes bytes at most 255 times as many."""


class CorruptBatch(ValueError):
    """Bytes of the broker that are no record batch."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """One batch as the producer wrote it.

    Attributes:
        base_offset, next_offset: the first offset, and the one after the last (also where records were compacted away).
        base_ms, max_ms: timestamps; with log_append_time max_ms is that of every record.
        codec: of `packed`; 0: none.
        packed: `count` records. Empty for a control batch.
    """

    base_offset: int
    next_offset: int
    base_ms: int
    max_ms: int
    log_append_time: bool
    count: int
    codec: int
    packed: memoryview


def batches(data: bytes | memoryview) -> Iterator[RecordBatch]:
    """Cut a fetched byte string into its batches; a last one that was cut off is left out.

    Raises:
        CorruptBatch: the checksum is wrong, or the format is older than 2.
    """
    view = memoryview(data)
    at = 0
    while at + _HEADER.size <= len(view):
        base, length, _, magic, crc, attributes, last, base_ms, max_ms, _, _, _, count = _HEADER.unpack_from(view, at)
        end = at + _LENGTH_FROM + length
        if end > len(view):
            return
        if magic != 2:
            raise CorruptBatch(f"record batch at offset {base} has format {magic}; expected 2 (Kafka 0.11 or newer)")
        if crc32c(view[at + _CRC_FROM : end]) != crc:
            raise CorruptBatch(f"record batch at offset {base} does not match its checksum; it was damaged on its way or on disk")
        packed = view[at + _HEADER.size : at + _HEADER.size if attributes & _CONTROL else end]
        yield RecordBatch(
            base,
            base + last + 1,
            base_ms,
            max_ms,
            bool(attributes & _LOG_APPEND_TIME),
            count if packed else 0,
            attributes & _CODEC,
            packed,
        )
        at = end


class _Space:
    """A buffer that grows while batches are unpacked into it."""

    ratio = 1.2
    """How much room the last run took, as a multiple of its packed size."""

    def __init__(self, packed: int) -> None:
        self.buffer: Bytes = np.empty(int(packed * self.ratio) + columns.PAD, np.uint8)
        self.end = 0

    def take(self, batch: RecordBatch) -> int:
        """Unpack one batch behind the others; where it begins."""
        start = self.end
        if batch.codec == _LZ4:
            most = len(batch.packed) * _LZ4_MOST
            while True:
                try:
                    self.end += cramjam.lz4.decompress_into(batch.packed, self.buffer[start : -columns.PAD].data)
                    return start
                except cramjam.DecompressionError as error:
                    if len(self.buffer) - start > most:
                        raise CorruptBatch(f"record batch at offset {batch.base_offset} cannot be unpacked: {error}") from error
                    self._grow(2 * len(self.buffer))
        records = _DECODE[batch.codec](batch.packed) if batch.codec else batch.packed
        self._grow(start + len(records) + columns.PAD)
        self.end += len(records)
        self.buffer[start : self.end] = np.frombuffer(records, np.uint8)
        return start

    def _grow(self, size: int) -> None:
        if size > len(self.buffer):
            old, self.buffer = self.buffer, np.empty(size, np.uint8)
            self.buffer[: self.end] = old[: self.end]

    def close(self, packed: int) -> Bytes:
        """The buffer, padded."""
        _Space.ratio = 1.05 * (self.end / packed)
        self.buffer[self.end : self.end + columns.PAD] = 0
        return self.buffer[: self.end + columns.PAD]


def run_of(parts: list[RecordBatch]) -> Run:
    """The records of consecutive batches as one run.

    Raises:
        CorruptBatch: the records do not fill their batch as they should.
    """
    counts = np.array([part.count for part in parts], np.int64)
    rows = np.cumsum(counts).tolist()
    packed = sum(len(part.packed) for part in parts)
    space, spans = _Space(packed), np.empty((rows[-1], 6), np.int64)
    for part, last in zip(parts, rows, strict=True):
        start = space.take(part)
        if not kernels.records(space.buffer, start, space.end, part.count, spans[last - part.count : last]):
            raise CorruptBatch(
                f"record batch at offset {part.base_offset} holds other records than its count of {part.count} says"
            )
    timestamp = spans[:, 0] + np.repeat(np.array([part.base_ms for part in parts], np.int64), counts)
    offset = spans[:, 1] + np.repeat(np.array([part.base_offset for part in parts], np.int64), counts)
    fixed = np.repeat(np.array([part.log_append_time for part in parts], np.bool_), counts)
    if fixed.any():
        timestamp = np.where(fixed, np.repeat(np.array([part.max_ms for part in parts], np.int64), counts), timestamp)
    return Run(space.close(packed), spans[:, 2], spans[:, 3], spans[:, 4], spans[:, 5], offset, timestamp)

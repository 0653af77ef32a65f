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

import numpy as np
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.record._crecords import crc32c_cython

from schemas import columns
from schemas.columns import Cursors, Int64s
from schemas.run import Run

_HEADER = struct.Struct(">qiibIhiqqqhii")
_CRC_FROM = 21
_LENGTH_FROM = 12
_CODEC, _LOG_APPEND_TIME, _CONTROL = 0x07, 0x08, 0x20
_DECODE = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}


class CorruptBatch(ValueError):
    """Bytes of the broker that are no record batch."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """One batch as the producer wrote it.

    Attributes:
        base_offset, next_offset: the first offset, and the one after the last (also where records were compacted away).
        base_ms, max_ms: timestamps; with log_append_time max_ms is that of every record.
        records: `count` records, uncompressed. Empty for a control batch.
    """

    base_offset: int
    next_offset: int
    base_ms: int
    max_ms: int
    log_append_time: bool
    count: int
    records: bytes


def batches(data: bytes) -> Iterator[RecordBatch]:
    """Cut a fetched byte string into its batches; a last one that was cut off is left out.

    Raises:
        CorruptBatch: the checksum is wrong, or the format is older than 2.
    """
    at = 0
    while at + _HEADER.size <= len(data):
        base, length, _, magic, crc, attributes, last, base_ms, max_ms, _, _, _, count = _HEADER.unpack_from(data, at)
        end = at + _LENGTH_FROM + length
        if end > len(data):
            return
        if magic != 2:
            raise CorruptBatch(f"record batch at offset {base} has format {magic}; expected 2 (Kafka 0.11 or newer)")
        if crc32c_cython(data[at + _CRC_FROM : end]) != crc:
            raise CorruptBatch(f"record batch at offset {base} does not match its checksum; it was damaged on its way or on disk")
        records = b"" if attributes & _CONTROL else data[at + _HEADER.size : end]
        if records and attributes & _CODEC:
            records = bytes(_DECODE[attributes & _CODEC](records))
        yield RecordBatch(
            base, base + last + 1, base_ms, max_ms, bool(attributes & _LOG_APPEND_TIME), count if records else 0, records
        )
        at = end


def run_of(parts: list[RecordBatch]) -> Run:
    """The records of consecutive batches as one run.

    Raises:
        CorruptBatch: the records do not fill their batch as they should.
    """
    counts = np.array([part.count for part in parts], np.int64)
    sizes = np.array([len(part.records) for part in parts], np.int64)
    starts, ends = _bounds(parts, np.cumsum(sizes) - sizes)
    buffer = columns.padded(b"".join(part.records for part in parts))
    cursors = Cursors(buffer, starts, ends, np.zeros(len(starts), np.bool_))
    cursors.at += 1  # attributes of a record: none are defined
    timestamp = cursors.varint() + np.repeat(np.array([part.base_ms for part in parts], np.int64), counts)
    offset = cursors.varint() + np.repeat(np.array([part.base_offset for part in parts], np.int64), counts)
    key_at, key_length = _span(cursors)
    value_at, value_length = _span(cursors)
    if cursors.bad.any() or (cursors.at > ends).any():
        raise CorruptBatch(
            f"a record between offsets {parts[0].base_offset} and {parts[-1].next_offset} is longer than its batch says"
        )
    fixed = np.repeat(np.array([part.log_append_time for part in parts], np.bool_), counts)
    if fixed.any():
        timestamp = np.where(fixed, np.repeat(np.array([part.max_ms for part in parts], np.int64), counts), timestamp)
    return Run(buffer, key_at, key_length, value_at, value_length, offset, timestamp)


def _bounds(parts: list[RecordBatch], bases: Int64s) -> tuple[Int64s, Int64s]:
    """Where the contents of each record begin and end: a chain of lengths, the one thing that is followed step by step."""
    starts: list[int] = []
    ends: list[int] = []
    for part, base in zip(parts, bases.tolist(), strict=True):
        data, at = part.records, 0
        try:
            for _ in range(part.count):
                byte = data[at]
                at += 1
                length, shift = byte & 0x7F, 7
                while byte > 0x7F:
                    byte = data[at]
                    at += 1
                    length |= (byte & 0x7F) << shift
                    shift += 7
                starts.append(base + at)
                at += length >> 1  # zigzag of a number that is not negative
                ends.append(base + at)
        except IndexError:
            at = -1
        if at != len(data):
            raise CorruptBatch(
                f"record batch at offset {part.base_offset} holds other records than its count of {part.count} says"
            )
    return np.array(starts, np.int64), np.array(ends, np.int64)


def _span(cursors: Cursors) -> tuple[Int64s, Int64s]:
    length = cursors.varint()
    at = cursors.at.copy()
    cursors.at += np.maximum(length, 0)
    return at, length

"""Readings out of bytes: the loops that run for every message, for `compiled`.

All of them read padded buffers (see columns.PAD) and stay within the ends they are given. They live in one file
because compiled code is kept by file: a change here compiles all of it anew.
"""

import numpy as np

from schemas.columns import Bools, Bytes, Int64s
from schemas.compiled import compiled
from schemas.digest import LAST, OF_COUNT, OF_PF, OF_POWER, OF_POWER_MEAN, OF_VOLTAGE, OF_VOLTAGE_MEAN, UInt64s
from schemas.units import PROBES, SAMPLES_MAX, SAMPLES_MIN, UNITS

_VARINT_MAX = 10
_TEXT_MAX = 64
_VERSION_BYTES = 6
_KINDS = 2
_PER_SAMPLE = np.array([0, *(UNITS // n for n in range(1, SAMPLES_MAX + 1))])

# What a row of `readings` holds.
SENSOR_AT, SENSOR_LENGTH, TIMESTAMP, RECEIVED, VERSION_AT = range(5)
READING_FIELDS = 5
# What a row of `readings`' probe-seconds holds.
READING, PROBE, KIND, SAMPLES, VOLTAGES, POWER_AT, PF_AT, VOLTAGE_AT = range(8)
PROBE_FIELDS = 8
# What a row of `figures` holds.
COUNT, ENERGY, POWER_MIN, POWER_MAX, PF, VOLTAGE, VOLTAGE_MIN, VOLTAGE_MAX, DIGEST = range(9)
FIGURES = 9


@compiled
def _varint(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """The zigzag number that stands at `at`, and where it ends; -1 when it does not end before `end`, or `at` is -1."""
    value, shift = np.uint64(0), np.uint64(0)
    for k in range(_VARINT_MAX if at >= 0 else 0):
        if at + k >= end:
            break
        byte = np.uint64(buffer[np.uintp(at + k)])
        value |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            return int(np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1))), at + k + 1
        shift += np.uint64(7)
    return 0, -1


@compiled
def _span(buffer: Bytes, at: int, end: int, low: int, high: int) -> tuple[int, int, int]:
    """A span of low to high bytes behind its length: where it begins, its length, where it ends; -1 when there is none."""
    length, at = _varint(buffer, at, end)
    if at < 0 or length < low or length > high or length > end - at:
        return 0, 0, -1
    return at, length, at + max(length, 0)


@compiled
def records(buffer: Bytes, start: int, end: int, count: int, spans: Int64s) -> bool:
    """Find the records of one batch of Kafka's format 2.

    Args:
        buffer: padded.
        start, end: where the batch's records lie, one behind the other.
        spans: shape (count, 6), filled: timestamp delta, offset delta, key start, key length, value start, value length;
            a length of -1 is null.

    Returns:
        whether they fill the batch as they should.
    """
    at = start
    for row in range(count):
        at, _, after = _span(buffer, at, end, 1, end)
        at += 1  # attributes: none are defined
        spans[row, 0], at = _varint(buffer, at, after)
        spans[row, 1], at = _varint(buffer, at, after)
        spans[row, 2], spans[row, 3], at = _span(buffer, at, after, -1, after)
        spans[row, 4], spans[row, 5], at = _span(buffer, at, after, -1, after)
        if at < 0:
            return False
        at = after  # headers say nothing to us
    return at == end


@compiled
def readings(buffer: Bytes, starts: Int64s, ends: Int64s, timestamp_end_s: int, table: Int64s, probes: Int64s, bad: Bools) -> int:
    """Decode readings that were written with the present layout.

    Args:
        buffer: padded.
        starts, ends: shape (n,), where each Avro body lies.
        timestamp_end_s: a reading of this second or later is none.
        table: shape (n, READING_FIELDS), filled.
        probes: shape (3 n, PROBE_FIELDS), filled with the probe-seconds in log order.
        bad: shape (n,), filled: True where the bytes are no reading; its row then means nothing, and it has no probe-second.

    Returns:
        how many probe-seconds there are.
    """
    m = 0
    for row in range(len(starts)):
        found = _reading(buffer, starts[row], ends[row], timestamp_end_s, table[row], probes, m)
        bad[row] = found < 0
        for k in range(found):
            probes[m + k, READING] = row
        m += max(found, 0)
    return m


@compiled
def _reading(buffer: Bytes, at: int, end: int, timestamp_end_s: int, fields: Int64s, probes: Int64s, m: int) -> int:
    """Decode one reading; how many probe-seconds it has, or -1."""
    fields[SENSOR_AT], fields[SENSOR_LENGTH], at = _span(buffer, at, end, 1, _TEXT_MAX)
    fields[TIMESTAMP], at = _varint(buffer, at, end)
    fields[RECEIVED], at = _varint(buffer, at, end)
    fields[VERSION_AT], _, at = _span(buffer, at, end, _VERSION_BYTES, _VERSION_BYTES)
    count, at = _varint(buffer, at, end)
    if at < 0 or fields[TIMESTAMP] < 0 or fields[TIMESTAMP] >= timestamp_end_s or count < 1 or count > PROBES:
        return -1
    seen = 0
    for k in range(count):
        one = probes[m + k]
        at = _probe(buffer, at, end, one)
        if at < 0 or (seen >> one[PROBE]) & 1:
            return -1
        seen |= 1 << one[PROBE]
    more, at = _varint(buffer, at, end)
    return count if at == end and more == 0 else -1


@compiled
def _probe(buffer: Bytes, at: int, end: int, fields: Int64s) -> int:
    """Decode one probe's part of a reading; where it ends, or -1."""
    probe, at = _varint(buffer, at, end)
    kind, at = _varint(buffer, at, end)
    fields[POWER_AT], power, at = _span(buffer, at, end, 0, 4 * SAMPLES_MAX)
    fields[PF_AT], n, at = _span(buffer, at, end, SAMPLES_MIN, SAMPLES_MAX)
    fields[VOLTAGE_AT], voltage, at = _span(buffer, at, end, 4, 4 * SAMPLES_MAX)
    if probe < 1 or probe > PROBES or kind < 0 or kind >= _KINDS or power != 4 * n or voltage not in (4, 4 * n):
        return -1
    fields[PROBE], fields[KIND], fields[SAMPLES], fields[VOLTAGES] = probe - 1, kind, n, voltage // 4
    return at


@compiled
def _word(buffer: Bytes, at: np.uintp) -> np.uint32:
    """Four bytes, the lowest first; as the index has no sign this becomes one load."""
    low = np.uint32(buffer[at]) | (np.uint32(buffer[at + np.uintp(1)]) << np.uint32(8))
    high = np.uint32(buffer[at + np.uintp(2)]) | (np.uint32(buffer[at + np.uintp(3)]) << np.uint32(8))
    return low | (high << np.uint32(16))


@compiled
def _quantity(buffer: Bytes, at: int, n: int, weights: UInt64s) -> tuple[int, int, int, np.uint64]:
    """Sum, least, greatest and weighted sum of n packed 32-bit numbers."""
    total, low, high = 0, 2147483647, -2147483648
    for k in range(n):
        value = int(np.int32(_word(buffer, np.uintp(at + 4 * k))))
        total += value
        low = value if value < low else low
        high = value if value > high else high
    content = np.uint64(0)
    if n % 2 == 0:  # the digest takes eight bytes at a time where it can
        for k in range(n // 2):
            first, second = _word(buffer, np.uintp(at + 8 * k)), _word(buffer, np.uintp(at + 8 * k + 4))
            content += (np.uint64(first) | (np.uint64(second) << np.uint64(32))) * weights[k]
    else:
        for k in range(n):
            content += np.uint64(_word(buffer, np.uintp(at + 4 * k))) * weights[k]
    return total, low, high, content


@compiled
def _factor(buffer: Bytes, at: int, n: int) -> tuple[int, np.uint64]:
    """Sum and weighted sum of n packed 8-bit numbers; the digest takes four at a time, the last filled up with zeros."""
    total, content, word = 0, np.uint64(0), np.uint64(0)
    for k in range(n):
        byte = buffer[at + k]
        total += int(np.int8(byte))
        word |= np.uint64(byte) << np.uint64(8 * (k % 4))
        if k % 4 == 3 or k == n - 1:
            content += word * OF_PF[k // 4]
            word = np.uint64(0)
    return total, content


@compiled
def figures(
    power: Bytes, power_at: Int64s, pf: Bytes, pf_at: Int64s, voltage: Bytes, voltage_at: Int64s, counts: Int64s, out: Int64s
) -> None:
    """Reduce each probe-second's samples.

    Args:
        power, pf, voltage: buffers that hold packed samples; they may be one.
        power_at, pf_at, voltage_at: shape (m,), where each list stands.
        counts: shape (m, 2), how many samples and how many voltages there are.
        out: shape (FIGURES, m), filled.
    """
    for i in range(len(power_at)):
        n, v = counts[i, 0], counts[i, 1]
        out[COUNT, i] = n
        total, low, high, content = _quantity(power, power_at[i], n, OF_POWER)
        out[ENERGY, i], out[POWER_MIN, i], out[POWER_MAX, i] = total * _PER_SAMPLE[n], low, high
        digest = np.uint64(n | (v << 8)) * OF_COUNT + content + np.uint64(out[ENERGY, i]) * OF_POWER_MEAN
        total, content = _factor(pf, pf_at[i], n)
        out[PF, i] = total * _PER_SAMPLE[n]
        digest += content
        total, low, high, content = _quantity(voltage, voltage_at[i], v, OF_VOLTAGE)
        out[VOLTAGE, i], out[VOLTAGE_MIN, i], out[VOLTAGE_MAX, i] = total * _PER_SAMPLE[v], low, high
        digest += content + np.uint64(out[VOLTAGE, i]) * OF_VOLTAGE_MEAN
        digest ^= digest >> np.uint64(32)
        out[DIGEST, i] = np.int64(digest * LAST)

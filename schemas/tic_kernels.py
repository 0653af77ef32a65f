"""Frames of a Linky out of Avro bytes: the loops that run for every frame and group, for `compiled`.

They read padded buffers (see columns.PAD). `frames` judges every byte; the others walk over what it has judged.
"""

import numpy as np

from schemas.columns import Bools, Bytes, Int64s
from schemas.compiled import compiled
from schemas.kernels import _span, _varint

_TEXT_MAX = 256
_ID_MAX = 64
_LABEL_MAX = 16
_GROUPS_MAX = 256
_BYTES_MAX = 1 << 20
_SECONDS_END = 1 << 32
_NULL, _LONG, _STRING = range(3)
_COLOURS = np.array([ord("n"), ord("b"), ord("w"), ord("r")])

# What a row of `frames` holds; -1: null.
METER_AT, METER_LENGTH, BOOT_AT, BOOT_LENGTH, COUNTER, METER_S, DEGRADED, RECEIVED_MS, SYNCHRONISED = range(9)
MONOTONIC_MS, MODE, LABELS_AT, LABELS, STATUS_AT, RELAYS, CHARACTERS, BAD_CHARACTERS, DISCARDED, STRAY = range(9, 19)
REJECTED_AT, REJECTED = range(19, 21)
FRAME_FIELDS = 21

# What a row of `statuses` holds.
CONTACT_OPEN, COVER_OPEN, OVER_VOLTAGE, OVER_POWER, PRODUCER, ENERGY_NEGATIVE, SUPPLIER, DISTRIBUTOR, CLOCK, STANDARD = range(10)
PLC_SYNCHRONISED, PEAK_ANNOUNCED, PEAK_RUNNING = range(10, 13)
BREAKER_AT, BREAKER_LENGTH, TODAY_AT, TODAY_LENGTH, TOMORROW_AT, TOMORROW_LENGTH, TODAY, TOMORROW = range(13, 21)
STATUS_FIELDS = 21

# What a row of `groups` holds.
FRAME, LABEL_AT, LABEL_LENGTH, KIND, VALUE, VALUE_LENGTH, STAMP_S, STAMP_DEGRADED, WORD_LOW, WORD_HIGH = range(10)
GROUP_FIELDS = 10
"""VALUE: the number, or where the text begins. WORD_LOW, WORD_HIGH: the label's bytes as two numbers."""

# What a row of `refusals` holds.
REFUSED_FRAME, RAW_AT, RAW_LENGTH, NAME_AT, NAME_LENGTH, CODE_AT, CODE_LENGTH = range(7)
REFUSAL_FIELDS = 7


@compiled
def frames(buffer: Bytes, starts: Int64s, ends: Int64s, table: Int64s, bad: Bools) -> None:
    """Judge and cut up frames that were written with the present layout.

    Args:
        buffer: padded.
        starts, ends: shape (n,), where each Avro body lies.
        table: shape (n, FRAME_FIELDS), filled.
        bad: shape (n,), filled: True where the bytes are no frame; its row then means nothing.
    """
    for row in range(len(starts)):
        bad[row] = not _frame(buffer, starts[row], ends[row], table[row])


@compiled
def _frame(buffer: Bytes, at: int, end: int, f: Int64s) -> bool:
    f[METER_AT], f[METER_LENGTH], at = _text(buffer, at, end, 1, _ID_MAX)
    f[BOOT_AT], f[BOOT_LENGTH], at = _text(buffer, at, end, 1, _ID_MAX)
    f[COUNTER], at = _varint(buffer, at, end)
    f[METER_S], at = _second(buffer, at, end)
    f[DEGRADED], at = _flag(buffer, at, end)
    f[RECEIVED_MS], at = _varint(buffer, at, end)
    f[SYNCHRONISED], at = _flag(buffer, at, end)
    f[MONOTONIC_MS], at = _varint(buffer, at, end)
    f[MODE], at = _varint(buffer, at, end)
    if at < 0 or f[COUNTER] < 0 or f[MONOTONIC_MS] < 0 or f[MODE] < 0 or f[MODE] > 1:
        return False
    if f[RECEIVED_MS] < 0 or f[RECEIVED_MS] >= _SECONDS_END * 1000:
        return False
    f[LABELS], at = _varint(buffer, at, end)
    if at < 0 or f[LABELS] < 1 or f[LABELS] > _GROUPS_MAX:
        return False
    f[LABELS_AT] = at
    group = np.empty(GROUP_FIELDS, np.int64)
    for _ in range(f[LABELS]):
        at = _group(buffer, at, end, group)
    more, at = _varint(buffer, at, end)
    kind, at = _varint(buffer, at, end)
    if at < 0 or more != 0 or kind < 0 or kind > 1:
        return False
    f[STATUS_AT] = -1
    if kind == 1:
        f[STATUS_AT] = at
        at = _status(buffer, at, end, np.empty(STATUS_FIELDS, np.int64))
    f[RELAYS], at = _optional(buffer, at, end)
    at = _switches(buffer, at, end)
    at = _switches(buffer, at, end)
    for field in (CHARACTERS, BAD_CHARACTERS, DISCARDED, STRAY):
        f[field], at = _varint(buffer, at, end)
        if at < 0 or f[field] < 0 or (field != STRAY and f[field] >= _SECONDS_END):
            return False
    return f[RELAYS] < 256 and _refused(buffer, at, end, f)


@compiled
def _refused(buffer: Bytes, at: int, end: int, f: Int64s) -> bool:
    f[REJECTED], at = _varint(buffer, at, end)
    if at < 0 or f[REJECTED] < 0 or f[REJECTED] > _BYTES_MAX:
        return False
    f[REJECTED_AT] = at
    for _ in range(f[REJECTED]):
        _, _, at = _span(buffer, at, end, 0, _BYTES_MAX)
        _, _, at = _text(buffer, at, end, 0, _ID_MAX)
        _, _, at = _text(buffer, at, end, 0, _ID_MAX)
        if at < 0:
            return False
    if f[REJECTED] > 0:
        more, at = _varint(buffer, at, end)
        if more != 0:
            return False
    return at == end


@compiled
def _text(buffer: Bytes, at: int, end: int, low: int, high: int) -> tuple[int, int, int]:
    """As `_span`, of printable ASCII: the line has no other characters."""
    start, length, at = _span(buffer, at, end, low, high)
    if at >= 0:
        for k in range(start, start + length):
            if buffer[k] < 0x20 or buffer[k] > 0x7E:
                return 0, 0, -1
    return start, length, at


@compiled
def _flag(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    if at < 0 or at >= end or buffer[at] > 1:
        return 0, -1
    return int(buffer[at]), at + 1


@compiled
def _optional(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """A number that is not negative, or null: -1."""
    kind, at = _varint(buffer, at, end)
    if at < 0 or kind < 0 or kind > 1:
        return 0, -1
    if kind == 0:
        return -1, at
    value, at = _varint(buffer, at, end)
    return value, at if value >= 0 else -1


@compiled
def _second(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    value, at = _optional(buffer, at, end)
    return value, at if value < _SECONDS_END else -1


@compiled
def _group(buffer: Bytes, at: int, end: int, g: Int64s) -> int:
    """One group of a frame; where it ends, or -1."""
    g[LABEL_AT], g[LABEL_LENGTH], at = _text(buffer, at, end, 1, _LABEL_MAX)
    g[KIND], at = _varint(buffer, at, end)
    g[VALUE] = g[VALUE_LENGTH] = 0
    if at < 0 or g[KIND] < _NULL or g[KIND] > _STRING:
        return -1
    if g[KIND] == _LONG:
        g[VALUE], at = _varint(buffer, at, end)
    elif g[KIND] == _STRING:
        g[VALUE], g[VALUE_LENGTH], at = _text(buffer, at, end, 1, _TEXT_MAX)
    g[STAMP_S], at = _second(buffer, at, end)
    g[STAMP_DEGRADED], at = _flag(buffer, at, end)
    return at


@compiled
def _status(buffer: Bytes, at: int, end: int, s: Int64s) -> int:
    """STGE by name; where it ends, or -1."""
    s[CONTACT_OPEN], at = _flag(buffer, at, end)
    s[BREAKER_AT], s[BREAKER_LENGTH], at = _text(buffer, at, end, 0, _ID_MAX)
    for field in (COVER_OPEN, OVER_VOLTAGE, OVER_POWER, PRODUCER, ENERGY_NEGATIVE):
        s[field], at = _flag(buffer, at, end)
    s[SUPPLIER], at = _varint(buffer, at, end)
    s[DISTRIBUTOR], at = _varint(buffer, at, end)
    s[CLOCK], at = _flag(buffer, at, end)
    s[STANDARD], at = _flag(buffer, at, end)
    _, _, at = _text(buffer, at, end, 0, _ID_MAX)
    _, _, at = _text(buffer, at, end, 0, _ID_MAX)
    s[PLC_SYNCHRONISED], at = _flag(buffer, at, end)
    s[TODAY_AT], s[TODAY_LENGTH], at = _text(buffer, at, end, 0, _ID_MAX)
    s[TOMORROW_AT], s[TOMORROW_LENGTH], at = _text(buffer, at, end, 0, _ID_MAX)
    s[PEAK_ANNOUNCED], at = _varint(buffer, at, end)
    s[PEAK_RUNNING], at = _varint(buffer, at, end)
    if at < 0:
        return -1
    for field in (SUPPLIER, DISTRIBUTOR, PEAK_ANNOUNCED, PEAK_RUNNING):
        if s[field] < 0 or s[field] > 255:
            return -1
    s[TODAY] = _colour(buffer, s[TODAY_AT], s[TODAY_LENGTH])
    s[TOMORROW] = _colour(buffer, s[TOMORROW_AT], s[TOMORROW_LENGTH])
    return at


@compiled
def _colour(buffer: Bytes, at: int, length: int) -> int:
    """none, blue, white, red: 0 to 3; anything else: 0."""
    for k in range(1, 4):
        if length > 0 and buffer[at] == _COLOURS[k]:
            return k
    return 0


@compiled
def _switches(buffer: Bytes, at: int, end: int) -> int:
    """A profile, or null; where it ends, or -1."""
    kind, at = _varint(buffer, at, end)
    if at < 0 or kind < 0 or kind > 1:
        return -1
    if kind == 0:
        return at
    count, at = _varint(buffer, at, end)
    if at < 0 or count < 0 or count > _GROUPS_MAX:
        return -1
    for _ in range(count):
        _, at = _varint(buffer, at, end)
        _, at = _optional(buffer, at, end)
        _, at = _varint(buffer, at, end)
        _, _, at = _text(buffer, at, end, 0, _ID_MAX)
    if count > 0:
        more, at = _varint(buffer, at, end)
        if more != 0:
            return -1
    return at


@compiled
def groups(buffer: Bytes, table: Int64s, out: Int64s) -> None:
    """The groups of all frames, in order.

    Args:
        table: shape (n, FRAME_FIELDS), from `frames`, none of them bad.
        out: shape (sum of LABELS, GROUP_FIELDS), filled.
    """
    m, end = 0, len(buffer)
    for row in range(len(table)):
        at = table[row, LABELS_AT]
        for _ in range(table[row, LABELS]):
            at = _group(buffer, at, end, out[m])
            out[m, FRAME] = row
            out[m, WORD_LOW] = _word(buffer, out[m, LABEL_AT], min(out[m, LABEL_LENGTH], 8))
            out[m, WORD_HIGH] = _word(buffer, out[m, LABEL_AT] + 8, max(out[m, LABEL_LENGTH] - 8, 0))
            m += 1


@compiled
def _word(buffer: Bytes, at: int, length: int) -> int:
    """Up to eight bytes as a number."""
    word = 0
    for k in range(length):
        word |= int(buffer[at + k]) << (8 * k)
    return word


@compiled
def statuses(buffer: Bytes, table: Int64s, out: Int64s) -> None:
    """STGE of all frames; out has shape (n, STATUS_FIELDS), zeros where there is none."""
    for row in range(len(table)):
        out[row] = 0
        if table[row, STATUS_AT] >= 0:
            _status(buffer, table[row, STATUS_AT], len(buffer), out[row])


@compiled
def refusals(buffer: Bytes, table: Int64s, out: Int64s) -> None:
    """The refused groups of all frames; out has shape (sum of REJECTED, REFUSAL_FIELDS)."""
    m, end = 0, len(buffer)
    for row in range(len(table)):
        at = table[row, REJECTED_AT]
        for _ in range(table[row, REJECTED]):
            out[m, REFUSED_FRAME] = row
            out[m, RAW_AT], out[m, RAW_LENGTH], at = _span(buffer, at, end, 0, _BYTES_MAX)
            out[m, NAME_AT], out[m, NAME_LENGTH], at = _span(buffer, at, end, 0, _ID_MAX)
            out[m, CODE_AT], out[m, CODE_LENGTH], at = _span(buffer, at, end, 0, _ID_MAX)
            m += 1


@compiled
def scatter(frame: Int64s, column: Int64s, value: Int64s, out: Int64s) -> None:
    """Put each value into its frame's row and column, unless its column is -1 or it has more than 31 bits.

    Args:
        frame, column, value: shape (m,).
        out: shape (n, c).
    """
    for i in range(len(frame)):
        if column[i] >= 0 and 0 <= value[i] < 1 << 31:
            out[frame[i], column[i]] = value[i]


@compiled
def lay(buffer: Bytes, starts: Int64s, lengths: Int64s, out: Bytes) -> None:
    """Copy spans behind one another."""
    m = 0
    for i in range(len(starts)):
        for k in range(lengths[i]):
            out[m + k] = buffer[starts[i] + k]
        m += lengths[i]

"""Good bodies and frames to packed readings, in one pass over their bytes, compiled.

It can only accept. Members in any order, white space, each member at most once; plain integers, strings of ASCII
without escapes, nothing unknown. Whatever else comes is left to the exact judge, and what is accepted here is accepted
there with the same content.

Every read is guarded by the text's end: behind it, and before its begin, stands a zero byte, which fits nowhere. So -1
for a place, "not good", is carried through the steps that follow.
"""

import numpy as np

from producers.gateway.exact import (
    PF_MAX_PCT,
    POWER_MAX_MW,
    PROBES_MAX,
    RECORDS_MAX,
    TIMESTAMP_MIN_S,
    VOLTAGE_MAX_MV,
)
from producers.gateway.frames import ID_MAX
from schemas.columns import Bytes, Int64s
from schemas.compiled import uncounted
from schemas.units import SAMPLES_MAX, SAMPLES_MIN

POST, BATCH, FRAME = range(3)

# What `found` holds: places in the text, how many bytes are packed, then a row for each second, then one probe's samples.
SENSOR_AT, SENSOR_END, TOKEN_AT, TOKEN_END, VERSION_AT, ID_AT, ID_END, FROM_ZERO, _PACKED, ROWS = range(10)
# What a row holds. A quoted timestamp is given as the place of its text, and QUOTED is where that ends, else 0.
TIMESTAMP, QUOTED, PHASES, END, ROW = range(5)
_POWERS_AT = ROWS + ROW * RECORDS_MAX
_FACTORS_AT = _POWERS_AT + SAMPLES_MAX
_VOLTAGES_AT = _FACTORS_AT + SAMPLES_MAX
FOUND = _VOLTAGES_AT + SAMPLES_MAX
PACKED_MAX = RECORDS_MAX * (2 + PROBES_MAX * (7 + 9 * SAMPLES_MAX))

(_NAME_TIMESTAMP, _NAME_DATA, _NAME_PROBE, _NAME_KIND, _NAME_POWER, _NAME_PF, _NAME_VOLTAGE, _NAME_RECORDS,
 _NAME_VERSION, _NAME_SENSOR, _NAME_TOKEN, _NAME_CONNECTOR, _NAME_TRANSACTION) = range(13)  # fmt: skip
_POSTED = ("timestamp", "data", "probe_id", "probe_type", "power", "pf", "voltage", "records", "version", "sensor_id", "token")
_FRAMED = ("timestamp", "sampledValue", "probe", "probeType", "power", "powerfactor", "voltage", "meterValue", "", "", "",
           "connectorId", "transactionId")  # fmt: skip
_WORD = 16
_NOWHERE = b"\xff" * _WORD


def _words(names: tuple[str, ...]) -> list[list[int]]:
    """Names as `_word` reads them; for those that a text does not have, what it never reads."""
    raw = [name.encode().ljust(_WORD, b"\0") if name else _NOWHERE for name in names]
    raw += [_NOWHERE] * (_NAME_TRANSACTION + 1 - len(raw))
    return [[int.from_bytes(one[:8], "little"), int.from_bytes(one[8:], "little")] for one in raw]


_NAMES = np.array([_words(_POSTED), _words(_POSTED), _words(_FRAMED)], np.uint64)
_KINDS = np.array(_words(("CT", "rogow_coil")), np.uint64)
_CALL = np.array(_words(("MeterValues",)), np.uint64)
_OF_SECOND = 1 << _NAME_TIMESTAMP | 1 << _NAME_DATA
_OF_ENVELOPE = 1 << _NAME_VERSION | 1 << _NAME_SENSOR | 1 << _NAME_TOKEN
_OF_WHOLE = np.array(
    [
        _OF_ENVELOPE | _OF_SECOND,
        _OF_ENVELOPE | 1 << _NAME_RECORDS,
        1 << _NAME_RECORDS | 1 << _NAME_CONNECTOR | 1 << _NAME_TRANSACTION,
    ]
)
_OF_PROBE = 1 << _NAME_PROBE | 1 << _NAME_KIND | 1 << _NAME_POWER | 1 << _NAME_PF | 1 << _NAME_VOLTAGE
_OPTIONAL = 1 << _NAME_TOKEN | 1 << _NAME_CONNECTOR | 1 << _NAME_TRANSACTION | 1 << _NAME_PROBE

_QUOTE, _BACKSLASH, _COMMA, _COLON, _MINUS, _ZERO = b'"\\,:-0'
_LIST, _LIST_END, _OBJECT, _OBJECT_END = b"[]{}"
_SPACE, _TAB, _LINE, _RETURN, _DELETE = b" \t\n\r\x7f"
_DIGITS_MAX = 15
"""So that a number times a thousand keeps within 64 bits."""
_CALL_KIND = 2

How = tuple[int, int, int, int]
"""The text's shape, scale, what is added to a probe's number, and the last second that may be."""


@uncounted
def _byte(text: bytes, at: int, end: int) -> int:
    return int(text[np.uintp(at)]) if np.uintp(at) < np.uintp(end) else 0


@uncounted
def _skip(text: bytes, at: int, end: int) -> int:
    """Where the white space ends that may stand at `at`."""
    byte = _byte(text, at, end)
    while byte <= _SPACE and byte in (_SPACE, _LINE, _RETURN, _TAB):
        at += 1
        byte = _byte(text, at, end)
    return at


@uncounted
def _next(text: bytes, at: int, end: int, last: int) -> tuple[bool, int]:
    """Behind a value: whether `last` closes what it stands in, and where to go on, behind that or a comma; or -1."""
    at = _skip(text, at, end)
    byte = _byte(text, at, end)
    return byte == last, at + 1 if byte in (_COMMA, last) else -1


@uncounted
def _open(text: bytes, at: int, end: int, mark: int) -> int:
    """Behind `mark`, which must come next; or -1."""
    at = _skip(text, at, end)
    return at + 1 if _byte(text, at, end) == mark else -1


@uncounted
def _string(text: bytes, at: int, end: int) -> int:
    """Where a string's closing quote stands, `at` being behind its opening one; or -1."""
    byte = _byte(text, at, end)
    while _SPACE <= byte <= _DELETE and byte not in (_QUOTE, _BACKSLASH):
        at += 1
        byte = _byte(text, at, end)
    return at if byte == _QUOTE else -1


@uncounted
def _word(text: bytes, at: int, end: int) -> tuple[np.uint64, np.uint64, int]:
    """A string of up to 16 bytes as two numbers, and where it ends; or -1."""
    low, high = np.uint64(0), np.uint64(0)
    at = _open(text, at, end, _QUOTE)
    for k in range(_WORD + 1):
        byte = _byte(text, at, end)
        if byte == _QUOTE:
            return low, high, at + 1
        if k == _WORD or byte == _BACKSLASH or not _SPACE <= byte <= _DELETE:
            break
        part = np.uint64(byte) << np.uint64(8 * (k & 7))
        if k < 8:
            low |= part
        else:
            high |= part
        at += 1
    return low, high, -1


@uncounted
def _number(text: bytes, at: int, end: int) -> tuple[int, int]:
    """A plain integer, and where it ends; or -1. A digit too many is left where it stands, and fits nowhere."""
    at = _skip(text, at, end)
    negative = _byte(text, at, end) == _MINUS
    if negative:
        at += 1
    digit = _byte(text, at, end) - _ZERO
    if digit == 0:
        return 0, at + 1
    value, first = 0, at
    while 0 <= digit <= 9 and at - first < _DIGITS_MAX:
        value = 10 * value + digit
        at += 1
        digit = _byte(text, at, end) - _ZERO
    return -value if negative else value, at if at > first else -1


@uncounted
def _member(text: bytes, at: int, end: int, shape: int, left: int) -> tuple[int, int]:
    """A member's name, one of those that are left, and where its value stands; or -1, -1."""
    low, high, at = _word(text, at, end)
    at = _open(text, at, end, _COLON)
    for name in range(_NAMES.shape[1]):
        if _NAMES[shape, name, 0] == low and _NAMES[shape, name, 1] == high:
            return (name, at) if at >= 0 and (left >> name) & 1 else (-1, -1)
    return -1, -1


@uncounted
def _samples(text: bytes, at: int, end: int, scale: int, low: int, high: int, into: Int64s) -> tuple[int, int]:
    """A list of samples: how many there are, and where it ends; or -1."""
    at = _open(text, at, end, _LIST)
    for k in range(SAMPLES_MAX):
        value, at = _number(text, at, end)
        value *= scale
        last, at = _next(text, at, end, _LIST_END)
        if at < 0 or value < low or value > high:
            break
        into[k] = value
        if last:
            return k + 1, at if k + 1 >= SAMPLES_MIN else -1
    return 0, -1


@uncounted
def _voltage(text: bytes, at: int, end: int, scale: int, into: Int64s) -> tuple[int, int]:
    """A list of voltages or a single one: how many there are, and where that ends; or -1."""
    if _open(text, at, end, _LIST) >= 0:
        return _samples(text, at, end, scale, 0, VOLTAGE_MAX_MV, into)
    value, at = _number(text, at, end)
    into[0] = value * scale
    return 1, at if 0 <= value * scale <= VOLTAGE_MAX_MV else -1


@uncounted
def _pack(out: Bytes, at: int, samples: Int64s, n: int, width: int) -> int:
    """Write n samples of `width` bytes behind their length; where they end."""
    length = 2 * n * width  # zigzag
    if length > 127:
        out[at] = length & 127 | 128
        at += 1
        length >>= 7
    out[at] = length
    at += 1
    if width == 1:
        for k in range(n):
            out[np.uintp(at + k)] = samples[k] & 255
        return at + n
    for k in range(n):
        value, place = samples[k], np.uintp(at + 4 * k)
        out[place] = value & 255
        out[place + np.uintp(1)] = (value >> 8) & 255
        out[place + np.uintp(2)] = (value >> 16) & 255
        out[place + np.uintp(3)] = (value >> 24) & 255
    return at + 4 * n


@uncounted
def _probe(text: bytes, at: int, end: int, how: How, probe: int, found: Int64s, out: Bytes) -> tuple[int, int]:
    """One probe's object, packed; its number, `probe` if it names none, and where it ends; or -1."""
    shape, scale, base, _ = how
    power, pf, voltage = found[_POWERS_AT:_FACTORS_AT], found[_FACTORS_AT:_VOLTAGES_AT], found[_VOLTAGES_AT:]
    left, kind, n, factors, voltages, last = _OF_PROBE, -1, 0, 0, 0, False
    at = _open(text, at, end, _OBJECT)
    while not last:
        name, at = _member(text, at, end, shape, left)
        if name == _NAME_POWER:
            n, at = _samples(text, at, end, scale, -POWER_MAX_MW, POWER_MAX_MW, power)
        elif name == _NAME_PF:
            factors, at = _samples(text, at, end, 1, -PF_MAX_PCT, PF_MAX_PCT, pf)
        elif name == _NAME_VOLTAGE:
            voltages, at = _voltage(text, at, end, scale, voltage)
        elif name == _NAME_PROBE:
            probe, at = _number(text, at, end)
            if probe == 0 and at >= 0 and shape == FRAME:
                found[FROM_ZERO] = 1
            probe += base
        elif name == _NAME_KIND:
            low, high, at = _word(text, at, end)
            for k in range(len(_KINDS)):
                if _KINDS[k, 0] == low and _KINDS[k, 1] == high:
                    kind = k
        last, at = _next(text, at, end, _OBJECT_END)
        if at < 0:
            return 0, -1
        left ^= 1 << name
    fits = kind >= 0 and factors == n and (voltages in (1, n)) and 1 <= probe <= PROBES_MAX
    if not fits or left & ~_OPTIONAL:
        return 0, -1
    packed = found[_PACKED]
    out[packed], out[packed + 1] = 2 * probe, 2 * kind
    packed = _pack(out, packed + 2, power, n, 4)
    packed = _pack(out, packed, pf, n, 1)
    found[_PACKED] = _pack(out, packed, voltage, voltages, 4)
    return probe, at


@uncounted
def _data(text: bytes, at: int, end: int, how: How, row: Int64s, found: Int64s, out: Bytes) -> int:
    """The list of a second's probes, packed; where it ends, or -1."""
    count_at, phases, last = found[_PACKED], 0, False
    found[_PACKED] += 1
    at = _open(text, at, end, _LIST)
    for k in range(PROBES_MAX):
        probe, at = _probe(text, at, end, how, k + 1, found, out)
        last, at = _next(text, at, end, _LIST_END)
        bit = (1 << probe) >> 1
        if at < 0 or phases & bit:
            return -1
        phases |= bit
        if last:
            out[count_at], out[found[_PACKED]] = 2 * (k + 1), 0
            found[_PACKED] += 1
            row[PHASES], row[END] = phases, found[_PACKED]
            return at
    return -1


@uncounted
def _timestamp(text: bytes, at: int, end: int, how: How, row: Int64s) -> int:
    """A timestamp; where it ends, or -1."""
    start = _open(text, at, end, _QUOTE)
    if start >= 0 and how[0] == FRAME:
        row[TIMESTAMP], row[QUOTED] = start, _string(text, start, end)
        return row[QUOTED] + 1 if row[QUOTED] >= 0 else -1
    row[TIMESTAMP], at = _number(text, at, end)
    row[QUOTED] = 0
    return at if TIMESTAMP_MIN_S <= row[TIMESTAMP] <= how[3] else -1


@uncounted
def _second(text: bytes, at: int, end: int, how: How, row: Int64s, found: Int64s, out: Bytes) -> int:
    """An object of a timestamp and data; where it ends, or -1."""
    left, last = _OF_SECOND, False
    at = _open(text, at, end, _OBJECT)
    while not last:
        name, at = _member(text, at, end, how[0], left)
        if name == _NAME_TIMESTAMP:
            at = _timestamp(text, at, end, how, row)
        elif name == _NAME_DATA:
            at = _data(text, at, end, how, row, found, out)
        last, at = _next(text, at, end, _OBJECT_END)
        if at < 0:
            return -1
        left ^= 1 << name
    return -1 if left else at


@uncounted
def _records(text: bytes, at: int, end: int, how: How, found: Int64s, out: Bytes) -> tuple[int, int]:
    """A list of seconds: how many there are, and where it ends; or -1."""
    at = _open(text, at, end, _LIST)
    for k in range(RECORDS_MAX):
        at = _second(text, at, end, how, found[ROWS + k * ROW : ROWS + (k + 1) * ROW], found, out)
        last, at = _next(text, at, end, _LIST_END)
        if at < 0:
            break
        if last:
            return k + 1, at
    return 0, -1


@uncounted
def _is_sensor(text: bytes, at: int, end: int) -> bool:
    """Whether 1 to 58 letters and six digits stand between."""
    if not 7 <= end - at <= 64:
        return False
    for k in range(at, end):
        byte = _byte(text, k, end)
        if k < end - 6 and not 97 <= byte | 32 <= 122:
            return False
        if k >= end - 6 and not 0 <= byte - _ZERO <= 9:
            return False
    return True


@uncounted
def _whole(text: bytes, at: int, end: int, how: How, found: Int64s, out: Bytes) -> tuple[int, int]:
    """The object of a post, of a batch or of a frame's call: how many seconds it has, and where it ends; or -1."""
    left, last, count, row = _OF_WHOLE[how[0]], False, 1, found[ROWS : ROWS + ROW]
    found[TOKEN_AT] = found[_PACKED] = 0
    at = _open(text, at, end, _OBJECT)
    while not last:
        name, at = _member(text, at, end, how[0], left)
        if name == _NAME_TIMESTAMP:
            at = _timestamp(text, at, end, how, row)
        elif name == _NAME_DATA:
            at = _data(text, at, end, how, row, found, out)
        elif name == _NAME_RECORDS:
            count, at = _records(text, at, end, how, found, out)
        elif name in (_NAME_CONNECTOR, _NAME_TRANSACTION):
            _, at = _number(text, at, end)
        elif name >= 0:
            start = _open(text, at, end, _QUOTE)
            close = _string(text, start, end)
            at = close + 1 if close >= 0 else -1
            if name == _NAME_TOKEN:
                found[TOKEN_AT], found[TOKEN_END] = start, close
            elif name == _NAME_SENSOR:
                found[SENSOR_AT], found[SENSOR_END] = start, close
                at = at if _is_sensor(text, start, close) else -1
            else:
                found[VERSION_AT] = start
                at = at if close - start == 6 else -1
        last, at = _next(text, at, end, _OBJECT_END)
        if at < 0:
            return 0, -1
        left ^= 1 << name
    return count, -1 if left & ~_OPTIONAL else at


@uncounted
def scan(text: bytes, shape: int, scale: int, base: int, latest_s: int, found: Int64s, out: Bytes) -> int:
    """Read a text.

    Args:
        text: a body of POST or BATCH, or a FRAME.
        shape: which of them.
        scale: what power and voltage are multiplied by.
        base: 1 when the sensor numbers its probes 0, 1, 2; a frame that holds a probe 0 is read so in any case.
        latest_s: the last second that may be.
        found: shape (FOUND,), filled.
        out: shape (PACKED_MAX,), filled with the Avro bytes of each second's probes, one behind the other.

    Returns:
        how many seconds it has; 0 when not all of it is plainly good.
    """
    at, end, how = 0, len(text), (shape, scale, base, latest_s)
    if shape == FRAME:
        at = _open(text, at, end, _LIST)
        kind, at = _number(text, at, end)
        _, at = _next(text, at, end, _COMMA)
        start = _open(text, at, end, _QUOTE)
        close = _string(text, start, end)
        found[ID_AT], found[ID_END] = start, close
        if close < 0 or close - start > ID_MAX or kind != _CALL_KIND:
            return 0
        _, at = _next(text, close + 1, end, _COMMA)
        low, high, at = _word(text, at, end)
        _, at = _next(text, at, end, _COMMA)
        if low != _CALL[0, 0] or high != _CALL[0, 1]:
            return 0
    found[FROM_ZERO] = 0
    begin = at
    count, at = _whole(text, begin, end, how, found, out)
    if at < 0 and base == 0 and found[FROM_ZERO] == 1:  # one probe 0 speaks for the whole frame
        count, at = _whole(text, begin, end, (shape, scale, 1, latest_s), found, out)
    if shape == FRAME:
        at = _open(text, at, end, _LIST_END)
    return count if at >= 0 and _skip(text, at, end) == end else 0

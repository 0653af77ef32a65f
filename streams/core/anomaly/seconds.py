"""The rules on whole seconds, for `uncounted`: one pass over the seconds of many sensors.

A sensor's memory is one row of integers; a step is a function of that row and of one second. So the same seconds give the
same intervals, however the passes are cut. All of it is in this file because compiled code is kept by file.
"""

import numpy as np
import numpy.typing as npt

from schemas.columns import Int64s
from schemas.compiled import uncounted
from schemas.units import MINUTE_S, PROBES
from streams.core.anomaly.limits import ROW

Int32s = npt.NDArray[np.int32]

# Rules, in the order of their machines; MISSING has one for each phase.
SILENCE, MISSING, OVERLOAD, QUARTER, PEAK, LOAD, VOLTAGE, LOW_PF, REVERSE, STUCK, CLOCK, CONFLICT = (0, 1, *range(4, 14))
MACHINES = 14

# What a machine remembers: whether its interval counts yet, the first and last second in it, the worst value, how many.
OPEN, START, LAST, WORST, COUNT = range(5)
_EACH = 5

# Behind the machines: the next second to judge, the last one that came, the probes ever seen, the newest offset; the sum
# and number of the last 60 s; how far above the contract, and since when; the quarter-hour, its sum and number; the spread
# of the delay; the digests of the second before; the last 60 totals.
NEXT, LAST_S, KNOWN, VERSION, SUM, FILLED, ABOVE, ABOVE_SINCE, QUARTER_OF, QUARTER_SUM, QUARTER_FILLED = range(70, 81)
DELAY_LOW, DELAY_HIGH, DIGESTS, DIGESTS_AT, RING = 81, 82, 83, 86, 87
WIDTH = RING + MINUTE_S

# What a row of found intervals holds.
FOUND_ROW, FOUND_RULE, FOUND_START, FOUND_LAST, FOUND_WORST, FOUND_COUNT, FOUND_VERSION = range(7)
FOUND_FIELDS = 7

# What OpenMinutes keeps of a probe-second, see minute.SECOND_FIELDS.
POWER, PF, VOLT, VOLT_MIN, VOLT_MAX = range(5)

NOTHING = -(1 << 62)
QUARTER_S = 900
_STEPS_MAX = 400
"""After so many seconds without data nothing changes any more but the length of the silence."""

FOUND_MAX = MACHINES * (MINUTE_S + _STEPS_MAX)
"""Intervals that one step of a sensor can end at most: a minute, and the time before it."""

_CONFLICT_JOIN_S = 60
_RUN_JOIN_S = 10
_RUN_SHARE_PCT = 90
_FULL = 45
"""A mean over 60 s needs so many of them."""

_DELAY_SPREAD_MS = 2000
"""A clock that is wrong is wrong by the same; a backlog that is sent is not."""

(
    _SILENCE_S, _MISSING_S, _OVER, _OVER_END, _PEAK, _PEAK_END, _PEAK_S,
    _LOAD_PM, _LOAD_END, _LOAD_S, _LOAD_FLOOR, _VOLT_PM, _VOLT_END, _VOLT_S,
    _PF_PM, _PF_END, _PF_S, _PF_FLOOR, _REVERSE_MW, _REVERSE_S, _STUCK_S, _CLOCK_MS, _CLOCK_S, _CONTRACT,
    WATCH_LOW, WATCH_HIGH, _FROM_S, _BEFORE,
) = range(6, len(ROW))  # fmt: skip


def fresh(count: int) -> Int64s:
    """Memories of sensors that nothing is known of; shape (count, WIDTH)."""
    out = np.zeros((count, WIDTH), np.int64)
    for machine in range(MACHINES):
        out[:, machine * _EACH + START] = NOTHING
    out[:, [NEXT, LAST_S, QUARTER_OF, DIGESTS_AT]] = NOTHING
    out[:, RING:] = NOTHING
    return out


def opened(memory: Int64s, machine: int) -> tuple[int, int, int, int] | None:
    """First second, last second, worst value and count of the interval that a machine has open; None when it has none."""
    base = machine * _EACH
    if not memory[base + OPEN]:
        return None
    start, last, worst, count = memory[base + START : base + _EACH].tolist()
    return start, last, worst, count


@uncounted
def judge(
    rows: Int64s, minutes: Int64s, slots: Int64s, until_s: Int64s, memory: Int64s, limits: Int64s, dated: Int64s,
    masks: Int64s, seconds: Int32s, delays: Int32s, twice: Int64s, marks: Int64s, versions: Int64s,
    begin: int, found: Int64s, watched: Int64s, before_s: Int64s,
) -> tuple[int, int]:  # fmt: skip
    """Take the next minutes of some sensors in.

    Args:
        rows, minutes, slots: shape (j,), by sensor and minute: whose memory, minute number, and place in the slabs.
        until_s: shape (j,): seconds of this one and later are left for later.
        memory, limits: shape (sensors, WIDTH) and (sensors, len(ROW)); memory is changed. dated: (limits of before, len(ROW)).
        masks: shape (slots, 3), which seconds came. seconds: (slots, 60, 3, SECOND_FIELDS). delays: (slots, 60), in ms.
        twice: (slots,), seconds that came again with other values. marks: (slots, 60, 3), digests. versions: (slots,).
        begin: the minute to begin with; the earlier ones were taken in by a call before.
        found: shape (f, FOUND_FIELDS), filled with intervals that ended.
        watched: shape (j,), filled: 1 where a voltage left its band. before_s: shape (j,): the first second taken in.

    Returns:
        the first minute that was not taken in, for want of room in `found`, and how many were found.
    """
    n = 0
    for j in range(begin, len(rows)):
        if n + FOUND_MAX > len(found):
            return j, n
        own, slot, first = memory[rows[j]], slots[j], minutes[j] * MINUTE_S
        if own[NEXT] == NOTHING:
            own[NEXT] = first
        elif own[NEXT] < first:
            n = _absent(own, limits, dated, rows[j], min(first, until_s[j]), found, n)
        before_s[j] = own[NEXT]
        place, end_s = _place(limits, dated, rows[j], first), min(first + MINUTE_S, until_s[j])
        if place < 0:
            watched[j], n = _minute(
                own, limits[rows[j]], rows[j], first, end_s, masks[slot], seconds[slot], delays[slot], twice[slot], marks[slot],
                versions[slot], found, n,
            )  # fmt: skip
        else:
            watched[j], n = _minute(
                own, dated[place], rows[j], first, end_s, masks[slot], seconds[slot], delays[slot], twice[slot], marks[slot],
                versions[slot], found, n,
            )  # fmt: skip
    return len(rows), n


@uncounted
def _minute(
    own: Int64s, limit: Int64s, row: int, first: int, end_s: int, masks: Int64s, seconds: Int32s, delays: Int32s, twice: int,
    marks: Int64s, version: int, found: Int64s, n: int,
) -> tuple[int, int]:  # fmt: skip
    """The seconds of a minute up to end_s: whether a voltage left its band, and how many intervals were found."""
    if limit[_CONTRACT] <= 0 and own[QUARTER_OF] != NOTHING:
        n = _released(own, row, found, n)
    came, watched = masks[0] | masks[1] | masks[2], 0
    for t in range(own[NEXT], end_s):
        k = t - first
        if not (came >> k) & 1:
            n = _nothing(own, limit, row, t, found, n)
            continue
        own[VERSION] = max(own[VERSION], version)
        bits = 0
        for p in range(PROBES):
            if (masks[p] >> k) & 1:
                bits |= 1 << p
                if seconds[k, p, VOLT_MIN] < limit[WATCH_LOW] or seconds[k, p, VOLT_MAX] > limit[WATCH_HIGH]:
                    watched = 1
        n = _second(own, limit, row, t, bits, seconds[k], delays[k], (twice >> k) & 1, marks[k], found, n)
    return watched, n


@uncounted
def pass_time(rows: Int64s, until_s: int, memory: Int64s, limits: Int64s, dated: Int64s, found: Int64s) -> int:
    """Let time pass for sensors of which nothing came: the number of intervals found; there is room for all of them."""
    n = 0
    for row in rows:
        if memory[row, NEXT] != NOTHING and memory[row, NEXT] < until_s:
            n = _absent(memory[row], limits, dated, row, until_s, found, n)
    return n


@uncounted
def _place(limits: Int64s, dated: Int64s, row: int, t: int) -> int:
    """Where the limits stand that hold at a second: -1: with the newest of all sensors, else in `dated`."""
    if t >= limits[row, _FROM_S]:
        return -1
    place = limits[row, _BEFORE]
    while t < dated[place, _FROM_S]:
        place = dated[place, _BEFORE]
    return int(place)


@uncounted
def _absent(own: Int64s, limits: Int64s, dated: Int64s, row: int, until_s: int, found: Int64s, n: int) -> int:
    """Seconds without data up to until_s, each by the limits that hold then."""
    while own[NEXT] < until_s:
        t, end_s = own[NEXT], until_s
        if t < limits[row, _FROM_S]:
            end_s = min(end_s, limits[row, _FROM_S])
            place = limits[row, _BEFORE]
            while t < dated[place, _FROM_S]:
                end_s = min(end_s, dated[place, _FROM_S])
                place = dated[place, _BEFORE]
            n = _gap(own, dated[place], row, end_s, found, n)
        else:
            n = _gap(own, limits[row], row, end_s, found, n)
    return n


@uncounted
def _released(own: Int64s, row: int, found: Int64s, n: int) -> int:
    """There is no contract any more: what was above it is over."""
    base, t = QUARTER * _EACH, own[NEXT]
    if own[base + START] != NOTHING:
        own[base + LAST] = min(own[base + START] + QUARTER_S, t) - 1
        n = _emit(own, row, QUARTER, found, n)
    n = _emit(own, row, PEAK, found, n)
    n = _emit(own, row, OVERLOAD, found, n)
    own[QUARTER_OF], own[ABOVE] = NOTHING, 0
    return n


@uncounted
def _gap(own: Int64s, limit: Int64s, row: int, until_s: int, found: Int64s, n: int) -> int:
    """Seconds without data up to until_s, all by the same limits."""
    if limit[_CONTRACT] <= 0 and own[QUARTER_OF] != NOTHING:
        n = _released(own, row, found, n)
    for t in range(own[NEXT], min(until_s, own[NEXT] + _STEPS_MAX)):
        n = _nothing(own, limit, row, t, found, n)
    if own[NEXT] < until_s:
        own[NEXT] = until_s
        n = _quarter(own, limit, row, until_s - 1, 0, found, n)
        if own[SILENCE * _EACH + START] != NOTHING:
            own[SILENCE * _EACH + LAST] = until_s - 1
    return n


@uncounted
def _emit(own: Int64s, row: int, machine: int, found: Int64s, n: int) -> int:
    """End a machine's interval, and note it if it counts."""
    base = machine * _EACH
    if own[base + OPEN]:
        found[n, FOUND_ROW], found[n, FOUND_RULE], found[n, FOUND_VERSION] = row, machine, own[VERSION]
        found[n, FOUND_START], found[n, FOUND_LAST] = own[base + START], own[base + LAST]
        found[n, FOUND_WORST], found[n, FOUND_COUNT] = own[base + WORST], own[base + COUNT]
        n += 1
    own[base + OPEN], own[base + START], own[base + COUNT] = 0, NOTHING, 0
    return n


@uncounted
def _run(
    own: Int64s, row: int, machine: int, broken: bool, t: int, value: int, least_s: int, join_s: int, share_pct: int,
    found: Int64s, n: int,
) -> int:  # fmt: skip
    """One second of a rule that counts once it was broken for least_s, in at least share_pct of the seconds."""
    base = machine * _EACH
    if not broken and own[base + START] != NOTHING and t - own[base + LAST] > join_s:
        n = _emit(own, row, machine, found, n)
    if broken:
        if own[base + START] == NOTHING:
            own[base + START], own[base + WORST] = t, value
        own[base + LAST] = t
        own[base + WORST] = max(own[base + WORST], value)
        own[base + COUNT] += 1
        length = t + 1 - own[base + START]
        if length >= least_s and 100 * own[base + COUNT] >= share_pct * length:
            own[base + OPEN] = 1
    return n


@uncounted
def _nothing(own: Int64s, limit: Int64s, row: int, t: int, found: Int64s, n: int) -> int:
    """A second that did not come."""
    own[NEXT] = t + 1
    if own[LAST_S] == NOTHING:
        return n
    n = _run(own, row, SILENCE, True, t, 0, limit[_SILENCE_S], 0, 0, found, n)
    for machine in range(LOAD, MACHINES):
        join = _CONFLICT_JOIN_S if machine == CONFLICT else 0 if machine == STUCK else _RUN_JOIN_S
        n = _run(own, row, machine, False, t, 0, 0, join, 0, found, n)
    n = _quarter(own, limit, row, t, 0, found, n)
    return _overload(own, limit, row, t, NOTHING, found, n)


@uncounted
def _second(
    own: Int64s, limit: Int64s, row: int, t: int, bits: int, second: Int32s, delay_ms: int, twice: int, marks: Int64s,
    found: Int64s, n: int,
) -> int:  # fmt: skip
    """A second that came: bits says from which probes, `second` is (3, SECOND_FIELDS)."""
    own[NEXT] = t + 1
    if own[SILENCE * _EACH + START] != NOTHING:
        n = _emit(own, row, SILENCE, found, n)
    own[LAST_S] = t
    own[KNOWN] |= bits
    for p in range(PROBES):
        if (own[KNOWN] >> p) & 1:
            base = (MISSING + p) * _EACH
            if (bits >> p) & 1:
                if own[base + START] != NOTHING:
                    n = _emit(own, row, MISSING + p, found, n)
            else:
                if own[base + START] == NOTHING:
                    own[base + START] = t
                own[base + LAST] = t
                own[base + COUNT] += 1
                own[base + WORST] = own[base + COUNT]
                if own[base + COUNT] >= limit[_MISSING_S]:
                    own[base + OPEN] = 1
    n = _power(own, limit, row, t, bits, second, found, n)
    n = _stuck(own, limit, row, t, bits, marks, found, n)
    n = _clock(own, limit, row, t, delay_ms, found, n)
    base = CONFLICT * _EACH
    return _run(own, row, CONFLICT, twice != 0, t, own[base + COUNT] + 1, 1, _CONFLICT_JOIN_S, 0, found, n)


@uncounted
def _power(own: Int64s, limit: Int64s, row: int, t: int, bits: int, second: Int32s, found: Int64s, n: int) -> int:
    """The rules on means of a second."""
    total, active, apparent, volts, most = 0, 0, 0, 0, 0
    for p in range(PROBES):
        if (bits >> p) & 1:
            power = int(second[p, POWER])
            total += power
            active += abs(power)
            apparent += abs(power) * 1000 // max(abs(int(second[p, PF])), 1)
            volts += int(second[p, VOLT])
    whole = bits == (1 << PROBES) - 1
    load = whole and total > limit[_LOAD_FLOOR]
    off = 0
    if whole:
        for p in range(PROBES):
            most = max(most, abs(PROBES * int(second[p, POWER]) - total))
            off = max(off, abs(PROBES * int(second[p, VOLT]) - volts))
    uneven = most * 1000 // total if load else 0
    bound = limit[_LOAD_END] if own[LOAD * _EACH + OPEN] else limit[_LOAD_PM]
    n = _run(own, row, LOAD, load and uneven > bound, t, uneven, limit[_LOAD_S], _RUN_JOIN_S, _RUN_SHARE_PCT, found, n)

    # With a phase below half of the others it is a sag or an outage, and said there.
    steady = whole and 2 * off <= volts
    uneven = off * 1000 // volts if steady and volts > 0 else 0
    bound = limit[_VOLT_END] if own[VOLTAGE * _EACH + OPEN] else limit[_VOLT_PM]
    n = _run(own, row, VOLTAGE, uneven > bound, t, uneven, limit[_VOLT_S], _RUN_JOIN_S, _RUN_SHARE_PCT, found, n)

    drawn = total > limit[_PF_FLOOR] and apparent > 0
    factor = active * 1000 // apparent if drawn else 1000
    bound = limit[_PF_END] if own[LOW_PF * _EACH + OPEN] else limit[_PF_PM]
    n = _run(own, row, LOW_PF, drawn and factor < bound, t, -factor, limit[_PF_S], _RUN_JOIN_S, _RUN_SHARE_PCT, found, n)

    back = limit[_REVERSE_MW] > 0 and total < -limit[_REVERSE_MW]
    n = _run(own, row, REVERSE, back, t, -total, limit[_REVERSE_S], _RUN_JOIN_S, _RUN_SHARE_PCT, found, n)
    n = _quarter(own, limit, row, t, total, found, n)
    n = _overload(own, limit, row, t, total, found, n)
    return _peak(own, limit, row, t, found, n)


@uncounted
def _quarter(own: Int64s, limit: Int64s, row: int, t: int, total: int, found: Int64s, n: int) -> int:
    """Whether a whole quarter-hour is above the contract: known once its energy is more than the contract allows."""
    base = QUARTER * _EACH
    if limit[_CONTRACT] <= 0:
        return n
    if t // QUARTER_S != own[QUARTER_OF]:
        if own[base + START] != NOTHING:
            own[base + LAST] = own[base + START] + QUARTER_S - 1
            n = _emit(own, row, QUARTER, found, n)
        n = _emit(own, row, PEAK, found, n)
        own[QUARTER_OF], own[QUARTER_SUM], own[QUARTER_FILLED] = t // QUARTER_S, 0, 0
    own[QUARTER_SUM] += total
    if own[QUARTER_SUM] > limit[_OVER] * QUARTER_S:
        own[base + OPEN], own[base + START], own[base + LAST] = 1, own[QUARTER_OF] * QUARTER_S, t
    own[base + WORST] = own[QUARTER_SUM] // QUARTER_S
    return n


@uncounted
def _peak(own: Int64s, limit: Int64s, row: int, t: int, found: Int64s, n: int) -> int:
    """Whether the running quarter-hour will be above the contract when the mean of the last 60 s goes on to its end."""
    base = PEAK * _EACH
    if limit[_CONTRACT] <= 0:
        return n
    own[QUARTER_FILLED] += 1
    if own[QUARTER_FILLED] < limit[_PEAK_S] or own[FILLED] < _FULL:
        return n
    left = QUARTER_S - 1 - t % QUARTER_S
    forecast = (own[QUARTER_SUM] + own[SUM] // own[FILLED] * left) // QUARTER_S
    if not own[base + OPEN]:
        if forecast <= limit[_PEAK]:
            return n
        own[base + OPEN], own[base + START], own[base + WORST] = 1, t, forecast
    elif forecast < limit[_PEAK_END]:
        return _emit(own, row, PEAK, found, n)
    own[base + LAST] = t
    own[base + WORST] = max(own[base + WORST], forecast)
    own[base + COUNT] += 1
    return n


@uncounted
def _overload(own: Int64s, limit: Int64s, row: int, t: int, total: int, found: Int64s, n: int) -> int:
    """The mean of 60 s against the contract; total NOTHING: the second did not come.

    It begins where the sum of what is above the contract, less what is below, left zero for the last time.
    """
    at, base = RING + t % MINUTE_S, OVERLOAD * _EACH
    if own[at] != NOTHING:
        own[SUM] -= own[at]
        own[FILLED] -= 1
    own[at] = total
    if total != NOTHING:
        own[SUM] += total
        own[FILLED] += 1
    if limit[_CONTRACT] <= 0:
        return n
    if total != NOTHING:
        if own[ABOVE] == 0 and total > limit[_OVER]:
            own[ABOVE_SINCE] = t
        own[ABOVE] = min(max(own[ABOVE] + total - limit[_OVER], 0), MINUTE_S * limit[_CONTRACT])
    if not own[base + OPEN]:
        if own[FILLED] < _FULL or own[SUM] <= limit[_OVER] * own[FILLED] or own[ABOVE] == 0:
            return n
        own[base + OPEN], own[base + START], own[base + LAST] = 1, own[ABOVE_SINCE], t
        own[base + WORST] = own[SUM] // own[FILLED]
    if own[FILLED] > 0:
        own[base + WORST] = max(own[base + WORST], own[SUM] // own[FILLED])
    if total != NOTHING and total > limit[_OVER]:
        own[base + LAST] = t
    if own[SUM] <= limit[_OVER_END] * own[FILLED]:
        n = _emit(own, row, OVERLOAD, found, n)
        own[ABOVE] = 0
    return n


@uncounted
def _stuck(own: Int64s, limit: Int64s, row: int, t: int, bits: int, marks: Int64s, found: Int64s, n: int) -> int:
    """The same samples as in the second before, of all probes."""
    same = own[DIGESTS_AT] == t - 1
    for p in range(PROBES):
        digest = marks[p] >> 32 if (bits >> p) & 1 else NOTHING
        same = same and own[DIGESTS + p] == digest
        own[DIGESTS + p] = digest
    own[DIGESTS_AT] = t
    base = STUCK * _EACH
    if same and own[base + START] == NOTHING:  # the second before is the first of them
        own[base + START], own[base + LAST], own[base + COUNT], own[base + WORST] = t - 1, t - 1, 1, 1
    return _run(own, row, STUCK, same, t, own[base + COUNT] + 1, limit[_STUCK_S], 0, 0, found, n)


@uncounted
def _clock(own: Int64s, limit: Int64s, row: int, t: int, delay_ms: int, found: Int64s, n: int) -> int:
    """A second's own time against when it was received, away from it by the same all the time."""
    base = CLOCK * _EACH
    away = abs(delay_ms) > limit[_CLOCK_MS]
    if away:
        low, high = min(own[DELAY_LOW], delay_ms), max(own[DELAY_HIGH], delay_ms)
        if own[base + START] != NOTHING and high - low > _DELAY_SPREAD_MS:
            n = _emit(own, row, CLOCK, found, n)
        if own[base + START] == NOTHING:
            low = high = delay_ms
        own[DELAY_LOW], own[DELAY_HIGH] = low, high
    return _run(own, row, CLOCK, away, t, abs(delay_ms), limit[_CLOCK_S], _RUN_JOIN_S, _RUN_SHARE_PCT, found, n)

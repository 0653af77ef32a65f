"""The rules of a Linky: over the frames of its minutes, in the order in which they were sent.

A meter's memory is a value; a step is a function of it and of one minute's frames that came in time. So the same minutes
give the same intervals, whoever takes them in and however often.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from schemas.columns import Bools, Int64s
from schemas.tic_facts import (
    AT,
    BAD,
    BOOT,
    COLUMN,
    COUNTER,
    COVERS,
    DEGRADED,
    DISCARDED,
    OFFSET,
    OVER_POWER,
    REJECTED,
    WH,
    Facts,
)
from schemas.units import MINUTE_S
from streams.core.tic_integrity import Indexes, Mark
from streams.core.tic_judge import contracts_va, successive

SILENCE, OVER_POWER_RULE, INDEX, SLOPE = "silence", "over_power", "index", "index_slope"
SUMS, CLOCK, LINK = "register_sums", "clock_degraded", "link"

QUARTER_S = 900
GAP_S = 10
"""Between frames further apart nothing is known of the power."""
_FRAMES_LEAST = 10
"""Fewer frames in a minute say nothing about the line: it is silence then."""
_JOIN_S = {OVER_POWER_RULE: 10, INDEX: 60, SUMS: 60, CLOCK: 60, LINK: 0, SLOPE: 0}

_APPARENT = [COLUMN[label] for label in ("SINSTS", "PAPP", "SINST1")]
_HISTORIC = [COLUMN[label] for label in WH[WH.index("BASE") : WH.index("EAIT")]]
_EAST = COLUMN["EAST"]


@dataclass(frozen=True, slots=True)
class Span:
    """An interval that is not over: its first and last second, the worst value with the limit it broke, how many."""

    start: int
    last: int
    worst: int
    limit: int
    count: int


@dataclass(frozen=True, slots=True)
class Ended:
    """An interval that is over."""

    rule: str
    span: Span


@dataclass(frozen=True, slots=True)
class Quarter:
    """What is known of the running quarter-hour: its number, energy by index and by apparent power, the seconds of it."""

    number: int = -1
    wh: int = 0
    vas: int = 0
    seconds: int = 0
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a meter.

    Attributes:
        to_s: everything before is judged.
        seen_s: the last second in which a frame was being sent; 0: never.
        version: newest offset taken in.
        boot, counter: of the newest frame.
        spans: by rule.
        last: time, apparent power in VA and drawn energy in Wh of the last frame that told both.
    """

    to_s: int = 0
    seen_s: int = 0
    version: int = -1
    boot: str = ""
    counter: int = -1
    spans: dict[str, Span] = field(default_factory=dict)
    trusted: dict[str, Mark] = field(default_factory=dict)
    suspect: dict[str, Mark] = field(default_factory=dict)
    quarter: Quarter = field(default_factory=Quarter)
    last: tuple[int, int, int] | None = None


Limits = Mapping[str, float]
"""Thresholds by name, see limits.METER_DEFAULTS."""


def judge(memory: Memory, minute_s: int, frames: Facts | None, until_s: int, limits: Limits) -> tuple[Memory, list[Ended]]:
    """Take one more minute in.

    Args:
        frames: its distinct frames that came in time; None: they have no times of their own, and only say that it speaks.
        until_s: what comes from then on is not known yet; the end of the minute when it is closed.

    Returns:
        the new memory, and the intervals that are over.
    """
    memory, ended = pass_time(memory, minute_s, limits)
    work = _Work(memory, limits, ended)
    if frames is None:
        work.heard(minute_s, minute_s + MINUTE_S - 1)
        work.memory = replace(work.memory, last=None)
    elif len(frames.table):
        boots = sorted(frames.boots)
        rank = np.array([boots.index(name) for name in frames.boots], np.int64)
        table = frames.table.copy()
        table[:, BOOT] = rank[table[:, BOOT]]
        work.frames(table[np.lexsort((table[:, COUNTER], table[:, BOOT], table[:, AT]))], boots, minute_s, until_s)
    memory, more = pass_time(work.memory, until_s, limits)
    return memory, work.ended + more


def pass_time(memory: Memory, until_s: int, limits: Limits) -> tuple[Memory, list[Ended]]:
    """Let time pass: nothing more is to come before this."""
    if until_s <= memory.to_s:
        return memory, []
    ended, spans = [], dict(memory.spans)
    quarter = memory.quarter
    if quarter.number >= 0 and until_s // QUARTER_S > quarter.number:
        ended += _slope(spans, quarter, limits)
        quarter = Quarter()
    for rule, span in memory.spans.items():
        if rule != SLOPE and until_s - 1 - span.last > _JOIN_S[rule]:
            ended += _over(spans, rule, limits)
    if SLOPE in spans and until_s - 1 - spans[SLOPE].last > QUARTER_S:  # nothing was known of the one after it
        ended += _over(spans, SLOPE, limits)
    return replace(memory, to_s=until_s, spans=spans, quarter=quarter), ended


def counts(rule: str, span: Span, limits: Limits) -> bool:
    """Whether an interval is long enough to be told."""
    least = {LINK: limits["link_s"], CLOCK: limits["clock_degraded_s"]}.get(rule, 0)
    return span.last + 1 - span.start >= least


def silent_since(memory: Memory, limits: Limits) -> Span | None:
    """The silence that goes on."""
    gap = memory.to_s - memory.seen_s - 1
    limit = round(limits["meter_silence_s"])
    return Span(memory.seen_s + 1, memory.to_s - 1, gap, limit, gap) if memory.seen_s and gap >= limit else None


def _over(spans: dict[str, Span], rule: str, limits: Limits) -> list[Ended]:
    span = spans.pop(rule)
    return [Ended(rule, span)] if counts(rule, span, limits) else []


def _slope(spans: dict[str, Span], quarter: Quarter, limits: Limits) -> list[Ended]:
    """Whether the indexes grew in a quarter-hour by what the apparent power allows."""
    known = quarter.seconds >= limits["slope_measured_s"] and not quarter.broken
    allowed_wh, slack = quarter.vas / 3600, limits["slope_slack_wh"]
    limit = 0
    if known and quarter.wh > allowed_wh * limits["slope_high_pct"] / 100 + slack:
        limit = round(limits["slope_high_pct"] * 10)
    elif known and quarter.wh < allowed_wh * limits["slope_low_pct"] / 100 - slack:
        limit = round(limits["slope_low_pct"] * 10)
    start = quarter.number * QUARTER_S
    span = spans.get(SLOPE)
    ended = _over(spans, SLOPE, limits) if span is not None and (not limit or span.last + 1 != start) else []
    if limit:
        permille = min(quarter.wh * 3_600_000 // max(quarter.vas, 1), 1_000_000)
        _extend(spans, SLOPE, start, start + QUARTER_S - 1, permille, limit, away=abs(permille - 1000))
    return ended


def _extend(spans: dict[str, Span], rule: str, start: int, last: int, worst: int, limit: int, *, away: int) -> None:
    """Let an interval begin or go on; away: how far the value is from what is allowed, to compare by."""
    span = spans.get(rule)
    if span is None:
        spans[rule] = Span(start, last, worst, limit, 1)
        return
    before = abs(span.worst - 1000) if rule == SLOPE else abs(span.worst)
    if away > before:
        span = replace(span, worst=worst, limit=limit)
    spans[rule] = replace(span, last=max(span.last, last), count=span.count + 1)


class _Work:
    """One minute with frames: shape (n, FACTS), in the order in which they were sent."""

    def __init__(self, memory: Memory, limits: Limits, ended: list[Ended]) -> None:
        self.memory, self._limits, self.ended = memory, limits, list(ended)

    def heard(self, first_s: int, last_s: int) -> None:
        """Frames were being sent from the first to the last second: a silence ends."""
        m = self.memory
        gap = first_s - m.seen_s - 1
        limit = round(self._limits["meter_silence_s"])
        if m.seen_s and gap >= limit:
            self.ended.append(Ended(SILENCE, Span(m.seen_s + 1, first_s - 1, gap, limit, gap)))
        self.memory = replace(m, seen_s=max(m.seen_s, last_s))

    def frames(self, table: Int64s, boots: list[str], minute_s: int, until_s: int) -> None:
        """All rules."""
        at = table[:, AT]
        end = at + table[:, COVERS] - 1
        apart = np.flatnonzero(at[1:] - np.maximum.accumulate(end)[:-1] > 1) + 1
        for few in np.split(np.arange(len(at)), apart):
            self.heard(int(at[few[0]]), int(end[few].max()))
        m = self.memory
        known, broken = successive(Indexes(m.trusted, m.suspect), table)
        spans = dict(m.spans)
        good = np.ones(len(table), np.bool_)
        good[list(broken)] = False
        slipped = False
        for row, rules in sorted(broken.items()):
            for one in rules:
                if one.rule in ("index_back", "index_slope"):
                    slipped = True
                    self._moment(spans, INDEX, int(at[row]), one.amount_wh, one.limit_wh)
                elif one.rule == "sum_easf":
                    self._moment(spans, SUMS, int(at[row]), one.amount_wh, one.limit_wh)
        apparent = _first_of(table, _APPARENT)
        self._over_power(spans, table, apparent, good)
        for second in at[table[:, DEGRADED] == 1].tolist():
            span = self._open(spans, CLOCK, second)
            self._moment(spans, CLOCK, second, second + 1 - (span.start if span else second), 0)
        lost = self._lost(table, boots)
        if until_s >= minute_s + MINUTE_S:
            self._link(spans, table, lost, minute_s)
        quarter, last = self._energy(table[good], apparent[good], minute_s // QUARTER_S, slipped=slipped)
        self.memory = replace(
            self.memory,
            version=max(m.version, int(table[:, OFFSET].max())),
            boot=boots[int(table[-1, BOOT])],
            counter=int(table[-1, COUNTER]),
            spans=spans,
            trusted=dict(known.trusted),
            suspect=dict(known.suspect),
            quarter=quarter,
            last=last,
        )

    def _open(self, spans: dict[str, Span], rule: str, second: int) -> Span | None:
        """The interval that this second goes on with; one before it that it does not join is ended."""
        span = spans.get(rule)
        if span is not None and second - span.last > _JOIN_S[rule] + 1:
            self.ended += _over(spans, rule, self._limits)
            return None
        return span

    def _moment(self, spans: dict[str, Span], rule: str, second: int, value: int, limit: int) -> None:
        self._open(spans, rule, second)
        _extend(spans, rule, second, second, value, limit, away=abs(value))

    def _over_power(self, spans: dict[str, Span], table: Int64s, apparent: Int64s, good: Bools) -> None:
        over = np.flatnonzero(good & (table[:, OVER_POWER] == 1))
        if len(over):
            contract = contracts_va(table[over])
            for row, limit in zip(over.tolist(), contract.tolist(), strict=True):
                self._moment(spans, OVER_POWER_RULE, int(table[row, AT]), max(int(apparent[row]), 0), max(limit, 0))

    def _lost(self, table: Int64s, boots: list[str]) -> int:
        """Numbers that the reader gave and that are not there, after the newest frame before."""
        lost = 0
        for code in np.unique(table[:, BOOT]).tolist():
            counters = np.sort(table[table[:, BOOT] == code, COUNTER])
            if boots[code] == self.memory.boot:
                counters = np.concatenate(([min(self.memory.counter, int(counters[0]))], counters))
            lost += int(np.maximum(np.diff(counters) - 1, 0).sum())
        return lost

    def _link(self, spans: dict[str, Span], table: Int64s, lost: int, minute_s: int) -> None:
        gone = lost + int(table[:, DISCARDED].sum())
        hit = gone + int(((table[:, REJECTED] > 0) | (table[:, BAD] > 0)).sum())
        sent = len(table) + gone
        permille, limit = hit * 1000 // sent, round(self._limits["link_pct"] * 10)
        if sent >= _FRAMES_LEAST and permille > limit:
            if LINK in spans and spans[LINK].last + 1 != minute_s:
                self.ended += _over(spans, LINK, self._limits)
            _extend(spans, LINK, minute_s, minute_s + MINUTE_S - 1, permille, limit, away=permille)

    def _energy(
        self, good: Int64s, apparent: Int64s, number: int, *, slipped: bool
    ) -> tuple[Quarter, tuple[int, int, int] | None]:
        """Energy by index and by power, from each frame that tells both to the next one."""
        m = self.memory
        quarter = m.quarter if m.quarter.number == number else Quarter(number)
        parts = np.where(good[:, _HISTORIC] >= 0, good[:, _HISTORIC], 0).sum(axis=1)
        told = (good[:, _HISTORIC] >= 0).any(axis=1)
        drawn = np.where(good[:, _EAST] >= 0, good[:, _EAST], np.where(told, parts, -1))
        both = (apparent >= 0) & (drawn >= 0)
        at, va, wh = good[both, AT], apparent[both], drawn[both]
        if m.last is not None:
            at, va, wh = (np.concatenate(([first], rest)) for first, rest in zip(m.last, (at, va, wh), strict=True))
        if not len(at):
            return replace(quarter, broken=quarter.broken or slipped), m.last
        apart, grown = np.diff(at), np.diff(wh)
        near = apart <= GAP_S
        quarter = replace(
            quarter,
            wh=quarter.wh + int(grown[near].sum()),
            vas=quarter.vas + int((va[:-1] * apart)[near].sum()),
            seconds=quarter.seconds + int(apart[near].sum()),
            broken=quarter.broken or slipped,
        )
        return quarter, (int(at[-1]), int(va[-1]), int(wh[-1]))


def _first_of(table: Int64s, columns: list[int]) -> Int64s:
    """Of every frame the first of these labels that it has; -1: none."""
    found = np.full(len(table), -1)
    for column in columns:
        found = np.where(found >= 0, found, table[:, column])
    return found

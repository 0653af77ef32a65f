"""The rules over one partition of Linkys' frames: for good where minutes are closed, for the time being where they are open.

As `judge` does for sensors: what is final is a function of the frames that came in time, in the order of their own time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from schemas.anomaly import CLOSED, LINKY, OPEN, WITHDRAWN, Anomaly, anomaly_id
from schemas.anomaly_state import AnomalyState
from schemas.columns import Int64s
from schemas.tic_facts import AT, Facts
from schemas.units import MINUTE_S
from streams.core.anomaly.judge import GRACE_S, Rulings
from streams.core.anomaly.meter_rules import SILENCE, Ended, Limits, Memory, Span, counts, judge, pass_time, silent_since
from streams.core.anomaly.sensors import Defaults, LimitsOf
from streams.core.anomaly.telling import Now, news
from streams.core.anomaly.verdict import METER_RULES

LAYOUT = 1
"""Changes with what a memory means; those of sensors are above 1000. Another one is not read: the rules begin anew."""

SECOND_US = 1_000_000

Place = tuple[str, int]
"""Meter and minute number."""


@dataclass(frozen=True, slots=True)
class Frames:
    """A minute's frames that came in time; None: they have no times of their own."""

    facts: Facts | None

    @property
    def count(self) -> int:
        return -1 if self.facts is None else len(self.facts.table)


@dataclass(frozen=True, slots=True)
class Kept:
    """A meter's memory, and what was published and may still change, or ended for good in the publication that follows."""

    memory: Memory
    told: list[Anomaly]


@dataclass(frozen=True, slots=True)
class _Link:
    """An open minute as it was judged last: how many frames, up to when, and what came of it."""

    minute: int
    count: int
    until_s: int
    memory: Memory
    ended: list[Ended]


@dataclass(slots=True)
class _Meter:
    """What is held of one meter; times of arrival by the log's clock."""

    memory: Memory = field(default_factory=Memory)
    arrived_ms: int = 0
    chain: list[_Link] = field(default_factory=list)
    told: Now = field(default_factory=dict)
    ended: Now = field(default_factory=dict)

    @property
    def now(self) -> Memory:
        return self.chain[-1].memory if self.chain else self.memory


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Kept)


class Meters:
    """The rules' state of one partition of `tic.frames`.

    Args:
        partition: its number.
        limits_of: the thresholds; a change counts from the next minute that is closed.
    """

    def __init__(self, partition: int = 0, limits_of: LimitsOf | None = None) -> None:
        self._partition, self._limits_of = partition, limits_of or Defaults()
        self._meters: dict[str, _Meter] = {}
        self._touched: set[str] = set()
        self._again: list[Anomaly] = []
        self._settled_at = 0
        self._version: int | None = None
        self._limits: dict[str, Limits] = {}

    def restore(self, states: Iterable[AnomalyState], decided: int) -> None:
        """Begin where an earlier owner of the partition stood; as `Judge.restore`."""
        self._settled_at = decided
        for state in states:
            if state.layout != LAYOUT:
                continue
            kept = _DECODER.decode(state.state)
            one = self._meters[state.sensor_id] = _Meter(kept.memory, (kept.memory.seen_s + 1) * 1000)
            self._settled_at = max(self._settled_at, state.next_offset)
            self._again += kept.told  # it may have been lost on its way
            one.told = {a.id: a for a in kept.told if not (a.state == CLOSED and a.final) and a.state != WITHDRAWN}

    def see(self, names: list[str], meter: Int64s, appended_ms: Int64s) -> None:
        """Note when frames arrived; shape (n,) each, in the order of the log."""
        for code in np.unique(meter).tolist():
            one = self._of(names[code])
            one.arrived_ms = max(one.arrived_ms, int(appended_ms[meter == code].max()))

    def close(self, minutes: Mapping[Place, Frames], before: int) -> None:
        """Judge minutes for good, all of them below this number."""
        self._refresh()
        until_s = before * MINUTE_S
        for (name, minute), frames in sorted(minutes.items(), key=lambda item: item[0]):
            one, minute_s = self._of(name), minute * MINUTE_S
            if minute_s < one.memory.to_s:  # an earlier owner did
                continue
            one.memory, ended = judge(one.memory, minute_s, frames.facts, minute_s + MINUTE_S, self._limits_for(name))
            self._end(name, one, ended)
            self._touched.add(name)
        for name, one in self._meters.items():
            if one.memory.to_s < until_s:
                silent = silent_since(one.memory, self._limits_for(name))
                before_it = one.memory
                one.memory, ended = pass_time(one.memory, until_s, self._limits_for(name))
                self._end(name, one, ended)
                fell_silent = silent is None and silent_since(one.memory, self._limits_for(name)) is not None
                if ended or fell_silent or before_it.spans != one.memory.spans or before_it.quarter != one.memory.quarter:
                    self._touched.add(name)

    def look(self, minutes: Mapping[Place, Frames], live_ms: int, next_offset: int) -> Rulings:
        """Judge what is open as it is now, and say what is to be published.

        Args:
            minutes: all open ones.
            live_ms: the log's time now.
            next_offset: of the fold.
        """
        self._chain(minutes)
        anomalies, told = self._again, {one.source for one in self._again}
        open_: dict[str, int] = {}
        for name, one in self._meters.items():
            view = self._view(name, one, live_ms)
            for anomaly in view.values():
                if anomaly.state == OPEN:
                    open_[anomaly.rule] = open_.get(anomaly.rule, 0) + 1
            settled = next_offset >= self._settled_at
            sent, one.told, gone = news(one.told, one.ended, view, changed=name in self._touched, settled=settled)
            one.ended |= {anomaly.id: anomaly for anomaly in gone}
            if sent:
                anomalies = anomalies + sent
                told.add(name)
        states = [self._state(name, next_offset) for name in sorted(self._touched | told)]
        for name in told:
            self._meters[name].ended = {}
        self._again = []
        self._touched.clear()
        return Rulings(states, anomalies, open_)

    def _of(self, name: str) -> _Meter:
        return self._meters.setdefault(name, _Meter())

    def _refresh(self) -> None:
        if self._limits_of.version != self._version:
            self._version = self._limits_of.version
            self._limits.clear()

    def _limits_for(self, name: str) -> Limits:
        if name not in self._limits:
            self._limits[name] = self._limits_of.of(name).meter_values()
        return self._limits[name]

    def _end(self, name: str, one: _Meter, ended: list[Ended]) -> None:
        found = [self._anomaly(name, e.rule, e.span, one.memory.version, closed=True, final=True) for e in ended]
        one.ended |= {anomaly.id: anomaly for anomaly in found}

    def _chain(self, minutes: Mapping[Place, Frames]) -> None:
        """Judge open minutes anew from the first one that is not as it was."""
        by_meter: dict[str, list[int]] = {}
        for name, minute in sorted(minutes):
            by_meter.setdefault(name, []).append(minute)
        for name, one in self._meters.items():
            wanted = [m for m in by_meter.get(name, []) if m * MINUTE_S >= one.memory.to_s]
            chain: list[_Link] = []
            memory = one.memory
            same = bool(wanted) and bool(one.chain) and one.chain[0].minute == wanted[0] and name not in self._touched
            for k, minute in enumerate(wanted):
                frames = minutes[name, minute]
                end_s = (minute + 1) * MINUTE_S
                until_s = end_s if k + 1 < len(wanted) or frames.facts is None else int(frames.facts.table[:, AT].max()) + 1
                known = one.chain[k] if same and k < len(one.chain) else None
                same = known is not None and (known.minute, known.count, known.until_s) == (minute, frames.count, until_s)
                if same and known is not None:
                    chain.append(known)
                else:
                    after, ended = judge(memory, minute * MINUTE_S, frames.facts, until_s, self._limits_for(name))
                    chain.append(_Link(minute, frames.count, until_s, after, ended))
                memory = chain[-1].memory
            one.chain = chain

    def _view(self, name: str, one: _Meter, live_ms: int) -> Now:
        """All intervals that the provisional judgement holds."""
        limits, now = self._limits_for(name), one.now
        found = [
            self._anomaly(name, ended.rule, ended.span, link.memory.version, closed=True, final=False)
            for link in one.chain
            for ended in link.ended
        ]
        opens = [(rule, span) for rule, span in now.spans.items() if counts(rule, span, limits)]
        silent = silent_since(now, limits)
        limit = round(limits["meter_silence_s"])
        if silent is None and now.seen_s and live_ms - one.arrived_ms >= (limit + GRACE_S) * 1000:
            silent = Span(now.seen_s + 1, now.seen_s + limit, limit, limit, limit)
        if silent is not None:
            opens.append((SILENCE, silent))
        sure = {rule: span.start for rule, span in one.memory.spans.items() if counts(rule, span, limits)}
        known = silent_since(one.memory, limits)
        sure |= {SILENCE: known.start} if known is not None else {}
        found += [
            self._anomaly(name, rule, span, now.version, closed=False, final=sure.get(rule) == span.start) for rule, span in opens
        ]
        return {anomaly.id: anomaly for anomaly in found if anomaly.id not in one.ended}

    def _anomaly(self, name: str, rule: str, span: Span, version: int, *, closed: bool, final: bool) -> Anomaly:
        spec = METER_RULES[rule]
        start, last, worst = span.start, span.last, span.worst
        if rule == SILENCE and not closed:  # it says nothing new while it lasts
            last = start + span.limit - 1
            worst = span.limit
        return Anomaly(
            id=anomaly_id(rule, LINKY, name, 0, start * SECOND_US),
            rule=rule,
            kind=LINKY,
            source=name,
            phase=0,
            start_us=start * SECOND_US,
            end_us=(last + 1) * SECOND_US if closed else None,
            last_us=(last + 1) * SECOND_US,
            state=CLOSED if closed else OPEN,
            final=final,
            severity=spec.severity,
            unit=spec.unit,
            worst=worst,
            limit=span.limit,
            details={spec.counted: span.count} if spec.counted else {},
            log_partition=self._partition,
            version=max(version, 0),
        )

    def _state(self, name: str, next_offset: int) -> AnomalyState:
        one = self._meters[name]
        told = {a.id: a for a in self._again if a.source == name} | one.told | one.ended
        state = _ENCODER.encode(Kept(one.memory, list(told.values())))
        return AnomalyState(name, self._partition, next_offset, one.memory.to_s, LAYOUT, state)

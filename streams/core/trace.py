"""Where one second of one sensor went: a verdict on what the log, the raw table and the minutes hold of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from schemas.units import MINUTE_S


@dataclass(frozen=True, slots=True)
class Copy:
    """One message of the log that holds this second.

    Attributes:
        appended_ms: the log's time.
        probes: samples by probe id, in whatever form compares.
        refused: why the fold does not take it; empty when it does.
    """

    partition: int
    offset: int
    appended_ms: int
    probes: dict[int, Any]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter of this sensor."""

    partition: int
    offset: int
    reason: str
    stage: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class RawRow:
    """One probe of this second in the raw table."""

    probe: int
    partition: int
    offset: int
    received_at: str


@dataclass(frozen=True, slots=True)
class MinuteRow:
    """One probe of the minute in the table of minutes.

    Attributes:
        counted: whether it counts this second.
        seconds: how many it counts.
    """

    probe: int
    version: int
    counted: bool
    seconds: int
    energy_mws: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found.

    Attributes:
        copies: in log order.
        searched: in words, where copies were looked for.
        worker_next, sink_next: by partition of sensor.readings, the offset below which each is done.
        late_waiting, minutes_waiting: messages of power.late and power.minutes that nobody has taken yet.
    """

    sensor_id: str
    timestamp_s: int
    lateness_s: int
    copies: Sequence[Copy]
    letters: Sequence[Letter]
    raw: Sequence[RawRow]
    minutes: Sequence[MinuteRow]
    searched: str
    worker_next: dict[int, int] = field(default_factory=dict)
    sink_next: dict[int, int] = field(default_factory=dict)
    late_waiting: int = 0
    minutes_waiting: int = 0

    @property
    def minute_s(self) -> int:
        return self.timestamp_s // MINUTE_S * MINUTE_S


@dataclass(frozen=True, slots=True)
class Judged:
    """One copy, judged.

    Attributes:
        counted: probes of which it is the first copy.
        copied: probes that an earlier copy had brought.
        conflicting: those of them with other values.
        late: whether its minute was closed when it came, so that the rebuilder counts it.
    """

    copy: Copy
    counted: list[int]
    copied: list[int]
    conflicting: list[int]
    late: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the second is.

    Attributes:
        state: counted, worker_behind, rebuild_waits, minutes_behind, sink_behind, not_in_raw, not_in_minute,
            dead_letter or not_in_log.
        why: in a sentence.
    """

    state: str
    why: str
    copies: list[Judged]

    def as_json(self, facts: Facts) -> dict[str, Any]:
        """Verdict and facts as a JSON document."""
        return {
            "sensor_id": facts.sensor_id,
            "timestamp": facts.timestamp_s,
            "minute": facts.minute_s,
            "state": self.state,
            "why": self.why,
            "searched": facts.searched,
            "copies": [
                {
                    "partition": one.copy.partition,
                    "offset": one.copy.offset,
                    "appended_ms": one.copy.appended_ms,
                    "probes": sorted(one.copy.probes),
                    "counted": one.counted,
                    "conflicting": one.conflicting,
                    "late": one.late,
                    "refused": one.copy.refused or None,
                }
                for one in self.copies
            ],
            "dead_letters": [asdict(letter) for letter in facts.letters],
            "raw": [asdict(row) for row in facts.raw],
            "minutes": [asdict(row) for row in facts.minutes],
        }


def judge(facts: Facts) -> Verdict:
    """Say where the second is, and if it did not get all the way, where it stopped and why."""
    copies = _copies(facts)
    taken = [one for one in copies if one.counted]
    if not taken:
        return _without(facts, copies)
    state, why = _stopped(facts, taken)
    return Verdict(state, why, copies)


def _copies(facts: Facts) -> list[Judged]:
    seen: dict[int, Any] = {}
    out = []
    for copy in facts.copies:
        fresh = [] if copy.refused else sorted(p for p in copy.probes if p not in seen)
        copied = [] if copy.refused else sorted(p for p in copy.probes if p in seen)
        conflicting = [p for p in copied if copy.probes[p] != seen[p]]
        late = (facts.minute_s + MINUTE_S + facts.lateness_s) * 1000 <= copy.appended_ms
        seen |= {p: copy.probes[p] for p in fresh}
        out.append(Judged(copy, fresh, copied, conflicting, late))
    return out


def _without(facts: Facts, copies: list[Judged]) -> Verdict:
    """No copy that counts was found."""
    if facts.raw:
        counted = all(row.counted for row in facts.minutes) and bool(facts.minutes)
        where = f"raw has it from offset {facts.raw[0].offset} of partition {facts.raw[0].partition}; the log no longer holds it"
        return Verdict("counted" if counted else "not_in_minute", where, copies)
    if facts.letters:
        letter = facts.letters[-1]
        place = f"partition {letter.partition} offset {letter.offset}"
        return Verdict("dead_letter", f"what came ({place}) is a dead letter of the {letter.stage}: {letter.reason}", copies)
    if copies:
        return Verdict("refused", f"what came is no reading that counts: {copies[0].copy.refused}", copies)
    why = "the sensor did not send it, or got no 202 for it and has not sent it again"
    return Verdict("not_in_log", f"it is not in the log ({facts.searched}): {why}", copies)


def _stopped(facts: Facts, taken: list[Judged]) -> tuple[str, str]:
    """The state of a second that is in the log, and why."""
    probes, last = {p for one in taken for p in one.counted}, taken[-1]
    lacking = sorted(probes - {row.probe for row in facts.raw})
    if lacking:
        behind = last.copy.offset + 1 - facts.sink_next.get(last.copy.partition, 0)
        if behind > 0:
            return "sink_behind", f"in the log, not in the raw table yet: the sink is {behind:,} messages before it"
        return "not_in_raw", f"the sink is past it, but raw does not hold probes {lacking}: kept no longer, or removed"
    if all(any(row.probe == p and row.counted for row in facts.minutes) for p in probes):
        return "counted", "counted; late, so its minute was rebuilt" if last.late else "counted in time"
    return _before_minute(facts, last)


def _before_minute(facts: Facts, last: Judged) -> tuple[str, str]:
    behind = last.copy.offset + 1 - facts.worker_next.get(last.copy.partition, 0)
    if behind > 0:
        return "worker_behind", f"in the raw table, not in its minute yet: the worker is {behind:,} messages before it"
    if last.late and facts.late_waiting:
        return (
            "rebuild_waits",
            f"late, and its minute waits for the rebuilder: {facts.late_waiting:,} messages of power.late to do",
        )
    if facts.minutes_waiting:
        return (
            "minutes_behind",
            f"folded, not in ClickHouse yet: the sink has {facts.minutes_waiting:,} messages of power.minutes to do",
        )
    return (
        "not_in_minute",
        "raw holds it and everybody is past it, but its minute does not count it; replay this minute and compare",
    )

"""The rules once more, over stored readings: for minutes that came late, and for rules that changed.

What the worker found stands until the minutes it was judged from get more seconds. Then the stretch around them is judged
from what raw holds now, by the same code, and the differences are told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from schemas.anomaly import CLOSED, OPEN, WITHDRAWN, Anomaly
from schemas.sensor_reading import ReadingBatch
from schemas.units import MINUTE_S
from streams.core.anomaly.judge import Judge
from streams.core.anomaly.seconds import CONFLICT as _CONFLICT
from streams.core.anomaly.sensors import LimitsOf
from streams.core.anomaly.verdict import HABIT, RULES
from streams.core.window import Partition

QUARTER_S = 900
WARM_S = 600
"""The rules look back up to 5 minutes: what begins sooner after the first second is not trusted."""

SECOND_US = 1_000_000

NOT_AGAIN = (RULES[_CONFLICT].name, HABIT)
"""What raw does not hold: copies with other values; and habits, which are learned from minutes as they were closed."""

_COMPARED = ("end_us", "worst", "limit", "severity", "ieee1159", "en50160", "state", "details")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Seconds [begin_s, end_s) of one sensor to judge again; what is found in [trusted_s, end_s) holds."""

    sensor: str
    begin_s: int
    end_s: int

    @property
    def trusted_s(self) -> int:
        return self.begin_s + WARM_S

    def holds(self, one: Anomaly) -> bool:
        """Whether an interval lies in what is trusted."""
        return self.trusted_s * SECOND_US <= one.start_us and one.end_us is not None and one.end_us < self.end_s * SECOND_US

    def touches(self, one: Anomaly) -> bool:
        """Whether an interval, or what would join it, is partly in it."""
        until_us = one.last_us if one.end_us is None else one.end_us
        return self.begin_s * SECOND_US <= until_us and one.start_us < self.end_s * SECOND_US


def stretches(minutes: Iterable[tuple[str, int]], edge_s: int) -> list[Stretch]:
    """What to judge again for some late minutes: whole quarter-hours around them.

    Args:
        minutes: sensor id, and the UTC second at which the minute starts.
        edge_s: UTC seconds; the worker has not closed what comes after it.
    """
    found: list[Stretch] = []
    for sensor, minute_s in sorted(set(minutes)):
        begin_s = minute_s // QUARTER_S * QUARTER_S - QUARTER_S
        end_s = min(-(-(minute_s + MINUTE_S) // QUARTER_S) * QUARTER_S + QUARTER_S, edge_s)
        if end_s <= begin_s:
            continue
        if found and found[-1].sensor == sensor and found[-1].end_s >= begin_s:
            found[-1] = replace(found[-1], end_s=max(end_s, found[-1].end_s))
        else:
            found.append(Stretch(sensor, begin_s, end_s))
    return found


def widened(stretch: Stretch, known: Iterable[Anomaly], edge_s: int) -> Stretch:
    """The stretch with all of the intervals that are partly in it, as far as they are over."""
    begin_s, end_s = stretch.begin_s, stretch.end_s
    for one in known:
        if stretch.touches(one) and one.end_us is not None:
            first_s, last_s = one.start_us // SECOND_US, -(-one.end_us // SECOND_US)
            if first_s < stretch.trusted_s:
                begin_s = min(begin_s, first_s // QUARTER_S * QUARTER_S - QUARTER_S)
            if last_s >= stretch.end_s:
                end_s = max(end_s, min(-(-last_s // QUARTER_S) * QUARTER_S + QUARTER_S, edge_s))
    return replace(stretch, begin_s=begin_s, end_s=end_s)


class Judging:
    """The rules over readings that are given in the order of their own time.

    Args:
        limits_of: the thresholds.
        partition, version: of sensor.readings, and the newest offset in it, noted with what is found.
    """

    def __init__(self, limits_of: LimitsOf, partition: int, version: int) -> None:
        self._fold, self._names, self._version = Partition(lateness_ms=0), list[str](), version
        self._fold.judged_by(Judge(partition, limits_of))
        self._found: dict[str, Anomaly] = {}

    def take(self, batch: ReadingBatch) -> None:
        """First copies; appended_ms is their own time."""
        self._names = batch.names
        self._fold.fold(batch)
        self._look()

    def found(self, end_s: int) -> list[Anomaly]:
        """What they found; nothing is known of what comes after end_s (UTC seconds)."""
        self._fold.watermark_ms = max(self._fold.watermark_ms, end_s * 1000)
        self._look()
        return [replace(one, version=self._version) for one in self._found.values() if one.state != WITHDRAWN]

    def _look(self) -> None:
        self._found |= {one.id: one for one in self._fold.checkpoint(self._names).rulings.anomalies}


def corrections(stretch: Stretch, known: Sequence[Anomaly], found: Iterable[Anomaly]) -> list[Anomaly]:
    """What is to be told so that what was told becomes what was found.

    What is still the worker's is left alone: intervals that are open, or not final yet. So are copies with other values,
    which raw does not hold.

    Args:
        known: everything told of the sensor that touches the stretch, withdrawn or not.
        found: in the stretch.
    """
    theirs = [one for one in known if one.state == OPEN or not one.final]
    held = {one.id: one for one in known if one.final and one.state != OPEN}
    now = {
        one.id: replace(one, final=True)
        for one in found
        if one.rule not in NOT_AGAIN
        and one.state == CLOSED
        and stretch.holds(one)
        and not any(_meet(one, other) for other in theirs)
    }
    told = [one for one in now.values() if one.id not in held or _differ(held[one.id], one)]
    gone = [
        replace(one, state=WITHDRAWN)
        for one in held.values()
        if one.state == CLOSED and one.rule not in NOT_AGAIN and one.id not in now and stretch.holds(one)
    ]
    return [*gone, *told]


@dataclass(frozen=True, slots=True)
class Differences:
    """What other thresholds would find otherwise, by start.

    Attributes:
        same: how many are found by both, alike.
        changed: pairs of before and after.
        new, gone: found only after, only before.
    """

    same: int
    changed: list[tuple[Anomaly, Anomaly]]
    new: list[Anomaly]
    gone: list[Anomaly]


def differences(before: Iterable[Anomaly], after: Iterable[Anomaly]) -> Differences:
    """Compare two judgements of the same seconds."""
    one, other = ({a.id: a for a in sorted(found, key=lambda a: (a.start_us, a.id))} for found in (before, after))
    changed = [(a, other[key]) for key, a in one.items() if key in other and _differ(a, other[key])]
    return Differences(
        same=len(one.keys() & other.keys()) - len(changed),
        changed=changed,
        new=[a for key, a in other.items() if key not in one],
        gone=[a for key, a in one.items() if key not in other],
    )


def _differ(one: Anomaly, other: Anomaly) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in _COMPARED)


def _meet(one: Anomaly, other: Anomaly) -> bool:
    """Whether two intervals are of the same rule and phase, and have a moment in common."""
    if (one.rule, one.source, one.phase) != (other.rule, other.source, other.phase):
        return False
    ends = [float("inf") if a.end_us is None else a.end_us for a in (one, other)]
    return one.start_us <= ends[1] and other.start_us <= ends[0]

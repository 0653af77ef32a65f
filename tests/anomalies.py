"""Folds a log of readings with the rules on, with cuts and crashes, and keeps what is told as a keyed topic would."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas import topics, wire
from schemas.anomaly import CLOSED, OPEN, Anomaly
from schemas.anomaly_state import AnomalyState
from schemas.reading_decoder import ReadingDecoder
from streams.core.anomaly.judge import Judge, Rulings
from streams.core.anomaly.limits import Limits
from streams.core.window import Partition, Position
from tests.folding import LATENESS_S, Log, batch_of


@dataclass(frozen=True)
class Same:
    """The same limits for everybody."""

    limits: Limits
    version: int = 0

    def of(self, _: str) -> Limits:
        return self.limits


@dataclass
class Told:
    """What is in the two compacted topics, and everything that was ever told."""

    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    states: dict[str, AnomalyState] = field(default_factory=dict)
    habits: dict[str, AnomalyState] = field(default_factory=dict)
    every: list[Anomaly] = field(default_factory=list)

    def tell(self, anomalies: list[Anomaly]) -> None:
        self.every += anomalies
        self.anomalies |= {one.id: one for one in anomalies}

    def final(self) -> set[tuple[object, ...]]:
        """What is over for good."""
        return {_content(a) for a in self.anomalies.values() if a.state == CLOSED and a.final}

    def left(self) -> set[tuple[object, ...]]:
        """What goes on, or may still change."""
        return {(a.rule, a.source, a.phase, a.start_us) for a in self.anomalies.values() if a.state == OPEN}


class Life(NamedTuple):
    """One process.

    Attributes:
        fold: takes in the log between two offsets; what a checkpoint then brings.
        next_offset: where it goes on.
    """

    fold: Callable[[int, int], tuple[Rulings, Position]]
    next_offset: int


def _content(a: Anomaly) -> tuple[object, ...]:
    numbers = tuple(sorted(a.details.items()))
    return a.rule, a.source, a.phase, a.start_us, a.end_us, a.worst, a.severity, a.ieee1159, a.en50160, numbers


def live_through(
    size: int, cuts: list[int], crashes: dict[int, int] | None, begin: Callable[[Told, Position | None], Life]
) -> Told:
    """Fold a log of some size with a checkpoint at each cut and at its end.

    Args:
        crashes: by number of the checkpoint: how many of its three steps (states, anomalies, commit) are done before the end
            of the process.
        begin: a process that goes on from what was told and committed.
    """
    told, committed, at, step = Told(), None, 0, 0
    crashes = dict(crashes or {})
    life = begin(told, committed)
    edges = sorted({0, size, *(c for c in cuts if c <= size)})
    while at < size:
        stop = next(e for e in edges if e > at)
        rulings, position = life.fold(at, stop)
        at, step = stop, step + 1
        done = crashes.pop(step, 3)
        if done >= 1:
            told.habits |= {one.sensor_id: one for one in rulings.habits}
            told.states |= {one.sensor_id: one for one in rulings.states}
        if done >= 2:
            told.tell(rulings.anomalies)
        if done >= 3:
            committed = position
        else:
            life = begin(told, committed)
            at = life.next_offset
    return told


def run(
    log: Log, cuts: list[int], limits: Limits | None = None, crashes: dict[int, int] | None = None, lateness_s: int = LATENESS_S
) -> Told:
    """Fold a log of readings; see `live_through`."""

    def begin(told: Told, committed: Position | None) -> Life:
        state = Partition.restore(committed, lateness_s * 1000)
        rules = Judge(0, Same(limits or Limits()))
        rules.restore(told.states.values(), state.decided, told.habits.values())
        state.judged_by(rules)
        decoder = ReadingDecoder(lambda i: wire.raw_schema(topics.READINGS))

        def fold(at: int, stop: int) -> tuple[Rulings, Position]:
            state.fold(batch_of(decoder, log, at, stop))
            checkpoint = state.checkpoint(decoder.names.names)
            return checkpoint.rulings, checkpoint.position

        return Life(fold, state.next_offset)

    return live_through(len(log), cuts, crashes, begin)

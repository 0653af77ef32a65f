"""Folds a log of readings with the rules on, with cuts and crashes, and keeps what is told as a keyed topic would."""

from dataclasses import dataclass, field

from schemas import topics, wire
from schemas.anomaly import CLOSED, OPEN, Anomaly
from schemas.anomaly_state import AnomalyState
from schemas.reading_decoder import ReadingDecoder
from streams.core.anomaly.judge import Judge
from streams.core.anomaly.limits import Limits
from streams.core.window import Partition
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


def _content(a: Anomaly) -> tuple[object, ...]:
    numbers = tuple(sorted(a.details.items()))
    return a.rule, a.source, a.phase, a.start_us, a.end_us, a.worst, a.severity, a.ieee1159, a.en50160, numbers


def run(
    log: Log, cuts: list[int], limits: Limits | None = None, crashes: dict[int, int] | None = None, lateness_s: int = LATENESS_S
) -> Told:
    """Fold a log with a checkpoint at each cut and at its end.

    Args:
        crashes: by number of the checkpoint: how many of its three steps (states, anomalies, commit) are done before the end
            of the process.
    """
    told, committed, at, step = Told(), None, 0, 0
    crashes = dict(crashes or {})

    def start() -> tuple[Partition, ReadingDecoder]:
        state = Partition.restore(committed, lateness_s * 1000)
        rules = Judge(0, Same(limits or Limits()))
        rules.restore(told.states.values(), state.decided, told.habits.values())
        state.judged_by(rules)
        return state, ReadingDecoder(lambda i: wire.raw_schema(topics.READINGS))

    state, decoder = start()
    edges = sorted({0, len(log), *(c for c in cuts if c <= len(log))})
    while at < len(log):
        stop = next(e for e in edges if e > at)
        state.fold(batch_of(decoder, log, at, stop))
        at, step = stop, step + 1
        checkpoint = state.checkpoint(decoder.names.names)
        done = crashes.pop(step, 3)
        if done >= 1:
            told.habits |= {one.sensor_id: one for one in checkpoint.rulings.habits}
            told.states |= {one.sensor_id: one for one in checkpoint.rulings.states}
        if done >= 2:
            told.tell(checkpoint.rulings.anomalies)
        if done >= 3:
            committed = checkpoint.position
        else:
            state, decoder = start()
            at = state.next_offset
    return told

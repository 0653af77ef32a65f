"""How far a replay is, by what its groups have committed: the same answer whichever process asks."""

from dataclasses import asdict, dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.settings import Settings
from sinks import broker
from streams.core.replay_plan import Plan
from streams.core.window import Position

_ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Messages.

    Attributes:
        readings, folded: of the log, to do and done.
        raw_done: whether everything that must come from raw has been reported as late.
        late, rebuilt: late minutes, reported and done.
        minutes, stored: minutes, published and in the table.
        complete: whether nothing more will come, and all of it is in the table.
    """

    readings: int
    folded: int
    raw_done: bool
    late: int
    rebuilt: int
    minutes: int
    stored: int

    @property
    def complete(self) -> bool:
        return self.raw_done and self.folded >= self.readings and self.rebuilt >= self.late and self.stored >= self.minutes

    def as_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self) | {"complete": self.complete}


def progress(settings: Settings, plan: Plan, *, raw_done: bool) -> Progress:
    """Ask the broker.

    Each stage commits after its output is safe, and is asked before the end of what it fills: what is complete
    by these answers is complete.

    Raises:
        LogUnavailable: the broker does not answer.
    """
    names = plan.names
    try:
        folded = _folded(settings, plan)
        late, rebuilt = _through(settings, names.late, names.rebuild_group, len(plan.ends))
        minutes, stored = _through(settings, names.minutes, names.sink_group, len(plan.ends))
    except KafkaException as error:
        raise broker.LogUnavailable(f"the broker does not tell how far replay {plan.name} is: {error}") from error
    return Progress(plan.readings, folded, raw_done, late, rebuilt, minutes, stored)


def _folded(settings: Settings, plan: Plan) -> int:
    asker = broker.consumer(settings, plan.names.fold_group)
    try:
        found = asker.committed([TopicPartition(plan.topic, p) for p in plan.ends], timeout=_ASK_S)
    finally:
        asker.close()
    done = 0
    for tp in found:
        if tp.offset >= 0:
            reached = Position.parse(tp.offset, tp.metadata).next_offset
            done += max(0, min(reached, plan.ends[tp.partition]) - plan.starts[tp.partition])
    return done


def _through(settings: Settings, topic: str, group: str, partitions: int) -> tuple[int, int]:
    """Messages in a topic, and how many of them a group is done with. What came first is asked last but one."""
    asker: Consumer = broker.consumer(settings, group)
    try:
        ends = sum(asker.get_watermark_offsets(TopicPartition(topic, p), timeout=_ASK_S)[1] for p in range(partitions))
        done = sum(broker.committed(asker, [(topic, p) for p in range(partitions)]).values())
    finally:
        asker.close()
    return ends, done

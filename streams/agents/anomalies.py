"""The rules of anomalies beside the minutes: where their thresholds come from, what they publish, what a restart reads."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from faust.types import TP

from infra.errors import PartUnavailable
from infra.publish import Publisher
from schemas import topics, wire
from schemas.anomaly_state import AnomalyState, decode_state
from streams import metrics
from streams.catalog.limits import CatalogLimits
from streams.core.anomaly.judge import Judge, Rulings
from streams.core.anomaly.meters import Meters
from streams.core.tic_window import TicPartition
from streams.core.window import Partition

_ASK_S = 15.0
_BATCH = 1000

log = structlog.get_logger()

Judged = Partition | TicPartition
"""Folds that can be judged by rules."""


@dataclass(frozen=True, slots=True)
class Left:
    """What an earlier owner left of one partition."""

    states: list[AnomalyState] = field(default_factory=list)
    habits: list[AnomalyState] = field(default_factory=list)


@dataclass(slots=True)
class Anomalies:
    """What the agent of the minutes needs to look for anomalies too.

    Attributes:
        bootstrap: of the broker.
        schema_of: finds schemas of states.
        anomalies_id, states_id, habits_id: schema ids.
        answering: whether the log can be written now: else silence says nothing about sensors.
        open_: how many intervals are open, by partition and rule; the agents of one process have it in common.
    """

    publisher: Publisher
    limits: CatalogLimits
    bootstrap: str
    schema_of: wire.SchemaOf
    anomalies_id: int
    states_id: int
    habits_id: int
    answering: Callable[[], bool]
    open_: dict[TP, dict[str, int]] = field(default_factory=dict)
    _taken: dict[TP, tuple[float, int]] = field(default_factory=dict)
    _left: asyncio.Task[dict[int, Left]] | None = None

    async def join(self, tp: TP, fold: Judged, assigned: set[int]) -> None:
        """Give a partition that begins its rules, with what an earlier owner left.

        Args:
            assigned: all partitions that came with it: what was left of them is read in one go.

        Raises:
            PartUnavailable: the broker does not give it.
        """
        if self._left is None:
            self._left = asyncio.create_task(asyncio.to_thread(self._states, assigned | {tp.partition}))
        left = (await self._left).pop(tp.partition, None)
        if left is None:
            left = (await asyncio.to_thread(self._states, {tp.partition}))[tp.partition]
        if isinstance(fold, TicPartition):
            meters = Meters(tp.partition, self.limits)
            meters.restore(left.states, fold.decided)
            fold.judged_by(meters)
        else:
            rules = Judge(tp.partition, self.limits)
            rules.restore(left.states, fold.decided, left.habits)
            fold.judged_by(rules)

    def forget(self) -> None:
        """All partitions were taken away."""
        self.open_.clear()
        self._taken.clear()
        self._left = None

    def taken(self, tp: TP, appended_ms: int) -> None:
        """Note that a run was folded whose last message was appended then."""
        self._taken[tp] = time.monotonic(), appended_ms

    def live_ms(self, tp: TP, next_offset: int, end_offset: int | None) -> int:
        """The log's time now, where all there is was folded; 0 where that is not known."""
        if tp not in self._taken or end_offset is None or next_offset < end_offset or not self.answering():
            return 0
        at, appended_ms = self._taken[tp]
        return appended_ms + int((time.monotonic() - at) * 1000)

    async def publish(self, tp: TP, rulings: Rulings) -> None:
        """First what a restart needs, which holds the anomalies too, then the anomalies; returns when all is safe."""
        if rulings.habits:
            await self.publisher.send_all(topics.HABITS.name, [state.message(self.habits_id) for state in rulings.habits])
        if rulings.states:
            states = [state.message(self.states_id) for state in rulings.states]
            await self.publisher.send_all(topics.ANOMALY_STATE.name, states)
        if rulings.anomalies:
            messages = [one.message(self.anomalies_id) for one in rulings.anomalies]
            await self.publisher.send_all(topics.ANOMALIES.name, messages)
            metrics.ANOMALIES.inc(len(messages))
        self.open_[tp] = rulings.open

    def tell(self) -> None:
        """Let the metrics say what is open."""
        metrics.open_anomalies(self.open_.values())

    def _states(self, partitions: set[int]) -> dict[int, Left]:
        """The last state and table of each sensor, by partition."""
        found: dict[tuple[str, int, bytes], bytes | None] = {}
        reader = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "powermon-anomaly-states",  # required by the client; nothing is committed, no group is joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
                "log_level": 0,
            }
        )
        try:
            places = {(topic, p) for topic in (topics.ANOMALY_STATE.name, topics.HABITS.name) for p in partitions}
            reader.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for topic, p in places])
            open_ = set(places)
            while open_:
                messages = reader.consume(_BATCH, 0.02) or reader.consume(1, _ASK_S)
                if not messages:
                    missing = ", ".join(sorted({topic for topic, _ in open_}))
                    raise PartUnavailable(f"Kafka at {self.bootstrap} does not give {missing}; start again")
                for message in messages:
                    error = message.error()
                    if error is None:
                        found[message.topic() or "", message.partition() or 0, message.key() or b""] = message.value()
                    elif error.code() == KafkaError._PARTITION_EOF:
                        open_.discard((message.topic() or "", message.partition() or 0))
                    else:
                        raise PartUnavailable(f"Kafka at {self.bootstrap}: {error.str()}; a restart goes on from here")
        except KafkaException as error:
            raise PartUnavailable(f"Kafka at {self.bootstrap}: {error.args[0].str()}; a restart goes on from here") from error
        finally:
            reader.close()
        left = {p: Left() for p in partitions}
        for (topic, partition, _), value in found.items():
            of = left[partition].habits if topic == topics.HABITS.name else left[partition].states
            try:
                of.append(decode_state(value, self.schema_of))
            except wire.WireError as error:
                log.warning("state of anomalies not used; its sensor's rules begin anew", partition=partition, reason=str(error))
        return left

"""The rules of anomalies beside the minutes: where their thresholds come from, what they publish, what a restart reads."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from faust.types import TP

from infra.errors import PartUnavailable
from infra.publish import Publisher
from schemas import topics, wire
from schemas.anomaly_state import AnomalyState, decode_state
from streams import metrics
from streams.catalog.view import CatalogView
from streams.core.anomaly.judge import Judge, Rulings
from streams.core.anomaly.limits import Limits
from streams.core.window import Partition

_ASK_S = 15.0
_BATCH = 1000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CatalogLimits:
    """Thresholds as the catalog has them now."""

    view: CatalogView

    @property
    def version(self) -> int:
        """The newest command that was applied."""
        return self.view.offset

    def of(self, sensor_id: str) -> Limits:
        """What counts for a sensor; one that is not registered has the defaults."""
        sensor = self.view.state.sensors.get(sensor_id)
        if sensor is None:
            return Limits()
        return Limits(sensor.nominal_voltage_v, sensor.contracted_power_w, sensor.thresholds)


@dataclass(slots=True)
class Anomalies:
    """What the agent of the minutes needs to look for anomalies too.

    Attributes:
        bootstrap: of the broker.
        schema_of: finds schemas of states.
        anomalies_id, states_id: schema ids.
        answering: whether the log can be written now: else silence says nothing about sensors.
    """

    publisher: Publisher
    limits: CatalogLimits
    bootstrap: str
    schema_of: wire.SchemaOf
    anomalies_id: int
    states_id: int
    answering: Callable[[], bool]
    _open: dict[TP, dict[str, int]] = field(default_factory=dict)
    _taken: dict[TP, tuple[float, int]] = field(default_factory=dict)

    async def join(self, tp: TP, fold: Partition) -> None:
        """Give a partition that begins its rules, with what an earlier owner left.

        Raises:
            PartUnavailable: the broker does not give it.
        """
        rules = Judge(tp.partition, self.limits)
        rules.restore(await asyncio.to_thread(lambda: list(self._states(tp.partition))), fold.decided)
        fold.judged_by(rules)

    def forget(self) -> None:
        """All partitions were taken away."""
        self._open.clear()
        self._taken.clear()

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
        """First what a restart needs, which holds the anomalies too, then the anomalies; returns when both are safe."""
        if rulings.states:
            states = [state.message(self.states_id) for state in rulings.states]
            await self.publisher.send_all(topics.ANOMALY_STATE.name, states)
        if rulings.anomalies:
            messages = [one.message(self.anomalies_id) for one in rulings.anomalies]
            await self.publisher.send_all(topics.ANOMALIES.name, messages)
            metrics.ANOMALIES.inc(len(messages))
        self._open[tp] = rulings.open

    def tell(self) -> None:
        """Let the metrics say what is open."""
        metrics.open_anomalies(self._open.values())

    def _states(self, partition: int) -> Iterator[AnomalyState]:
        """The last state of each sensor of a partition."""
        found: dict[bytes, bytes | None] = {}
        reader = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "powermon-anomaly-states",  # required by the client; nothing is committed, no group is joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        try:
            reader.assign([TopicPartition(topics.ANOMALY_STATE.name, partition, OFFSET_BEGINNING)])
            ended = False
            while not ended:
                messages = reader.consume(_BATCH, 0.2) or reader.consume(1, _ASK_S)
                if not messages:
                    raise PartUnavailable(f"Kafka at {self.bootstrap} does not give {topics.ANOMALY_STATE.name} {partition}")
                for message in messages:
                    error = message.error()
                    if error is None:
                        found[message.key() or b""] = message.value()
                    elif error.code() == KafkaError._PARTITION_EOF:
                        ended = True
                    else:
                        raise PartUnavailable(f"Kafka at {self.bootstrap}: {error.str()}; a restart goes on from here")
        except KafkaException as error:
            raise PartUnavailable(f"Kafka at {self.bootstrap}: {error.args[0].str()}; a restart goes on from here") from error
        finally:
            reader.close()
        for value in found.values():
            try:
                yield decode_state(value, self.schema_of)
            except wire.WireError as error:
                log.warning("state of anomalies not used; its sensor's rules begin anew", partition=partition, reason=str(error))

"""What the sink and the rebuilder ask of Kafka: a consumer that commits by hand, and messages that are safe."""

import contextlib
from collections.abc import Iterable
from typing import Any

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from infra.errors import PartUnavailable
from infra.settings import Settings
from schemas import topics

log = structlog.get_logger()

Place = tuple[str, int]
"""Topic and partition."""

Offsets = dict[Place, int]

SINK_GROUP = "powermon-sink"
REBUILD_GROUP = "powermon-rebuild"
TIC_REBUILD_GROUP = "powermon-tic-rebuild"
ROLLUP_GROUP = "powermon-rollup"
RECORDS_GROUPS = {topics.CONSUMPTION.name: "powermon-consumption-records", topics.WEATHER.name: "powermon-weather-records"}

_ACK_TIMEOUT_S = 30.0
_ASK_TIMEOUT_S = 10.0


class LogUnavailable(PartUnavailable):
    """The log cannot take or tell something now."""


def consumer(settings: Settings, group: str) -> Consumer:
    """A member of a group; nothing is committed by itself."""
    # The embedded engine has one process, which takes its partitions back at once when it is started again.
    instance = settings.instance or ("" if settings.clickhouse_url else "embedded")
    fixed = {"group.instance.id": instance} if instance else {}
    return Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": settings.session_timeout_s * 1000,
            "heartbeat.interval.ms": settings.session_timeout_s * 1000 // 10,
            "queued.max.messages.kbytes": 65536,  # per partition; bounds what a long backlog holds in memory
            "reconnect.backoff.max.ms": 1000,
            "error_cb": _tell,
            "log_level": 3,
            **fixed,
        }
    )


def commit(member: Consumer, offsets: Offsets) -> Offsets:
    """Commit next offsets and wait for the broker.

    Returns:
        what is not committed yet and still ours: to be tried again. What went to another member is left to it.
    """
    assigned = {(tp.topic, tp.partition) for tp in member.assignment()}
    ours = {place: offset for place, offset in offsets.items() if place in assigned}
    if not ours:
        return {}
    try:
        answers = member.commit(offsets=_list(ours), asynchronous=False) or []
        failed = {(tp.topic, tp.partition): ours[tp.topic, tp.partition] for tp in answers if tp.error}
    except KafkaException as error:
        log.warning("commit failed; it will be tried again", reason=str(error))
        return ours
    return failed


def rewind(member: Consumer, offsets: Offsets) -> None:
    """Read again from these offsets."""
    for tp in _list(offsets):
        # A partition that was taken away meanwhile is read from the commit by its new owner.
        with contextlib.suppress(KafkaException):
            member.seek(tp)


def rest(member: Consumer, seconds: float, stop: Any) -> None:
    """Wait without reading, and stay a member of the group."""
    member.pause(member.assignment())
    waited = 0.0
    while waited < seconds and not stop.is_set():
        step = min(0.2, seconds - waited)
        message = member.poll(step)
        waited += step
        if message is not None and message.error() is None:  # of a partition that came meanwhile
            rewind(member, {(message.topic(), message.partition()): message.offset()})
            member.pause(member.assignment())
    member.resume(member.assignment())


def committed(member: Consumer, places: Iterable[Place]) -> Offsets:
    """Next offsets the group of `member` has committed; 0 where it never did.

    Raises:
        LogUnavailable: the broker does not tell.
    """
    try:
        found = member.committed([TopicPartition(*place) for place in places], timeout=_ASK_TIMEOUT_S)
    except KafkaException as error:
        raise LogUnavailable(f"the broker does not tell what is committed: {error}; trying again may help") from error
    for tp in found:
        if tp.error:
            raise LogUnavailable(f"the broker does not tell what is committed for {tp.topic} {tp.partition}: {tp.error}")
    return {(tp.topic, tp.partition): 0 if tp.offset == OFFSET_INVALID else tp.offset for tp in found}


def message_at(asker: Consumer, place: Place, offset: int) -> Message | None:
    """One message of the log, by a client that reads nothing else; None when the log holds it no longer.

    Raises:
        LogUnavailable: the broker does not give it.
    """
    asker.assign([TopicPartition(*place, offset)])
    try:
        found = asker.consume(1, _ASK_TIMEOUT_S)
    except KafkaException as error:
        raise LogUnavailable(f"the broker does not give offset {offset} of {place[0]} {place[1]}: {error}") from error
    finally:
        asker.unassign()
    if not found or found[0].error() is not None:
        raise LogUnavailable(f"the broker does not give offset {offset} of {place[0]} {place[1]}; trying again may help")
    return found[0] if found[0].offset() == offset else None


class Settled:
    """Tells whether a group is past the end that a topic had when this was asked first.

    Raises:
        LogUnavailable: when asked, and the broker does not tell.
    """

    def __init__(self, settings: Settings, group: str, topic: str) -> None:
        self._settings, self._group, self._topic = settings, group, topic
        self._ends: Offsets | None = None

    def __call__(self) -> bool:
        member = consumer(self._settings, self._group)
        try:
            if self._ends is None:
                self._ends = _ends(member, self._topic)
            have = committed(member, self._ends)
        finally:
            member.close()
        return all(have[place] >= end for place, end in self._ends.items())


class SafeProducer:
    """Publishes batches and returns when all in-sync replicas have them."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": settings.kafka,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 5,
                "message.timeout.ms": int(_ACK_TIMEOUT_S * 1000),
                "reconnect.backoff.max.ms": 1000,
                "log_level": 3,
            }
        )

    def send(self, topic: str, messages: Iterable[tuple[bytes | None, bytes | None]]) -> Offsets:
        """Publish (key, value) pairs and wait; no value removes a key of a compacted topic.

        Returns:
            by partition, the offset behind the last of them.

        Raises:
            LogUnavailable: at least one is not safe; all may be sent again.
        """
        failures: list[KafkaError] = []
        behind: Offsets = {}

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)
            else:
                place = message.topic(), message.partition()
                behind[place] = max(behind.get(place, 0), message.offset() + 1)

        for key, value in messages:
            while True:
                try:
                    self._producer.produce(topic, value, key, on_delivery=acknowledged)
                    break
                except BufferError:
                    self._producer.poll(0.05)
        left = self._producer.flush(_ACK_TIMEOUT_S + 5)
        if failures or left:
            raise LogUnavailable(
                f"the log did not acknowledge {len(failures) or left} messages for {topic}: {failures[:1]}; will try again"
            )
        return behind


def _ends(member: Consumer, topic: str) -> Offsets:
    try:
        partitions = member.list_topics(topic, timeout=_ASK_TIMEOUT_S).topics[topic].partitions
        return {(topic, p): member.get_watermark_offsets(TopicPartition(topic, p), timeout=_ASK_TIMEOUT_S)[1] for p in partitions}
    except KafkaException as error:
        raise LogUnavailable(f"the broker does not tell where {topic} ends: {error}; trying again may help") from error


def _list(offsets: Offsets) -> list[TopicPartition]:
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]


def _tell(error: KafkaError) -> None:
    if error.fatal():
        raise KafkaException(error)
    log.warning("kafka", reason=error.str())

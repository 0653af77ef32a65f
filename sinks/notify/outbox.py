"""The log of notifications: read whole at the start, written by the one who has its partition."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from infra.settings import Settings
from schemas import topics, wire
from schemas.notification import Notification, decode_notification
from schemas.registry import Registry
from sinks.broker import LogUnavailable, SafeProducer
from streams.core.notices.outgoing import Changed

_ASK_S = 10.0
_STUCK_S = 30.0
_BATCH = 1000


def reader(settings: Settings) -> Consumer:
    """Reads what it is assigned; joins no group."""
    return Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": "powermon-notify-reader",  # required by the client
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "reconnect.backoff.max.ms": 1000,
            "log_level": 0,
        }
    )


def read(settings: Settings, registry: Registry) -> list[Notification]:
    """Every record that there is now. Blocks.

    Raises:
        LogUnavailable: the broker does not give them.
    """
    consumer, found = reader(settings), dict[bytes, Notification]()
    place = TopicPartition(topics.NOTIFICATIONS.name, 0)
    try:
        first, end = consumer.get_watermark_offsets(place, timeout=_ASK_S)
        consumer.assign([TopicPartition(place.topic, 0, first)])
        progress_s = time.monotonic()
        while (at := consumer.position([place])[0].offset) < end and first < end:
            for message in consumer.consume(_BATCH, 0.2):
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise LogUnavailable(f"the log of notifications cannot be read: {error.str()}")
                found.pop(message.key() or b"", None)
                if message.value() is not None:
                    try:
                        found[message.key() or b""] = decode_notification(message.value(), registry.schema_of)
                    except wire.WireError:
                        continue  # of another release: its anomalies may be told again, which is better than not at all
                progress_s = time.monotonic()
            if consumer.position([place])[0].offset == at and time.monotonic() - progress_s > _STUCK_S:
                raise LogUnavailable(f"the log of notifications does not come: offset {at} of {end}")
    except KafkaException as error:
        raise LogUnavailable(f"the log of notifications cannot be read: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return list(found.values())


class Outbox:
    """Writes records, and returns when they are safe."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._producer, self._registry = SafeProducer(settings), registry

    def write(self, changes: Changed) -> None:
        """Blocks.

        Raises:
            LogUnavailable: they are not all safe; they may be written again.
        """
        if not changes:
            return
        schema_id = self._registry.id_of(topics.NOTIFICATIONS)
        self._producer.send(
            topics.NOTIFICATIONS.name,
            [(id.encode(), None) if record is None else record.message(schema_id) for id, record in changes.items()],
        )

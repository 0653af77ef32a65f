"""The worker's side of the log: runs in, results out, and both in one transaction.

How often a run was taken up stands in the metadata of the group's committed offset: whoever reads it next knows.
"""

import secrets
from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from infra.publish import LogUnavailable
from infra.settings import Settings
from schemas import topics

GROUP = "powermon-meter"

Message = tuple[str, bytes, bytes]
"""Topic, key, value."""

_TIMEOUT_S = 10.0
_TRANSACTION_MS = 30_000
_MESSAGE_MAX = 32 << 20
"""Before compression; the broker's own limit is for what is compressed."""

log = structlog.get_logger()


class TooLarge(Exception):
    """A message is larger than the log takes."""


def consumer(settings: Settings) -> Consumer:
    """A member of the meter's group; nothing is committed but in transactions."""
    fixed = {"group.instance.id": settings.instance} if settings.instance else {}
    return Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": settings.session_timeout_s * 1000,
            "heartbeat.interval.ms": settings.session_timeout_s * 1000 // 10,
            "reconnect.backoff.max.ms": 1000,
            "error_cb": _tell,
            "log_level": 3,
            **fixed,
        }
    )


class Ledger:
    """Writes in transactions; a member that was put out of the group cannot commit any more.

    Args:
        settings: broker and instance: a worker with a name of its own ends at once what it left open when it was killed.
        member: the group's consumer.
    """

    def __init__(self, settings: Settings, member: Consumer) -> None:
        self._member = member
        self._producer = Producer(
            {
                "bootstrap.servers": settings.kafka,
                "transactional.id": f"{GROUP}-{settings.instance or secrets.token_hex(8)}",
                "transaction.timeout.ms": _TRANSACTION_MS,
                "compression.type": "lz4",
                "message.max.bytes": _MESSAGE_MAX,
                "linger.ms": 5,
                "reconnect.backoff.max.ms": 1000,
                "error_cb": _tell,
                "log_level": 3,
            }
        )
        self._begun = False

    def attempts(self, partition: int, offset: int) -> int:
        """How often the run at this place was taken up before.

        Raises:
            LogUnavailable: the broker does not tell.
        """
        try:
            (found,) = self._member.committed([TopicPartition(topics.METER_RUNS.name, partition)], timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise LogUnavailable(f"the broker does not tell what the meter has committed: {error}") from error
        if found.error is not None:
            raise LogUnavailable(f"the broker does not tell what the meter has committed: {found.error}")
        if found.offset in (OFFSET_INVALID, -1) or found.offset != offset:
            return 0
        return int(found.metadata) if (found.metadata or "").isdigit() else 0

    def write(self, messages: Iterable[Message], partition: int, next_offset: int, attempts: int = 0) -> None:
        """Write messages and the place in `meter.runs`, all or nothing.

        Args:
            messages: what to write.
            partition, next_offset: where reading goes on.
            attempts: how often the run at next_offset was taken up.

        Raises:
            LogUnavailable: nothing is written; it may be written again.
            TooLarge: nothing is written: a message is larger than the broker takes.
            KafkaException: another process has taken this one's place; it must end.
        """
        place = TopicPartition(topics.METER_RUNS.name, partition, next_offset, metadata=str(attempts))
        try:
            self._begin()
            failed: list[KafkaError] = []
            for topic, key, value in messages:
                self._producer.produce(topic, value, key, on_delivery=lambda error, _: failed.append(error) if error else None)
                self._producer.poll(0)
            self._producer.send_offsets_to_transaction([place], self._member.consumer_group_metadata(), _TIMEOUT_S)
            left = self._producer.flush(_TIMEOUT_S)
            if failed or left:
                raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))
            _insist(self._producer.commit_transaction)
        except KafkaException as error:
            cause = error.args[0]
            if cause.fatal():
                raise
            self._abort()
            if cause.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE):
                raise TooLarge(f"the log takes no message of this size: {cause.str()}") from error
            raise LogUnavailable(f"the log did not take what the meter wrote: {cause.str()}; will try again") from error

    def _begin(self) -> None:
        if not self._begun:
            self._producer.init_transactions(_TIMEOUT_S)
            self._begun = True
        self._producer.begin_transaction()

    def _abort(self) -> None:
        if not self._begun:
            return
        try:
            _insist(self._producer.abort_transaction)
        except KafkaException as error:
            if error.args[0].fatal():
                raise
            log.warning("a transaction is still open", reason=str(error))


def _insist(call: Callable[[float], None], times: int = 3) -> None:
    """Do what may be done again when the broker does not answer in time."""
    for left in reversed(range(times)):
        try:
            call(_TIMEOUT_S)
            return
        except KafkaException as error:
            if not left or not error.args[0].retriable():
                raise


def _tell(error: KafkaError) -> None:
    log.warning("kafka", reason=error.str())

"""The log as a command looks at it: where it begins and ends, what was appended when, where groups stand."""

from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from infra import topics as making
from infra.errors import ConfigurationError, PartUnavailable
from infra.settings import Settings
from streams.core.window import Position

ASK_S = 15.0
_BATCH = 10_000


class LogReader:
    """Reads and asks, and joins no group. For one thread; calls block.

    Every call raises PartUnavailable when the broker does not answer.

    Args:
        settings: the broker.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.admin = AdminClient({"bootstrap.servers": settings.kafka, "log_level": 0})
        self._consumer = self.member("powermon-asks")

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def member(self, group: str) -> Consumer:
        """A client that can commit for a group without being in it."""
        return Consumer(
            {"bootstrap.servers": self._settings.kafka, "group.id": group, "enable.auto.commit": False, "log_level": 0}
        )

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic.

        Raises:
            ConfigurationError: there is no such topic.
        """
        there = making.partitions_of(self.admin, self._settings)
        if topic not in there:
            raise ConfigurationError(f"topic {topic} is not there; `powermon up` makes it")
        return list(range(there[topic]))

    def span(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset that is kept, and the one after the last."""
        try:
            first, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ASK_S)
        except KafkaException as error:
            raise self.silent(error) from error
        return first, end

    def offset_at(self, topic: str, partition: int, at_ms: int, otherwise: int) -> int:
        """The first offset appended at or after a time; `otherwise` when there is none."""
        try:
            (found,) = self._consumer.offsets_for_times([TopicPartition(topic, partition, max(0, at_ms))], ASK_S)
        except KafkaException as error:
            raise self.silent(error) from error
        return found.offset if found.offset >= 0 else otherwise

    def messages(self, topic: str, partition: int, start: int, end: int) -> Iterator[Message]:
        """Messages from start up to end."""
        if start >= end:
            return
        self._consumer.assign([TopicPartition(topic, partition, start)])
        try:
            at = start
            while at < end:
                # No more than there are: it would wait for the rest.
                batch = self._consumer.consume(min(_BATCH, end - at), ASK_S)
                if not batch or batch[0].error() is not None:
                    raise PartUnavailable(
                        f"Kafka at {self._settings.kafka} does not give offset {at} of {topic} {partition}"
                        f"{f' ({batch[0].error().str()})' if batch else ''}; trying again may help"
                    )
                for message in batch:
                    if message.error() is None and message.offset() < end:
                        yield message
                at = batch[-1].offset() + 1
        finally:
            self._consumer.unassign()

    def committed(self, group: str, topic: str, partitions: list[int]) -> dict[int, int]:
        """Next offsets that a group has committed, by partition; none where it has not."""
        return {tp.partition: tp.offset for tp in self._commits(group, topic, partitions)}

    def decided(self, group: str, topic: str, partitions: list[int]) -> dict[int, int]:
        """Next offsets that a group of the fold has decided: they stand beside the offsets it reads from."""
        commits = self._commits(group, topic, partitions)
        return {tp.partition: Position.parse(tp.offset, tp.metadata).next_offset for tp in commits}

    def silent(self, error: KafkaException) -> PartUnavailable:
        """A failure of the broker in words."""
        return PartUnavailable(f"Kafka at {self._settings.kafka} does not answer ({error.args[0].str()}); trying again may help")

    def _commits(self, group: str, topic: str, partitions: list[int]) -> list[TopicPartition]:
        member = self.member(group)
        try:
            found = member.committed([TopicPartition(topic, p) for p in partitions], timeout=ASK_S)
        except KafkaException as error:
            raise self.silent(error) from error
        finally:
            member.close()
        return [tp for tp in found if tp.offset >= 0]

"""Reads the topic of dead letters, newest first and without a group, and writes letters' messages again."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from infra.errors import PartUnavailable, PowermonError
from infra.settings import Settings
from schemas import topics, wire
from schemas.dead_letter import DeadLetter, decode_letter
from schemas.registry import Registry

BLOCK = 1_000
"""Letters read or written at once."""

_TIMEOUT_S = 15.0
_PASSING = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE}


class NoSuchLetter(PowermonError):
    """There is no letter with this number."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One letter in the topic.

    Attributes:
        number: its offset in dead.letters.
        written_ms: when it was given up, UTC milliseconds.
        retried: where its message was written again, as "topic partition@offset"; None: it was not.
    """

    number: int
    written_ms: int
    letter: DeadLetter
    retried: str | None


class Letters:
    """The dead letters of one log.

    Args:
        settings: broker and registry.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = Registry(settings.registry, settings.schema_cache)
        self._reader = Consumer(
            {
                "bootstrap.servers": settings.kafka,
                "group.id": "powermon-dead-letters",  # the client wants a name; nothing joins or commits
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )

    def close(self) -> None:
        self._reader.close()

    def newest_first(self, since_ms: int = 0) -> Iterator[Kept]:
        """Letters from the end of the topic back to those written at `since_ms`.

        Raises:
            PartUnavailable: the broker or the registry does not answer.
        """
        first, end = self._bounds(since_ms)
        retried: dict[int, str] = {}
        while end > first:
            start = max(first, end - BLOCK)
            block = self._block(start, end)
            # A note stands after its letter.
            for note in (kept.letter for kept in block if kept.letter.retry_of is not None):
                retried[note.retry_of or 0] = f"{note.source_topic} {note.source_partition}@{note.source_offset}"
            for kept in reversed(block):
                if kept.letter.retry_of is None and kept.written_ms >= since_ms:
                    yield Kept(kept.number, kept.written_ms, kept.letter, retried.get(kept.number))
            end = start

    def find(self, numbers: Sequence[int]) -> list[Kept]:
        """Letters by their numbers, in that order.

        Raises:
            NoSuchLetter: one of them is not there.
            PartUnavailable: the broker or the registry does not answer.
        """
        wanted, found = set(numbers), {}
        for kept in self.newest_first():
            if kept.number in wanted:
                found[kept.number] = kept
            if len(found) == len(wanted):
                break
        for number in numbers:
            if number not in found:
                raise NoSuchLetter(f"there is no dead letter {number}; `powermon dead-letters list` shows which there are")
        return [found[number] for number in numbers]

    def retry(self, letters: Sequence[Kept], told: Callable[[int], None] = lambda _: None) -> None:
        """Write messages again to where they came from, and note it beside the letters.

        Args:
            letters: none of them cut.
            told: is called with how many are done.

        Raises:
            PartUnavailable: not all are safe; those that are noted are.
        """
        schema_id = self._registry.id_of(topics.DEAD_LETTERS)
        producer = Producer(
            {
                "bootstrap.servers": self._settings.kafka,
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": int(_TIMEOUT_S * 1000),
                "log_level": 0,
            }
        )
        for at in range(0, len(letters), BLOCK):
            block = letters[at : at + BLOCK]
            places = _sent(
                producer,
                [(k.letter.source_topic, k.letter.source_partition, k.letter.message_key, k.letter.message_value) for k in block],
            )
            notes = [
                _note(kept, partition, offset).message(schema_id) for kept, (partition, offset) in zip(block, places, strict=True)
            ]
            _sent(producer, [(topics.DEAD_LETTERS.name, 0, key, value) for key, value in notes])
            told(at + len(block))

    def schema_of(self, schema_id: int) -> wire.Schema | None:
        return self._registry.schema_of(schema_id)

    def _bounds(self, since_ms: int) -> tuple[int, int]:
        place = TopicPartition(topics.DEAD_LETTERS.name, 0, since_ms)
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                first, end = self._reader.get_watermark_offsets(place, timeout=_TIMEOUT_S)
                if since_ms:
                    (found,) = self._reader.offsets_for_times([place], timeout=_TIMEOUT_S)
                    first = max(first, found.offset) if found.offset >= 0 else end
                return first, end
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if reason.code() in _PASSING and time.monotonic() < deadline:
                    self._reader.poll(0.1)
                    continue
                raise PartUnavailable(
                    f"Kafka at {self._settings.kafka} does not tell of {topics.DEAD_LETTERS.name} ({reason.str()}); "
                    "start it with `powermon up`, or correct POWERMON_KAFKA_BOOTSTRAP"
                ) from error

    def _block(self, start: int, end: int) -> list[Kept]:
        """Letters and notes at start to end, in order."""
        self._reader.assign([TopicPartition(topics.DEAD_LETTERS.name, 0, start)])
        found: list[Kept] = []
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            for message in self._reader.consume(end - start, 0.5):
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        return found
                    continue
                if message.offset() < end:
                    found.append(Kept(message.offset(), message.timestamp()[1], self._letter(message), None))
                if message.offset() >= end - 1:
                    return found
                deadline = time.monotonic() + _TIMEOUT_S
            if time.monotonic() > deadline:
                raise PartUnavailable(f"Kafka at {self._settings.kafka} has stopped sending dead letters; try again")

    def _letter(self, message: Any) -> DeadLetter:
        try:
            return decode_letter(message.value(), self._registry.schema_of)
        except wire.WireError as error:
            return DeadLetter(
                topics.DEAD_LETTERS.name,
                message.partition(),
                message.offset(),
                message.key(),
                message.value(),
                f"not a dead letter itself: {error}",
                message.timestamp()[1],
                "unknown",
            )


def _note(kept: Kept, partition: int, offset: int) -> DeadLetter:
    return DeadLetter(
        source_topic=kept.letter.source_topic,
        source_partition=partition,
        source_offset=offset,
        message_key=kept.letter.message_key,
        message_value=None,
        reason=f"letter {kept.number} was written again",
        at_ms=time.time_ns() // 1_000_000,
        stage="retry",
        retry_of=kept.number,
    )


def _sent(producer: Producer, messages: list[tuple[str, int, bytes | None, bytes | None]]) -> list[tuple[int, int]]:
    """Publish (topic, partition, key, value) and wait; partition and offset of each.

    Raises:
        PartUnavailable: at least one is not safe.
    """
    places: dict[int, tuple[int, int]] = {}
    failures: list[str] = []

    def acknowledged(at: int) -> Callable[[KafkaError | None, Any], None]:
        def done(error: KafkaError | None, message: Any) -> None:
            if error is None:
                places[at] = (message.partition(), message.offset())
            else:
                failures.append(error.str())

        return done

    for at, (topic, partition, key, value) in enumerate(messages):
        producer.produce(topic, value, key, partition, on_delivery=acknowledged(at))
        producer.poll(0)
    producer.flush(_TIMEOUT_S + 5)
    if len(places) < len(messages):
        raise PartUnavailable(
            f"Kafka did not take {len(messages) - len(places)} of {len(messages)} messages ({(failures or ['no answer'])[0]}); "
            "those that it took but that are not noted as retried may be retried again: copies count once"
        )
    return [places[at] for at in range(len(messages))]

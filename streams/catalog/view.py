"""The catalog as one process sees it: a thread reads its log from the beginning, the event loop holds the fold."""

import asyncio
import secrets
import threading
import time
from typing import Any, Protocol

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.errors import PartUnavailable, RegistryUnavailable
from infra.publish import Publisher
from schemas import topics, wire
from streams.catalog.apply import Outcome, fold
from streams.catalog.commands import Command, Envelope, seal
from streams.catalog.state import State

_BATCH = 500
_PAUSE_S = 0.5


class Schemas(Protocol):
    """What the view needs of schemas.registry.Registry."""

    def id_of(self, topic: topics.Topic, /) -> int: ...
    def schema_of(self, schema_id: int, /) -> dict[str, Any] | None: ...


class CatalogView:
    """The folded catalog, kept up to date. Made and used inside a running event loop.

    Args:
        bootstrap: host:port[,…] of Kafka.
        registry: finds schemas.
        timeout_s: how long `submit` waits.

    Attributes:
        state: changes only on the event loop, between two awaits of its readers.
        skipped: messages of the log that are no catalog command.
    """

    def __init__(self, bootstrap: str, registry: Schemas, *, timeout_s: float = 8) -> None:
        self.state = State()
        self.skipped = 0
        self.offset = -1
        """Offset of the last message applied."""
        self._bootstrap, self._registry, self._timeout_s = bootstrap, registry, timeout_s
        self._log = structlog.get_logger(__name__)
        self._loop = asyncio.get_running_loop()
        self._caught_up = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._publisher: Publisher | None = None
        self._trouble: str | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="catalog", daemon=True)
        self._thread.start()

    async def ready(self, timeout_s: float | None = None) -> None:
        """Wait until the whole log has been applied once.

        Raises:
            PartUnavailable: not within timeout_s.
        """
        try:
            await asyncio.wait_for(self._caught_up.wait(), timeout_s)
        except TimeoutError:
            raise PartUnavailable(self._trouble or self._no_answer()) from None

    def problem(self) -> str | None:
        """What keeps this view from being the present catalog; None when nothing does."""
        if not self._thread.is_alive():
            return "the catalog's reader has stopped; restart this process"
        if self._trouble is not None:
            return self._trouble
        if not self._caught_up.is_set():
            return f"the catalog is being read, {self.offset + 1} commands so far"
        return None

    @property
    def caught_up(self) -> bool:
        """Whether the whole log has been applied once; stays so when the broker goes away."""
        return self._caught_up.is_set()

    async def submit(self, command: Command, *, actor: str = "system") -> Outcome:
        """Write a command to the log and wait for the verdict that every view reaches.

        Raises:
            PartUnavailable: the log did not take it in time, or the verdict did not come; look before trying again.
            RegistryUnavailable: the schema's id cannot be found.
        """
        schema_id = await asyncio.to_thread(self._registry.id_of, topics.CATALOG)
        command_id = secrets.token_hex(16)
        envelope = seal(command, command_id=command_id, at_ms=time.time_ns() // 1_000_000, actor=actor)
        value = wire.encode(topics.CATALOG, schema_id, envelope.record())
        verdict: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting[command_id] = verdict
        try:
            async with asyncio.timeout(self._timeout_s + 1):
                if self._publisher is None:
                    self._publisher = Publisher(self._bootstrap, linger_ms=0, timeout_ms=int(self._timeout_s * 1000))
                await self._publisher.send(topics.CATALOG.name, envelope.entity.encode(), value)
                return await verdict
        except TimeoutError:
            raise PartUnavailable(
                f"the catalog's verdict on {command.kind} did not come back from Kafka at {self._bootstrap}; "
                "look whether it took effect before trying again"
            ) from None
        finally:
            del self._waiting[command_id]

    async def close(self) -> None:
        """Stop reading; a submit that is under way fails."""
        self._closing.set()
        await asyncio.to_thread(self._thread.join, 5)
        if self._publisher is not None:
            await self._publisher.close()

    # ---- on the event loop

    def _apply(self, run: list[tuple[int, Envelope | None]], caught_up: bool) -> None:
        for offset, envelope in run:
            if offset <= self.offset:
                continue
            self.offset = offset
            if envelope is None:
                self.skipped += 1
                continue
            outcome = fold(self.state, envelope)
            waiting = self._waiting.get(envelope.command_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(outcome)
        if caught_up:
            self._caught_up.set()

    # ---- on the reader's thread

    def _read(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "powermon-catalog-view",  # required by the client; nothing is committed and no group is joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
                "reconnect.backoff.max.ms": 1000,
                "topic.metadata.refresh.interval.ms": 5000,
                "log_level": 0,
                "error_cb": self._broker_error,
            }
        )
        partition = TopicPartition(topics.CATALOG.name, 0, OFFSET_BEGINNING)
        try:
            consumer.assign([partition])
            while not self._closing.is_set():
                messages = consumer.consume(_BATCH, timeout=0.05 if self._caught_up.is_set() else 0.02)
                if messages:
                    self._take(messages)
                elif self._trouble is not None and self._answers(consumer):
                    self._trouble = None
        except RuntimeError:
            if not self._loop.is_closed():  # else nobody reads the view any more
                raise
        finally:
            consumer.close()

    def _take(self, messages: list[Message]) -> None:
        run: list[tuple[int, Envelope | None]] = []
        caught_up = False
        for message in messages:
            error = message.error()
            if error is None:
                run.append((message.offset(), self._decode(message)))
            elif error.code() == KafkaError._PARTITION_EOF:
                caught_up = True
            elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC):
                self._trouble = f"Kafka at {self._bootstrap} has no topic {topics.CATALOG.name}; `powermon up` makes the topics"
            else:
                self._trouble = f"the catalog cannot be read from Kafka at {self._bootstrap}: {error.str()}"
        if run or caught_up:
            self._trouble = None
            self._loop.call_soon_threadsafe(self._apply, run, caught_up)

    def _decode(self, message: Message) -> Envelope | None:
        while not self._closing.is_set():
            try:
                return Envelope(**wire.decode(topics.CATALOG, message.value(), self._registry.schema_of))
            except wire.WireError as error:
                self._log.warning("catalog message skipped", offset=message.offset(), reason=str(error))
                return None
            except RegistryUnavailable as error:
                # Not the message's fault: skipping it would give this process another catalog than the others.
                self._trouble = str(error)
                self._closing.wait(_PAUSE_S)
        return None

    def _answers(self, consumer: Consumer) -> bool:
        try:
            consumer.get_watermark_offsets(TopicPartition(topics.CATALOG.name, 0), timeout=_PAUSE_S)
        except KafkaException:
            return False
        return True

    def _broker_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._trouble = self._no_answer()

    def _no_answer(self) -> str:
        return (
            f"no answer from Kafka at {self._bootstrap}; start it with `powermon up` or set POWERMON_KAFKA_BOOTSTRAP "
            "to the address of one that runs"
        )

"""The catalog as one process sees it: a thread reads its log, the event loop holds the fold.

The log is read from where the snapshot in the data folder ends, or from its beginning.
"""

import asyncio
import gc
import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.errors import PartUnavailable, RegistryUnavailable
from infra.settings import Settings
from schemas import topics, wire
from streams.catalog import snapshot
from streams.catalog.apply import fold
from streams.catalog.commands import Command
from streams.catalog.envelope import Envelope
from streams.catalog.log_end import LogEnd
from streams.catalog.outcome import Outcome
from streams.catalog.snapshot import Place
from streams.catalog.state import State
from streams.catalog.writer import SchemaIds, Writer

SNAPSHOT_EVERY = 5000
"""Commands after which a running process writes a new snapshot; when it ends, after a tenth of them."""

_BATCH = 500
_AHEAD = 2
"""Runs that the reader may have handed over before the loop has applied them: between two it does its other work."""

_PAUSE_S = 0.5


class Schemas(SchemaIds, Protocol):
    """What the view needs of schemas.registry.Registry."""

    def schema_of(self, schema_id: int, /) -> dict[str, Any] | None: ...


class CatalogView:
    """The folded catalog, kept up to date. Made and used inside a running event loop.

    Args:
        bootstrap: host:port[,…] of Kafka.
        registry: finds schemas.
        timeout_s: how long `submit` waits.
        kept: the file of the snapshot; None: none is used.

    Attributes:
        state: changes only on the event loop, between two awaits of its readers; ask for it anew after each.
        skipped: messages of the log that are no catalog command.
    """

    def __init__(self, bootstrap: str, registry: Schemas, *, timeout_s: float = 8, kept: Path | None = None) -> None:
        self.state = State()
        self.skipped = 0
        self.offset = -1
        """Offset of the last message applied."""
        self.restored = -1
        """Offset up to which a snapshot spared the reading."""
        self._kept, self._digest, self._snapshot_at = kept, b"", -1
        self._writing: asyncio.Future[None] | None = None
        self._bootstrap, self._registry = bootstrap, registry
        self._log = structlog.get_logger(__name__)
        self._loop = asyncio.get_running_loop()
        self._caught_up = asyncio.Event()
        self._writer = Writer(bootstrap, registry, timeout_s)
        self._end = LogEnd(bootstrap)
        self._trouble: str | None = None
        self._closing = threading.Event()
        self._room = threading.Semaphore(_AHEAD)
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

    async def catch_up(self) -> None:
        """Wait until this view has applied all that any process had been answered before this call.

        While Kafka does not say where the log ends, nobody's command is answered either: the view stays as it is.
        """
        if self.problem() is None:
            await self._end.reached()

    async def submit(self, command: Command, *, actor: str = "system") -> Outcome:
        """Write a command to the log and wait for the verdict that every view reaches.

        Raises:
            PartUnavailable: the log did not take it in time, or the verdict did not come; look before trying again.
            RegistryUnavailable: the schema's id cannot be found.
        """
        return (await self.submit_all([command], actor=actor))[0]

    async def submit_all(self, commands: Sequence[Command], *, actor: str = "system") -> list[Outcome]:
        """Write commands to the log in their order and wait for the verdict on each; one refused keeps none from the others.

        Raises:
            PartUnavailable: as for `submit`; some of the commands may have taken effect.
            RegistryUnavailable: the schema's id cannot be found.
        """
        return await self._writer.submit_all(commands, actor)

    async def close(self) -> None:
        """Stop reading; a submit that is under way fails."""
        self._closing.set()
        await asyncio.to_thread(self._thread.join, 5)
        self._keep(SNAPSHOT_EVERY // 10)
        if self._writing is not None:
            await self._writing
        await self._end.close()
        await self._writer.close()

    # ---- on the event loop

    def _restore(self, state: State, place: Place) -> None:
        self.state, self._digest = state, place.digest
        self.offset = self.restored = self._snapshot_at = place.offset
        gc.freeze()

    def _keep(self, every: int) -> None:
        """Write a snapshot beside the loop when there are so many new commands."""
        if self._kept is None or not self.caught_up or self.offset - self._snapshot_at < every:
            return
        if self._writing is not None and not self._writing.done():
            return
        self._snapshot_at = self.offset
        place = Place(self.offset, self._digest)
        self._writing = self._loop.run_in_executor(None, self._write, self._kept, snapshot.freeze(self.state), place)

    def _write(self, *what: Any) -> None:
        try:
            snapshot.write(*what)
        except OSError as error:
            self._log.warning("catalog snapshot not written; the next start reads the whole log", reason=str(error))

    def _apply(self, run: list[tuple[int, Envelope | None]], digest: bytes, caught_up: bool) -> None:
        self._room.release()
        for offset, envelope in run:
            if offset <= self.offset:
                continue
            self.offset = offset
            if envelope is None:
                self.skipped += 1
                continue
            self._writer.judged(envelope.command_id, fold(self.state, envelope))
        if run and self.offset == run[-1][0]:
            self._digest = digest
        self._end.applied(self.offset)
        if not self.caught_up:
            gc.freeze()  # a catalog stays: the collector need not walk through it again and again, and stop the process for it
        if caught_up:
            self._caught_up.set()
        self._keep(SNAPSHOT_EVERY)

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
        try:
            self._start(consumer)
            while not self._closing.is_set():
                messages = self._messages(consumer)
                if messages:
                    self._take(messages)
                elif self._trouble is not None and self._answers(consumer):
                    self._trouble = None
        except RuntimeError:
            if not self._loop.is_closed():  # else nobody reads the view any more
                raise
        finally:
            consumer.close()

    def _messages(self, consumer: Consumer) -> list[Message]:
        """What there is; a full batch is waited for only while the log is being caught up with."""
        if not self._caught_up.is_set():
            found: list[Message] = consumer.consume(_BATCH, timeout=0.02)
            return found
        first: list[Message] = consumer.consume(1, timeout=0.05)
        return first + consumer.consume(_BATCH - 1, timeout=0) if first else first

    def _start(self, consumer: Consumer) -> None:
        """Begin where the snapshot ends, when the log has there what the snapshot saw."""
        kept = None if self._kept is None else self._read_snapshot(self._kept)
        if kept is not None:
            state, place = kept
            consumer.assign([TopicPartition(topics.CATALOG.name, 0, place.offset)])
            first = self._first(consumer)
            if first is not None and first.offset() == place.offset and _digest(first) == place.digest:
                self._loop.call_soon_threadsafe(self._restore, state, place)
                return
            self._log.warning("catalog snapshot not used: it is of another log", offset=place.offset)
        consumer.assign([TopicPartition(topics.CATALOG.name, 0, OFFSET_BEGINNING)])

    def _read_snapshot(self, file: Path) -> tuple[State, Place] | None:
        try:
            return snapshot.read(file)
        except FileNotFoundError:
            return None
        except (snapshot.Damaged, OSError) as error:
            self._log.warning("catalog snapshot not used", reason=str(error))
            return None

    def _first(self, consumer: Consumer) -> Message | None:
        """The first message, or None when there is none at this place; waits for a broker."""
        while not self._closing.is_set():
            for message in consumer.consume(1, timeout=0.1):
                error = message.error()
                if error is None:
                    return message
                if error.code() in (KafkaError._PARTITION_EOF, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
                    return None
                self._explain(error)
        return None

    def _take(self, messages: list[Message]) -> None:
        run: list[tuple[int, Envelope | None]] = []
        caught_up, last = False, b""
        for message in messages:
            error = message.error()
            if error is None:
                run.append((message.offset(), self._decode(message)))
                last = _digest(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                caught_up = True
            else:
                self._explain(error)
        if run or caught_up:
            self._trouble = None
            while not self._room.acquire(timeout=_PAUSE_S):
                if self._closing.is_set() or self._loop.is_closed():
                    return
            self._loop.call_soon_threadsafe(self._apply, run, last, caught_up)

    def _explain(self, error: KafkaError) -> None:
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC):
            self._trouble = f"Kafka at {self._bootstrap} has no topic {topics.CATALOG.name}; `powermon up` makes the topics"
        else:
            self._trouble = f"the catalog cannot be read from Kafka at {self._bootstrap}: {error.str()}"

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


def _digest(message: Message) -> bytes:
    return hashlib.sha256(message.value() or b"").digest()


def view_of(settings: Settings, registry: Schemas) -> CatalogView:
    """The catalog of a stack, with this machine's snapshot."""
    return CatalogView(settings.kafka, registry, kept=settings.catalog_snapshot)

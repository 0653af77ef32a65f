"""Records of the log into ClickHouse: batches as a whole, ids in the order of the log, whatever stops it.

Rows and the place in the log are one insert, and what is read before it is of one moment: so a run of batches
is applied from where the table is, or not at all. Reading again, or by two at once, comes to the same rows.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import groupby

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from infra.errors import PowermonError
from infra.settings import Settings
from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.record_part import decode_part
from schemas.registry import Registry
from schemas.topics import Topic
from schemas.wire import WireError
from sinks import broker, metrics, tables
from sinks.backoff import Backoff
from sinks.broker import LogUnavailable, SafeProducer
from sinks.clickhouse import ClickHouse
from sinks.pulse import Working
from sinks.record_table import Place, insert, known, place
from sinks.tables import Table
from streams.core.record_batches import Batch, OpenBatches, Torn
from streams.core.record_fold import fold

TABLES: dict[str, Table] = {topics.CONSUMPTION.name: tables.CONSUMPTION_RAW, topics.WEATHER.name: tables.WEATHER_RAW}

RUN = 400_000
"""Records that are applied at once, unless one batch has more."""

_MESSAGES = 1000
_MORE_S = 0.005

log = structlog.get_logger()


class OtherLog(PowermonError):
    """The table is of another log than the broker's."""


class Moved(PowermonError):
    """Somebody else has applied what this member was about to."""


class RecordSink(Working):
    """The member that applies one topic of records, in a thread of its own.

    Args:
        settings: broker, group membership, interval.
        store: where records go.
        registry: writers' schemas.
        topic: consumption.records or weather.records.
    """

    def __init__(self, settings: Settings, store: ClickHouse, registry: Registry, topic: Topic) -> None:
        super().__init__(f"sink of {topic.name}", f"waiting for the broker to assign {topic.name}")
        self._settings, self._store, self._registry, self._topic = settings, store, registry, topic
        self._table = TABLES[topic.name]
        self._letters: SafeProducer | None = None
        self._open = OpenBatches()
        self._place: Place | None = None
        """None: not known where this member stands; nothing that comes is taken."""
        self._read = 0  # the offset that comes next
        self.applied: int | None = None
        """The offset below which every batch that is whole is in the table; None: another member applies the topic, or nobody."""
        self.turn = 0
        """How often this member has begun to apply the topic: between two turns others may have written."""
        self._backoff = Backoff()

    def work(self) -> None:
        """Read and apply until `stop`. Blocks.

        Raises:
            KafkaException: the broker has shut this member out for good; the process must start anew.
        """
        self._member = broker.consumer(self._settings, broker.RECORDS_GROUPS[self._topic.name])
        try:
            self._member.subscribe([self._topic.name], on_assign=self._lost, on_revoke=self._lost, on_lost=self._lost)
            while not self._stop.is_set():
                self._pulse.beat()
                try:
                    self._round()
                except PowermonError as error:
                    self._wait_out(error)
        finally:
            self._member.close()

    def _lost(self, _member: Consumer, _partitions: list[TopicPartition]) -> None:
        self._place = self.applied = None

    def _wait_out(self, error: PowermonError) -> None:
        """What is open or half applied here is forgotten: the table tells where to go on."""
        self._place = self.applied = None
        if isinstance(error, Moved):
            return
        metrics.FAILURES.labels(self._topic.name).inc()
        self._problem, after_s = str(error), self._backoff.failed()
        log.warning("nothing is lost, will try again", reason=str(error), after_s=after_s)
        broker.rest(self._member, after_s, self._stop)

    def _round(self) -> None:
        messages = self._member.consume(1, self._settings.sink_interval_ms / 1000)
        if messages:
            messages += self._member.consume(_MESSAGES - 1, _MORE_S)
        good: list[Message] = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.fatal():
                raise KafkaException(error)
            else:
                log.warning("kafka", reason=error.str())
        if self._place is None:
            self._begin()
        elif good:
            self._take(good)
            metrics.MESSAGES.labels(self._topic.name).inc(len(good))
            metrics.DELAY.labels(self._topic.name).observe(max(0.0, time.time() - good[0].timestamp()[1] / 1000))

    def _begin(self) -> None:
        """Go to where the table is; what came before is not taken."""
        if not self._member.assignment():
            return
        here = place(self._store, self._table)
        partition = TopicPartition(self._topic.name, 0, here.resume)
        try:
            _, end = self._member.get_watermark_offsets(partition, timeout=10)
            if end < here.next:
                raise OtherLog(
                    f"{self._table.name} holds {self._topic.name} up to offset {here.next}, but the log ends at {end}: it is "
                    "another log; give the store its own, or a new data folder"
                )
            self._member.seek(partition)
        except KafkaException as error:
            raise LogUnavailable(f"the broker does not give {self._topic.name}: {error}; trying again may help") from error
        self._open, self._place, self._read = OpenBatches(), here, here.resume
        self.turn += 1
        self.applied = self._read
        self._problem = None
        self._backoff.worked()

    def _take(self, messages: Sequence[Message]) -> None:
        assert self._place is not None
        done: list[Batch | Torn] = []
        for message in messages:
            if message.offset() < self._read:
                continue
            self._read = message.offset() + 1
            try:
                part = decode_part(self._topic, message.value(), self._registry.schema_of)
            except WireError as error:
                self._report(message, str(error))
                continue
            ended = self._open.take(message.offset(), message.timestamp()[1], part)
            if ended is not None and ended.last >= self._place.next:
                done.append(ended)
        runs = list(_runs(done))
        for at, run in enumerate(runs):
            later = [batch.first for others in runs[at + 1 :] for batch in others if isinstance(batch, Batch)]
            self._apply(run, later)
        self.applied = self._read
        if done:
            broker.commit(self._member, {(self._topic.name, 0): self._place.resume})

    def _apply(self, run: Sequence[Batch | Torn], later: list[int]) -> None:
        """Change the table by some batches.

        Args:
            later: offsets where batches begin that are whole but not applied by this.
        """
        assert self._place is not None
        batches = [batch for batch in run if isinstance(batch, Batch)]
        here, there = known(self._store, self._table, [batch.records for batch in batches])
        if here != self._place:
            raise Moved(f"{self._table.name} is at offset {here.next}, this member at {self._place.next}")
        torn = [one.last for one in run if isinstance(one, Torn)]
        folded = fold(there, batches, here.next_id)
        after = run[-1].last + 1
        oldest = [at for at in (self._open.oldest, *later) if at is not None]
        self._pulse.beat()
        then = Place(after, min([after, *oldest]), folded.next_id)
        with metrics.INSERT.labels(self._table.name).time():
            insert(self._store, self._table, folded.rows, then, [*folded.refused, *torn])
        self._place = then
        metrics.ROWS.labels(self._table.name).inc(len(folded.rows.series))

    def _report(self, message: Message, reason: str) -> None:
        """Send a message that is no part of a batch to dead.letters; returns when it is safe there."""
        if self._letters is None:
            self._letters = SafeProducer(self._settings)
        place_of = (message.topic(), message.partition(), message.offset())
        letter = DeadLetter(*place_of, message.key(), message.value(), reason, message.timestamp()[1], "sink")
        self._letters.send(topics.DEAD_LETTERS.name, [letter.message(self._registry.id_of(topics.DEAD_LETTERS))])
        metrics.REJECTED.labels(self._topic.name).inc()


def _runs(done: Sequence[Batch | Torn]) -> Iterator[list[Batch | Torn]]:
    """What ended in parts that are applied at once: batches of one kind, not too many records."""
    for _, alike in groupby(done, lambda one: isinstance(one, Batch) and one.is_plain):
        run: list[Batch | Torn] = []
        count = 0
        for one in alike:
            size = len(one.records) if isinstance(one, Batch) else 0
            if run and count + size > RUN:
                yield run
                run, count = [], 0
            run.append(one)
            count += size
        yield run

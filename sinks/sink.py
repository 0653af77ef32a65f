"""The sink: log to ClickHouse. Insert, then commit; the rest follows from keyed rows."""

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import structlog
from confluent_kafka import KafkaException, Message

from infra.errors import PowermonError
from infra.settings import Settings
from schemas import topics
from schemas.dead_letter import DeadLetter
from schemas.registry import Registry
from sinks import broker, metrics
from sinks.backoff import Backoff
from sinks.beat import Beat
from sinks.broker import Offsets, SafeProducer
from sinks.clickhouse import ClickHouse
from sinks.feeds import Feed, Rejected, Taken, carry, feeds
from sinks.pulse import Working
from streams.core.flood import NO_FLOOD, Flood

BATCH = 40_000
"""Messages of one insert at most: some 40 MB of log, 120,000 rows."""

STALL_S = 30.0
"""Behind the log and nothing inserted for longer than this: not ready."""

_LAG_EVERY_S = 2.0

log = structlog.get_logger()


class Flooded(PowermonError):
    """So much of a topic cannot be used that it is not passed over: the sink waits with this topic for a person."""


class Sink(Working):
    """One member of the sink's group, in a thread of its own.

    A failing insert, broker or registry is waited out: nothing is committed, the same messages are read again.

    Args:
        settings: broker, group membership, interval.
        store: where rows go.
        registry: writers' schemas.
        only: the feeds to carry; None: the live ones. A replay has its own, and a group of its own.
    """

    def __init__(
        self,
        settings: Settings,
        store: ClickHouse,
        registry: Registry,
        only: dict[str, Feed] | None = None,
        group: str = broker.SINK_GROUP,
    ) -> None:
        super().__init__("sink", "waiting for the broker to assign partitions")
        self._settings, self._store, self._registry, self._group = settings, store, registry, group
        self._feeds = feeds(registry.schema_of) if only is None else only
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="insert")
        self._letters: SafeProducer | None = None
        self._uncommitted: Offsets = {}
        self._floods: dict[str, Flood] = {}
        self._failed: set[broker.Place] = set()  # rewound, and not yet read again with success
        self._backoff = Backoff()
        self._beat = Beat(settings.sink_interval_ms / 1000)
        self._lag_at = 0.0
        self._behind = 0
        self._moved_at = time.monotonic()
        self.positions: Offsets = {}
        """Next offset by topic and partition: everything below is in ClickHouse."""

    def work(self) -> None:
        """Read and insert until `stop`. Blocks.

        Raises:
            KafkaException: the broker has shut this member out for good; the process must start anew.
        """
        self._member = broker.consumer(self._settings, self._group)
        try:
            self._member.subscribe(list(self._feeds))
            while not self._stop.is_set():
                self._round()
            self._uncommitted = broker.commit(self._member, self._uncommitted)
        finally:
            self._member.close()
            self._threads.shutdown()

    def problem(self) -> str | None:
        """What stands in the way, as a sentence; None when rows flow or there is nothing to do."""
        if self._problem is not None:
            return self._problem
        silent_s = time.monotonic() - self._moved_at
        if self._behind and silent_s > STALL_S:
            return f"{self._behind} messages behind the log, and nothing inserted for {silent_s:.0f} s"
        return None

    def _round(self) -> None:
        self._pulse.beat()
        messages = self._member.consume(BATCH, max(0.0, self._beat.next_s - time.monotonic()))
        began_s = time.monotonic()
        by_topic: dict[str, list[Message]] = defaultdict(list)
        for message in messages:
            error = message.error()
            if error is None:
                by_topic[message.topic()].append(message)
            elif error.fatal():
                raise KafkaException(error)
            else:
                log.warning("kafka", reason=error.str())
        failure: PowermonError | None = None
        for topic, feed in self._feeds.items():  # readings first: somebody looks at them now
            run = by_topic.get(topic)
            if run is None:
                continue
            try:
                self._store_run(feed, run)
            except PowermonError as error:
                failure = error
                metrics.FAILURES.labels(topic).inc()
                broker.rewind(self._member, _first(run))
                self._failed.update(_first(run))
            else:
                self._failed.difference_update(_next(run))
                self._uncommitted |= _next(run)
                self.positions |= _next(run)
                self._moved_at = time.monotonic()
        self._beat.after(began_s, time.monotonic() - began_s, idle=not messages)
        if self._uncommitted:
            self._uncommitted = broker.commit(self._member, self._uncommitted)
        self._measure_lag()
        if failure is None:
            if by_topic:
                self._backoff.worked()
            return
        self._problem, after_s = str(failure), self._backoff.failed()
        log.warning("nothing is lost, will try again", reason=str(failure), after_s=after_s)
        broker.rest(self._member, after_s, self._stop)

    def _store_run(self, feed: Feed, messages: list[Message]) -> None:
        name = feed.topic.name
        taken = Taken.of(messages)
        count, rejected = carry(self._store, feed, taken, self._threads)
        flood = self._floods.get(name, NO_FLOOD).after(len(messages), len(rejected))
        if rejected and feed.reports:
            if flood.over(self._settings.dead_letters_max):
                raise Flooded(flood.told(name, rejected[-1][1], self._settings.dead_letters_max))
            self._report(messages, rejected)
        self._floods[name] = flood
        metrics.REJECTED.labels(name).inc(len(rejected))
        metrics.ROWS.labels(feed.table.name).inc(count)
        metrics.MESSAGES.labels(name).inc(len(messages))
        metrics.DELAY.labels(name).observe(max(0.0, time.time() - float(taken.appended_ms.min()) / 1000))

    def _report(self, messages: list[Message], rejected: Rejected) -> None:
        """Send what could not be used to dead.letters; returns when it is safe there."""
        if self._letters is None:
            self._letters = SafeProducer(self._settings)
        schema_id = self._registry.id_of(topics.DEAD_LETTERS)
        letters = []
        for at, reason in rejected:
            m = messages[at]
            letter = DeadLetter(m.topic(), m.partition(), m.offset(), m.key(), m.value(), reason, m.timestamp()[1], "sink")
            letters.append(letter.message(schema_id))
        self._letters.send(topics.DEAD_LETTERS.name, letters)

    def _measure_lag(self) -> None:
        now = time.monotonic()
        if now - self._lag_at < _LAG_EVERY_S and self._problem is None:
            return
        self._lag_at = now
        assigned = self._member.assignment()
        behind = 0
        for tp, at in zip(assigned, self._member.position(assigned), strict=True):
            try:
                _, end = self._member.get_watermark_offsets(tp, cached=True)
            except KafkaException:
                continue
            lag = max(0, end - at.offset) if at.offset >= 0 and end >= 0 else 0
            if tp.topic in topics.IN_TRANSACTIONS:
                metrics.LAG.labels(tp.topic, tp.partition).set(max(0, lag - 1))  # but for the marker behind a commit
                continue  # what was aborted is given to nobody either: such a lag says nothing
            metrics.LAG.labels(tp.topic, tp.partition).set(lag)
            behind += lag
        self._behind = behind
        if not behind:
            self._moved_at = now
        if not assigned:
            self._problem = "waiting for the broker to assign partitions"
        elif not any((tp.topic, tp.partition) in self._failed for tp in assigned):
            self._problem = None


def _first(messages: list[Message]) -> Offsets:
    """The lowest offset by partition: messages of one partition come in order."""
    return {(m.topic(), m.partition()): m.offset() for m in reversed(messages)}


def _next(messages: list[Message]) -> Offsets:
    return {(m.topic(), m.partition()): m.offset() + 1 for m in messages}

"""Hours of our own sensors and meters into the traces that name them, as records on the log.

Nothing is remembered but what the log and the tables hold: each look compares the hours of the minutes with the
records of the trace and writes what differs. So a restart, a late minute, a replay's swap and a record that somebody
changed are all the same, and where nothing changed nothing is written. The process that applies consumption.records
does it, because it alone knows that what was written before is in the table.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from confluent_kafka import KafkaException, TopicPartition

from infra.errors import PowermonError
from infra.settings import Settings
from schemas import topics
from schemas.record_part import encode_parts
from schemas.registry import Registry
from sinks import broker, metrics
from sinks.broker import LogUnavailable, SafeProducer
from sinks.clickhouse import ClickHouse
from sinks.pulse import Working
from sinks.quarter_sql import KINDS
from sinks.rollup import generation
from sinks.source_reads import hour_of, hours, records
from streams.catalog.datastore.entries import Trace
from streams.catalog.datastore.traces import with_source
from streams.catalog.view import CatalogView
from streams.core.source_hours import HOUR_S, changes, over

EVERY_S, WHOLE_EVERY_S = 10.0, 300.0
"""How often the newest hours are looked at, and how often all of them: for what came late, or was replayed."""

REST = 20
"""However many traces there are, the time between two looks of a kind is about so many times what one takes."""

RECENT_S = 26 * HOUR_S
SETTLE_S = 60.0
"""An hour that is not whole is waited for so much longer than its last minute stays open."""

_WAIT_S = 0.2
_ASK_S = 10.0
_DAY_S = 86_400

log = structlog.get_logger()

Sourced = Callable[[], Sequence[Trace] | None]
"""The traces that name a source; None: not known now. Called from the feed's thread."""


def sourced(view: CatalogView) -> Sourced:
    """Asks the catalog, which lives on the event loop that runs now."""
    loop = asyncio.get_running_loop()

    async def read() -> Sequence[Trace] | None:
        return with_source(view.state) if view.caught_up else None

    def ask() -> Sequence[Trace] | None:
        try:
            return asyncio.run_coroutine_threadsafe(read(), loop).result(_ASK_S)
        except TimeoutError:
            return None

    return ask


class Applies(Protocol):
    """What is needed of sinks.records.RecordSink."""

    applied: int | None
    turn: int


class SourceFeed(Working):
    """A thread of the sink.

    Args:
        settings: broker, lateness, retention.
        store: minutes and records.
        registry: the schema to write with.
        sink: applies consumption.records, if this process does.
        sourced: the catalog's traces with a source.
        clock: UTC seconds.
    """

    def __init__(
        self,
        settings: Settings,
        store: ClickHouse,
        registry: Registry,
        sink: Applies,
        sourced: Sourced,
        clock: Callable[[], float] = time.time,
        every_s: float = EVERY_S,
    ) -> None:
        super().__init__("feed of traces with a source")
        self._settings, self._store, self._registry, self._sink = settings, store, registry, sink
        self._sourced, self._clock, self._every_s = sourced, clock, every_s
        self._producer: SafeProducer | None = None
        self._behind: int | None = None
        """The offset up to which consumption.records must be applied before anything is compared; None: not known."""
        self._turn = 0
        self._whole: dict[int, Trace] = {}  # traces of which every hour was looked at since `_whole_at`
        self._whole_at, self._whole_every_s = 0.0, WHOLE_EVERY_S
        self._exchanges: tuple[int, ...] = ()  # of each table of minutes with a replay's, when `_whole` began

    def work(self) -> None:
        """Look until `stop`. Blocks."""
        pause_s = _WAIT_S
        while not self._stop.wait(pause_s):
            self._pulse.beat()
            began = time.monotonic()
            try:
                looked = self.look()
                self._problem = None
            except PowermonError as error:
                looked, self._problem, self._behind = True, f"traces with a source do not grow: {error}", None
                log.warning("nothing is lost, will try again", reason=str(error), after_s=self._every_s)
            took_s = time.monotonic() - began
            self._whole_every_s = max(self._whole_every_s, REST * took_s)
            pause_s = min(max(self._every_s, REST * took_s), WHOLE_EVERY_S) if looked else _WAIT_S

    def look(self) -> bool:
        """Compare once, and write what differs; False when it is not this process's turn, or not yet.

        Raises:
            PowermonError: store or log do not answer.
        """
        if not self._is_applied():
            return False
        traces = self._sourced()
        if traces is None:
            return False
        now_s = self._clock()
        exchanges = tuple(generation(self._store, kind) for kind in KINDS)
        if exchanges != self._exchanges or not self._whole_at <= now_s < self._whole_at + self._whole_every_s:
            self._whole, self._whole_at, self._whole_every_s, self._exchanges = {}, now_s, WHOLE_EVERY_S, exchanges
        with metrics.SOURCE_SECONDS.time():
            for trace in traces:
                if self._stop.is_set() or self._sink.applied is None or self._sink.turn != self._turn:
                    return False
                self._pulse.beat()
                self._look_at(trace, now_s)
                self._whole[trace.pk] = trace
        return True

    def _is_applied(self) -> bool:
        """Whether this process applies the topic, and all that was written before it could read is in the table."""
        turn, applied = self._sink.turn, self._sink.applied  # in this order: a turn that begins now is seen before the next trace
        if applied is None:
            return False
        if self._behind is None or turn != self._turn:  # others may have written between two turns
            self._behind, self._turn = self._end(), turn
        return applied >= self._behind

    def _look_at(self, trace: Trace, now_s: float) -> None:
        assert trace.source is not None
        known = self._whole.get(trace.pk) == trace
        since_s = max(hour_of(now_s - RECENT_S) if known else 0, self._kept_since(now_s))
        found = hours(self._store, trace.source, since_s, hour_of(now_s))
        found = over(found, now_s, self._settings.lateness_s + SETTLE_S)
        if not len(found.start_s):
            return
        stored = records(self._store, trace.pk, int(found.start_s[0]), int(found.start_s[-1]) + HOUR_S)
        changed = changes(trace.pk, found, stored)
        if not len(changed):
            return
        topic = topics.CONSUMPTION
        parts = encode_parts(topic, self._registry.id_of(topic), secrets.token_hex(16), changed)
        if self._producer is None:
            self._producer = SafeProducer(self._settings)
        behind = self._producer.send(topic.name, parts)
        self._behind = max(self._behind or 0, *behind.values())
        metrics.SOURCE_RECORDS.inc(len(changed))
        log.info("hours of a source written", trace=trace.pk, source=trace.source.id, records=len(changed))

    def _kept_since(self, now_s: float) -> int:
        """The first hour whose minutes are all still kept: one that loses minutes to retention stays as it was."""
        days = self._settings.retention_minutes_days
        return hour_of(now_s - (days - 1) * _DAY_S) + HOUR_S if days else 0

    def _end(self) -> int:
        asker = broker.consumer(self._settings, broker.RECORDS_GROUPS[topics.CONSUMPTION.name])  # only asks; it never joins
        try:
            end: int = asker.get_watermark_offsets(TopicPartition(topics.CONSUMPTION.name, 0), timeout=10)[1]
            return end
        except KafkaException as error:
            raise LogUnavailable(f"the broker does not tell where {topics.CONSUMPTION.name} ends: {error}") from error
        finally:
            asker.close()

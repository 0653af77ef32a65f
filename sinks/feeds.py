"""Which topic goes into which table, and how its messages become rows."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from schemas import columns, topics, wire
from schemas.columns import Int64s
from schemas.conflict import decode_conflicts
from schemas.power_minute import MinuteDecoder
from schemas.reading_decoder import ReadingDecoder
from schemas.run import Run
from schemas.tic_batch import FrameDecoder
from schemas.tic_minute import TicMinute, decode_minute
from schemas.topics import Topic
from sinks import anomaly_rows, meter_rows, metrics, rows, tables, tic_rows, tic_tables
from sinks.clickhouse import ClickHouse
from sinks.tables import Table

SLICE = 20_000
"""Messages decoded and inserted at once."""

Rejected = list[tuple[int, str]]
"""Position in the run, and why the message is none of this topic."""


@dataclass(frozen=True, slots=True)
class Taken:
    """n messages of one topic, of any partitions: values as they came, shape (n,) places and append times."""

    values: list[bytes | None]
    partition: Int64s
    offset: Int64s
    appended_ms: Int64s

    @classmethod
    def of(cls, messages: list[Message]) -> "Taken":
        """Take the columns out of consumed messages."""
        n = len(messages)
        return cls(
            [m.value() for m in messages],
            np.fromiter([m.partition() for m in messages], np.int64, n),
            np.fromiter([m.offset() for m in messages], np.int64, n),
            np.fromiter([m.timestamp()[1] for m in messages], np.int64, n),
        )

    def part(self, start: int, stop: int) -> "Taken":
        """Messages start to stop."""
        s = slice(start, stop)
        return Taken(self.values[s], self.partition[s], self.offset[s], self.appended_ms[s])

    def run(self) -> Run:
        """The values as a run whose offsets are their positions here: what a decoder keeps can be told by them."""
        n = len(self.values)
        buffer, starts, ends = columns.join([value or b"" for value in self.values])
        lengths = ends - starts
        if None in self.values:
            lengths = np.where([value is None for value in self.values], -1, lengths)
        return Run(buffer, np.zeros(n, np.int64), np.full(n, -1), starts, lengths, np.arange(n), self.appended_ms)


@dataclass(frozen=True, slots=True)
class Feed:
    """One topic's way into ClickHouse.

    Attributes:
        rows: a run to rows of the table, and what could not be used.
        reports: whether the sink sends what could not be used to dead.letters; not where another stage reads
            the same topic and does: each bad message is reported once.
    """

    topic: Topic
    table: Table
    rows: Callable[[Taken], tuple[pa.RecordBatch, Rejected]]
    reports: bool


def feeds(schema_of: wire.SchemaOf) -> dict[str, Feed]:
    """Every feed, by the name of its topic."""
    readings = ReadingDecoder(schema_of)

    def reading_rows(taken: Taken) -> tuple[pa.RecordBatch, Rejected]:
        batch, rejected = readings.decode(taken.run())
        kept = batch.offset
        batch.offset = taken.offset[kept]
        return rows.readings(batch, taken.partition[kept]), rejected

    frames = FrameDecoder(schema_of)

    def frame_rows(taken: Taken) -> tuple[pa.RecordBatch, Rejected]:
        batch, rejected = frames.decode(taken.run())
        return tic_rows.frames(batch, taken.partition[batch.offset], taken.offset[batch.offset]), rejected

    def conflict_rows(taken: Taken) -> tuple[pa.RecordBatch, Rejected]:
        found, partition, rejected = decode_conflicts(taken.values, schema_of)
        return rows.conflicts(found, partition), rejected

    every = (
        Feed(topics.READINGS, tables.READINGS_RAW, reading_rows, reports=False),  # the worker reports these
        minute_feed(schema_of, topics.MINUTES, tables.MINUTES_RAW),
        Feed(topics.CONFLICTS, tables.CONFLICTS_RAW, conflict_rows, reports=True),
        Feed(topics.TIC_FRAMES, tic_tables.TIC_FRAMES_RAW, frame_rows, reports=False),  # the worker reports these
        tic_minute_feed(schema_of, topics.TIC_MINUTES, tic_tables.TIC_MINUTES_RAW),
        anomaly_feed(schema_of),
        note_feed(schema_of),
        *(meter_feed(schema_of, *one) for one in meter_rows.FEEDS),
    )
    return {feed.topic.name: feed for feed in every}


def minute_feed(schema_of: wire.SchemaOf, topic: Topic, table: Table) -> Feed:
    """Minutes of one topic into one table; a replay has its own of both."""
    decoder = MinuteDecoder(schema_of)

    def minute_rows(taken: Taken) -> tuple[pa.RecordBatch, Rejected]:
        batch, rejected = decoder.decode(taken.values)
        return rows.minutes(batch), rejected

    return Feed(topic, table, minute_rows, reports=True)


def tic_minute_feed(schema_of: wire.SchemaOf, topic: Topic, table: Table) -> Feed:
    """Minutes of Linkys of one topic into one table."""

    def minute_rows(taken: Taken) -> tuple[pa.RecordBatch, Rejected]:
        found: list[TicMinute] = []
        rejected: Rejected = []
        for at, value in enumerate(taken.values):
            try:
                found.append(decode_minute(value, schema_of))
            except wire.WireError as error:
                rejected.append((at, str(error)))
        return tic_rows.minutes(found), rejected

    return Feed(topic, table, minute_rows, reports=True)


def meter_feed(schema_of: wire.SchemaOf, topic: Topic, table: Table, decode: meter_rows.Decode) -> Feed:
    """What the meter's worker wrote, into one table."""

    def found(taken: Taken) -> tuple[pa.RecordBatch, Rejected]:
        return meter_rows.rows(table, decode, schema_of, taken.values, taken.offset.tolist())

    return Feed(topic, table, found, reports=True)


def anomaly_feed(schema_of: wire.SchemaOf) -> Feed:
    """Anomalies: each upsert a row; which of an id's holds, its place in the log says."""

    def found(taken: Taken) -> tuple[pa.RecordBatch, Rejected]:
        return anomaly_rows.anomalies(schema_of, taken.values, taken.offset.tolist())

    return Feed(topics.ANOMALIES, tables.ANOMALIES_RAW, found, reports=True)


def note_feed(schema_of: wire.SchemaOf) -> Feed:
    """What people said of them."""

    def found(taken: Taken) -> tuple[pa.RecordBatch, Rejected]:
        return anomaly_rows.notes(schema_of, taken.values, taken.offset.tolist())

    return Feed(topics.ANOMALY_NOTES, tables.ANOMALY_NOTES_RAW, found, reports=True)


def carry(store: ClickHouse, feed: Feed, taken: Taken, threads: Executor) -> tuple[int, Rejected]:
    """Turn messages into rows and insert them, a slice while the next is decoded.

    Returns:
        how many rows are in the table now, and what could not be used.

    Raises:
        PowermonError: some of them may not be in the table; all may be carried again.
    """
    rejected: Rejected = []
    inserts: list[Future[int]] = []
    try:
        for start in range(0, len(taken.values), SLICE):
            batch, bad = feed.rows(taken.part(start, start + SLICE))
            rejected += [(start + at, reason) for at, reason in bad]
            if batch.num_rows:
                inserts.append(threads.submit(_insert, store, feed.table.name, batch))
    finally:
        wait(inserts)
    return sum(insert.result() for insert in inserts), rejected


def _insert(store: ClickHouse, table: str, batch: pa.RecordBatch) -> int:
    with metrics.INSERT.labels(table).time():
        store.insert(table, batch)
    return batch.num_rows

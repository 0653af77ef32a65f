"""How Faust is fed: one event per fetched run of one partition, and commits that carry metadata.

Faust hands on what its consumer's `getmany` yields. As shipped that is one message at a time, at a cost of
some 50 µs each, after aiokafka has made an object of every record. Here a fetched byte string stays whole:
aiokafka's fetcher is given classes that keep it together, and a message's value is the run of all records of one
partition out of one fetch, as columns over their bytes. The private names used are held by
tests/contract/test_faust_names.py.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple, cast

import faust
from aiokafka.consumer import fetcher
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from schemas.run import Run
from streams.frames import read_in_frames
from streams.recordbatch import batches, run_of


class Commit(NamedTuple):
    """What the group keeps for one partition."""

    offset: int
    metadata: str


class Fetched:
    """One partition's part of a fetch response; stands where aiokafka has its MemoryRecords."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._size = len(data)
        self.batches = list(batches(data))

    def has_next(self) -> bool:
        return bool(self.batches)

    def size_in_bytes(self) -> int:
        return self._size


class FetchedRun:
    """Hands out all records as one run; stands where aiokafka's PartitionRecords hands out records."""

    def __init__(self, tp: TopicPartition, records: Fetched, aborted: Any, fetch_offset: int, *_: Any) -> None:
        self.next_fetch_offset = fetch_offset
        self._batches = records.batches

    def __iter__(self) -> Iterator[Run]:
        return self

    def __next__(self) -> Run:
        if not self._batches:
            raise StopIteration
        taken, self._batches = self._batches, []
        self.next_fetch_offset = taken[-1].next_offset
        full = [batch for batch in taken if batch.count]
        if not full:
            raise StopIteration
        return run_of(full)


def keep_fetches_whole() -> None:
    """Give aiokafka our classes: from now on, consumers of this process receive runs."""
    read_in_frames()
    fetcher.MemoryRecords = Fetched
    fetcher.PartitionRecords = FetchedRun


class RunConsumer(driver.Consumer):
    """A consumer that yields runs of records, and commits offsets together with metadata."""

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Fetch once and yield one message per partition, whose value is a Run."""
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            # Seeking may fail while partitions are being revoked; the assignment that follows seeks again.
            try:
                await self.perform_seek()
            except Exception as error:
                self.log.warning("seek during a rebalance failed, will be done again: %r", error)
            return
        for partition, run in ((partition, run) for partition, runs in fetched.items() for run in runs):
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return
            tp = TP(*partition)
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            yield (
                tp,
                ConsumerMessage(
                    tp.topic,
                    tp.partition,
                    int(run.offset[-1]),
                    int(run.appended_ms[-1]) / 1000,
                    0,
                    None,
                    None,
                    run,  # Faust passes a value on as it is
                    None,
                    0,
                    0,
                    tp,
                    generation_id=generation,
                ),
            )

    async def commit_with(self, commits: dict[TP, Commit]) -> bool:
        """Commit offsets and metadata of partitions that are still ours.

        Returns:
            False when a rebalance was faster: the new owner does the work again, with the same result.
        """
        return bool(await self._thread.call_thread(self._commit_with, commits))

    async def committed_with(self, tp: TP) -> Commit | None:
        """What the group committed for a partition, None if nothing."""
        found = await self._thread.call_thread(self._committed_with, tp)
        return found if found is None else Commit(found.offset, found.metadata)

    async def _commit_with(self, commits: dict[TP, Commit]) -> bool:
        consumer = self._thread._ensure_consumer()
        ours = consumer.assignment()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(*commit) for tp, commit in commits.items()}
        kept = {tp: offset for tp, offset in wanted.items() if tp in ours}
        try:
            if kept:
                await consumer.commit(kept)
        except (CommitFailedError, IllegalStateError) as error:
            self.log.warning("commit left to the next owner, the group is rebalancing: %r", error)
            return False
        return len(kept) == len(wanted)

    async def _committed_with(self, tp: TP) -> Any:
        key = TopicPartition(*tp)
        coordinator = self._thread._ensure_consumer()._coordinator
        return (await coordinator.fetch_committed_offsets([key])).get(key)


class RunTransport(driver.Transport):
    Consumer = RunConsumer


class NoTables(TableManager):
    """Begins at once: Faust's own waits a second for tables to be named."""

    async def on_start(self) -> None:
        """What the original does after that second."""
        await self._update_channels()
        await self.recovery.start()


class RunApp(faust.App):
    """A Faust app whose agents receive runs."""

    @property
    def runs(self) -> RunConsumer:
        """The consumer, by its own type."""
        return cast(RunConsumer, self.consumer)

    def __init__(self, *args: Any, **options: Any) -> None:
        keep_fetches_whole()
        super().__init__(*args, **options)

    def _create_directories(self) -> None:
        """None: there are no tables, and the folder that the command was called in is not ours."""

    def failure(self) -> str | None:
        """Why the engine will never fetch or commit again; None while it may.

        An error that aiokafka's coordinator cannot get over (a session timeout the broker does not allow, say)
        waits there to be fetched by a caller who, while nothing is assigned, does not come.
        """
        return next(self._failures(), None)

    def _failures(self) -> Iterator[str]:
        if self.crash_reason is not None:
            yield repr(self.crash_reason)
        if self._consumer is None or (consumer := self.runs._thread._consumer) is None:
            return  # not made yet
        thread, coordinator = self.runs._thread, consumer._coordinator
        for error in (thread.crash_reason, getattr(coordinator, "_pending_exception", None)):
            if error is not None:
                yield repr(error)
        if thread._thread is not None and not thread._thread.is_alive():
            yield "the consumer's thread has ended"
        for name, task in (("group", getattr(coordinator, "_coordination_task", None)), ("fetch", consumer._fetcher._fetch_task)):
            if task is not None and task.done():
                yield f"the consumer's {name} task has ended"

    def _new_transport(self) -> RunTransport:
        return RunTransport(self.conf.broker_consumer, self)

"""How Faust is fed: one event per fetched run of one partition, and commits that carry metadata.

Faust hands on what its consumer's `getmany` yields. As shipped that is one message at a time, at a cost of
some 50 µs each. Here a message's value is the list of records of one partition out of one fetch, so the
cost is paid once per run. The private names used are held by tests/contract/test_faust_names.py.
"""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple, cast

import faust
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage


class Commit(NamedTuple):
    """What the group keeps for one partition."""

    offset: int
    metadata: str


Run = list[ConsumerRecord]
"""Records of one partition in log order: raw key and value, offset, timestamp (ms)."""


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
        for partition, run in fetched.items():
            if not self.flow_active or generation != self.app.consumer_generation_id:
                return
            tp = TP(*partition)
            if not run or (active is not None and tp not in active and tp not in self._buffered_partitions):
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            last = run[-1]
            yield (
                tp,
                ConsumerMessage(
                    last.topic,
                    last.partition,
                    last.offset,
                    last.timestamp / 1000,
                    last.timestamp_type,
                    None,
                    None,
                    run,  # type: ignore[arg-type]  # Faust passes a value on as it is
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


class RunApp(faust.App):
    """A Faust app whose agents receive runs."""

    @property
    def runs(self) -> RunConsumer:
        """The consumer, by its own type."""
        return cast(RunConsumer, self.consumer)

    def _new_transport(self) -> RunTransport:
        return RunTransport(self.conf.broker_consumer, self)

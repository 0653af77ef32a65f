"""Records into the log, and the wait until the store has applied them."""

import asyncio
import secrets
from typing import Protocol

from infra.errors import PartUnavailable
from infra.publish import LogUnavailable, Publisher
from schemas.record_part import PART, PARTS_AT_ONCE, REMOVED, Records, encode_parts
from schemas.topics import Topic
from sinks.clickhouse import ClickHouse
from sinks.record_table import place, was_refused
from sinks.tables import Table

WAIT_S = 30.0
"""How long a request waits for the store, beyond what it takes to publish."""

_PAUSE_S = (0.005, 0.05)


class Schemas(Protocol):
    """What is needed of schemas.registry.Registry."""

    def id_of(self, topic: Topic, /) -> int: ...


class RecordsRefused(Exception):
    """The log put something before these records after which they do not fit: a record that they change is gone, or one
    stands where they move one to. None of them is stored.
    """


class RecordLog:
    """Publishes the records of one topic. For one event loop.

    Args:
        bootstrap: host:port[,…] of Kafka.
        registry: finds the schema.
        store: where the records go; None: the caller waits by other means.
        wait_s: how long it waits for the store.
    """

    def __init__(
        self, topic: Topic, table: Table, bootstrap: str, registry: Schemas, store: ClickHouse | None, wait_s: float = WAIT_S
    ) -> None:
        self._topic, self._table, self._bootstrap, self._registry = topic, table, bootstrap, registry
        self._store, self._wait_s = store, wait_s
        self._publisher: Publisher | None = None
        self._applied = 0
        self._asking: asyncio.Task[None] | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def publish(self, records: Records) -> int:
        """Put records into the log as one batch: all of them count, or none.

        Returns:
            the offset at which they do.

        Raises:
            PartUnavailable: the log did not take them all.
        """
        if self._publisher is None or self._publisher.broken.is_set():
            self._publisher = Publisher(self._bootstrap, linger_ms=0)
        schema_id = await asyncio.to_thread(self._registry.id_of, self._topic)
        batch_id = secrets.token_hex(16)
        placed: list[asyncio.Future[int]] = []
        for at in range(0, len(records), PARTS_AT_ONCE * PART):  # encoded piece by piece: less memory, other work in between
            parts = await asyncio.to_thread(encode_parts, self._topic, schema_id, batch_id, records, at)
            placed += [self._publisher.place(self._topic.name, key, value) for key, value in parts]
        try:
            return (await asyncio.gather(*placed))[-1]
        except LogUnavailable as error:
            raise PartUnavailable(
                f"{error}; the records are stored together or not at all: look, or send the same again"
            ) from error

    async def write(self, records: Records) -> None:
        """Publish records and wait until they can be read.

        Raises:
            PartUnavailable: the log did not take them, or the store has not applied them yet.
            RecordsRefused: they do not fit what is there now.
        """
        if not len(records):
            return
        offset = await self.publish(records)
        await self.applied(offset)
        judged = len(records) > PART or bool(records["record_id"].any()) or bool((records["flags"] & REMOVED).any())
        if judged and self._store is not None and await self._store.run(was_refused, self._store, self._table, offset):
            raise RecordsRefused

    async def applied(self, offset: int) -> None:
        """Wait until the store holds what the log says up to an offset.

        Raises:
            PartUnavailable: it does not in time.
        """
        if offset < self._applied:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((offset, waiting))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(self._wait_s):
                await waiting
        except TimeoutError:
            raise PartUnavailable(
                f"the records are safe in the log ({self._topic.name}, offset {offset}), but the store has not applied them "
                f"within {self._wait_s:.0f} s; they will appear when it does; the same may be sent again"
            ) from None

    async def _ask(self) -> None:
        """Ask the store how far it is while somebody waits."""
        assert self._store is not None
        pause_s = _PAUSE_S[0]
        while self._waiting:
            try:
                here = await self._store.run(place, self._store, self._table)
                self._applied = max(self._applied, here.next)
            except PartUnavailable:
                pause_s = _PAUSE_S[1]
            for offset, waiting in self._waiting:
                if offset < self._applied and not waiting.done():
                    waiting.set_result(None)
            self._waiting = [one for one in self._waiting if not one[1].done()]
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.3, _PAUSE_S[1])

    async def close(self) -> None:
        """Let what is on its way arrive."""
        if self._asking is not None:
            self._asking.cancel()
        if self._publisher is not None:
            await self._publisher.close()

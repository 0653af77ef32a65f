"""Where the catalog's log ends now: what a process must have applied to know all that others were answered."""

import asyncio

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas import topics

_ASK_S, _WAIT_S = 1.0, 5.0


class LogEnd:
    """Asks Kafka, once for all who want to know at the same time. For one event loop.

    The client is its own: a question behind a fetch that waits for data would wait with it.

    Args:
        bootstrap: host:port[,…] of Kafka.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._client: Consumer | None = None
        self._asking: asyncio.Task[int | None] | None = None
        self._next: asyncio.Task[int | None] | None = None
        self._applied = -1
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def applied(self, offset: int) -> None:
        """A view has applied the log up to and with an offset."""
        self._applied = offset
        for end, reached in self._waiting:
            if offset + 1 >= end and not reached.done():
                reached.set_result(None)
        self._waiting = [one for one in self._waiting if not one[1].done()]

    async def reached(self) -> None:
        """Wait until the view has applied all that is in the log now; not for ever, and not at all when Kafka does not say."""
        end = await self.now()
        if end is None or self._applied + 1 >= end:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((end, reached))
        await asyncio.wait([reached], timeout=_WAIT_S)

    async def now(self) -> int | None:
        """The offset after the last command, asked for after this call; None when Kafka does not say it in time."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask(self._asking))
        return await asyncio.shield(self._next)

    async def _ask(self, before: asyncio.Task[int | None] | None) -> int | None:
        if before is not None:
            await asyncio.wait([before])
        self._asking, self._next = self._next, None  # who comes from here on wants a later answer
        return await asyncio.to_thread(self._end)

    def _end(self) -> int | None:
        try:
            if self._client is None:
                group = "powermon-catalog-end"  # required by the client; no group is joined
                self._client = Consumer({"bootstrap.servers": self._bootstrap, "group.id": group, "log_level": 0})
            end: int = self._client.get_watermark_offsets(TopicPartition(topics.CATALOG.name, 0), timeout=_ASK_S)[1]
        except KafkaException:
            return None
        return end

    async def close(self) -> None:
        if self._next is not None or self._asking is not None:
            await asyncio.wait([task for task in (self._next, self._asking) if task is not None])
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

"""What people say of anomalies, into the log; answered once it can be read here."""

import asyncio
from typing import Protocol

from infra.errors import PartUnavailable
from infra.publish import LogUnavailable, Publisher
from schemas import topics
from schemas.anomaly_note import AnomalyNote
from schemas.registry import Registry
from sinks.clickhouse import ClickHouse
from web import anomaly_queries

WAIT_S = 8.0
_PAUSE_S = (0.02, 0.3)


class Notes(Protocol):
    """Where what people say goes."""

    async def write(self, said: AnomalyNote) -> None:
        """Keep it; when it returns, every reader sees it.

        Raises:
            PartUnavailable: it is not kept, or not to be read yet.
        """

    async def close(self) -> None: ...


class NoteLog:
    """For one event loop.

    Args:
        bootstrap: host:port[,…] of Kafka.
        registry: finds the schema.
        store: where the sink puts it.
        wait_s: how long `write` waits until it is there.
    """

    def __init__(self, bootstrap: str, registry: Registry, store: ClickHouse, wait_s: float = WAIT_S) -> None:
        self._bootstrap, self._registry, self._store, self._wait_s = bootstrap, registry, store, wait_s
        self._publisher: Publisher | None = None

    async def write(self, said: AnomalyNote) -> None:
        """See Notes."""
        schema_id = await asyncio.to_thread(self._registry.id_of, topics.ANOMALY_NOTES)
        if self._publisher is None or self._publisher.broken.is_set():
            self._publisher = Publisher(self._bootstrap, linger_ms=0, timeout_ms=int(WAIT_S * 1000))
        try:
            offset = await self._publisher.place(topics.ANOMALY_NOTES.name, *said.message(schema_id))
        except LogUnavailable as error:
            raise PartUnavailable(f"it is not known whether the note is kept: {error}") from error
        try:
            async with asyncio.timeout(self._wait_s):
                await self._stored(said.anomaly, offset)
        except TimeoutError:
            raise PartUnavailable(
                f"the note is safe in the log ({topics.ANOMALY_NOTES.name}, offset {offset}), but the store has not taken it "
                f"within {self._wait_s:.0f} s; it will appear when it does; the same may be said again"
            ) from None

    async def close(self) -> None:
        """Let what is on its way arrive."""
        if self._publisher is not None:
            await self._publisher.close()

    async def _stored(self, anomaly: str, offset: int) -> None:
        pause_s = _PAUSE_S[0]
        while True:
            try:
                if await anomaly_queries.is_stored(self._store, anomaly, offset):
                    return
            except PartUnavailable:
                pause_s = _PAUSE_S[1]
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.3, _PAUSE_S[1])

"""Frames to Kafka: idempotent, acknowledged by all replicas."""

import asyncio

from infra.errors import PowermonError
from infra.publish import LogUnavailable, Publisher
from infra.settings import Settings
from producers.tic.delivery import DELIVERED, Away
from producers.tic.spool import Entry
from schemas import avro, topics
from schemas.registry import Registry

CLOSE_S = 3.0
_SILENT = 2
"""While a broker is away librdkafka writes several lines a second, for days, to an SD card; our own line says it once."""


class KafkaWay:
    """Publishes to `tic.frames`; a client that has given up is replaced."""

    most = 1000
    backoff_max_s = 30.0

    def __init__(self, settings: Settings) -> None:
        self._bootstrap = settings.kafka
        self._registry = Registry(settings.registry, settings.schema_cache)
        self._head: bytes | None = None
        self._publisher: Publisher | None = None

    async def send(self, entries: list[Entry]) -> int:
        try:
            if self._head is None:
                self._head = avro.header(await asyncio.to_thread(self._registry.id_of, topics.TIC_FRAMES))
            if self._publisher is None:
                self._publisher = Publisher(self._bootstrap, log_level=_SILENT)
            head = self._head
            await self._publisher.send_all(
                topics.TIC_FRAMES.name, [(entry.meter_id.encode(), head + entry.body) for entry in entries]
            )
        except LogUnavailable as error:
            if self._publisher is not None and self._publisher.broken.is_set():
                await self.close()
            raise Away(str(error)) from error
        except PowermonError as error:
            raise Away(str(error)) from error
        DELIVERED.inc(len(entries))
        return len(entries)

    async def close(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.close(CLOSE_S)

"""Whether a sensor numbers its probes 0, 1, 2: as registered, or since a frame of it held a probe 0."""

import asyncio

import structlog

from infra.errors import PowermonError
from producers.gateway.socket_parts import Catalog
from streams.catalog.commands import ChangeSensor


class ZeroBased:
    """What one connection knows of it."""

    def __init__(self, catalog: Catalog, sensor_id: str) -> None:
        self._catalog, self._sensor_id = catalog, sensor_id
        self._seen = False
        self._marking: asyncio.Task[None] | None = None

    @property
    def now(self) -> bool:
        return self._seen or self._registered

    def seen(self) -> None:
        """A good frame held a probe 0: from now on here, and by the catalog on other connections and gateways."""
        self._seen = True
        if not self._registered and (self._marking is None or self._marking.done()):
            self._marking = asyncio.create_task(self._mark())

    @property
    def _registered(self) -> bool:
        sensor = self._catalog.state.sensors.get(self._sensor_id)
        return sensor is not None and sensor.zero_based

    async def _mark(self) -> None:
        log = structlog.get_logger(__name__)
        try:
            command = ChangeSensor(sensor_id=self._sensor_id, zero_based=True)
            await self._catalog.submit(command, actor=f"sensor {self._sensor_id}")
            log.info("sensor numbers its probes from 0", sensor_id=self._sensor_id)
        except PowermonError as error:  # the next frame with a probe 0 tries again
            log.warning("sensor not marked as numbering its probes from 0", sensor_id=self._sensor_id, reason=str(error))

"""The role `meter`: runs of the meter, wherever their records are stored."""

import http.client
import json
import urllib.error
import urllib.request

import pyarrow as pa
import structlog

from infra import health
from infra.cli.sql import explained, token
from infra.errors import ConfigurationError, PartUnavailable
from infra.settings import Settings
from schemas.registry import Registry
from sinks.clickhouse import ClickHouse
from sinks.meter_inputs import Stored
from sinks.service import run_members
from streams.meter.slot import INSTALL, Absent, ProcessSlot, Slot, installed
from streams.meter.worker import Worker

_ASK_S = 60.0

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Do runs until cancelled. Without OpenDSM every run is answered with what to install: somebody must answer it.

    Raises:
        KafkaException: another process has this one's place.
    """
    workers: list[Worker] = []

    async def alive() -> str | None:
        return next((found for worker in workers if (found := worker.stalled())), None)

    async def ready() -> str | None:
        return next((found for worker in workers if (found := worker.problem())), None) if workers else "starting"

    if not installed():
        log.warning("runs will end FAILED", reason=INSTALL)
    runner = await health.serve("127.0.0.1", settings.meter_port, alive, ready)
    query = Lazily(settings) if settings.clickhouse_url else AtTheDoor(settings)
    try:
        registry = Registry(settings.registry, settings.schema_cache)
        workers.append(Worker(settings, registry, Stored(query), slots(settings)))
        await run_members(workers)
    finally:
        await runner.cleanup()


def slots(settings: Settings) -> list[Slot]:
    """Where runs are computed here."""
    if not installed():
        return [Absent()]
    return [ProcessSlot(settings.compiled) for _ in range(settings.meter_slots)]


class Lazily:
    """A ClickHouse server, connected to when it is first asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: ClickHouse | None = None

    def __call__(self, sql: str) -> pa.Table:
        if self._store is None:
            self._store = ClickHouse(self._settings)
        return self._store.arrow(sql)


class AtTheDoor:
    """The embedded engine belongs to the process `store`: it is asked over HTTP, as the operator of this machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Straight to this machine: a proxy of the environment has no part in it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __call__(self, sql: str) -> pa.Table:
        """Raises: PartUnavailable: no web server answers, or it cannot now."""
        try:
            bearer = token(self._settings)
        except ConfigurationError as error:  # `powermon up` writes it once everything has started
            raise PartUnavailable(str(error)) from error
        body = json.dumps({"sql": sql, "format": "ArrowStream"}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
        request = urllib.request.Request(f"{self._settings.web}/api/v1/sql", body, headers, method="POST")  # noqa: S310 (a setting)
        try:
            with self._opener.open(request, timeout=_ASK_S) as answer:
                return pa.ipc.open_stream(answer.read()).read_all()
        except urllib.error.HTTPError as error:
            raise PartUnavailable(str(explained(error))) from error
        except (OSError, http.client.HTTPException, pa.ArrowException) as error:
            address = self._settings.web
            raise PartUnavailable(f"no web server answers at {address} ({error}); start it with `powermon up`") from error

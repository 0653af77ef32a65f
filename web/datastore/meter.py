"""The meter as the REST API sees it: runs into the log, statuses and results out of the store."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from infra.errors import PartUnavailable
from infra.publish import LogUnavailable, Publisher
from schemas import topics
from schemas.registry import Registry
from sinks import meter_reads
from sinks.clickhouse import ClickHouse
from sinks.meter_inputs import Stored
from streams.catalog.datastore.entries import Run
from streams.meter.request import request_of
from web.datastore.answers import Document
from web.datastore.kinds import iso
from web.datastore.ports import RunStatus
from web.identity import Catalog

LOOK_S = 30.0
"""How often runs are looked for that were numbered and never sent: a server may die between the two."""

log = structlog.get_logger()


class MeterLog:
    """For one event loop.

    Args:
        bootstrap: host:port[,…] of Kafka.
        registry: finds the schema.
        store: where the sink puts what the meter's worker wrote.
        catalog: runs, projects, traces, stations.
    """

    def __init__(self, bootstrap: str, registry: Registry, store: ClickHouse, catalog: Catalog) -> None:
        self._bootstrap, self._registry, self._store, self._catalog = bootstrap, registry, store, catalog
        self._publisher: Publisher | None = None
        self._sent: set[int] = set()
        self._looking: asyncio.Task[None] | None = None

    async def queue(self, run: Run) -> None:
        """Send a run to the worker. What was answered to its caller before can be read already: the run sees it.

        Raises:
            PartUnavailable: it is sent later.
        """
        as_of = await self._store.run(Stored(self._store.arrow).position)
        asked = request_of(self._catalog.state, run, as_of)
        if asked is None:
            return
        schema_id = await asyncio.to_thread(self._registry.id_of, topics.METER_RUNS)
        if self._publisher is None or self._publisher.broken.is_set():
            self._publisher = Publisher(self._bootstrap, linger_ms=0)
        try:
            await self._publisher.send(topics.METER_RUNS.name, *asked.message(schema_id))
        except LogUnavailable as error:
            raise PartUnavailable(
                f"run {run.pk} is noted, and will be sent to the meter once the log takes it: {error}"
            ) from error
        self._sent.add(run.pk)

    async def statuses(self, runs: Sequence[int]) -> Mapping[int, RunStatus]:
        """What has become of runs; SUCCESS only when the result can be read."""
        found = await self._store.run(meter_reads.statuses, self._store, runs)
        return {run: RunStatus(status, at_ms * 1000, traceback) for run, status, at_ms, traceback in found}

    async def results(self, runs: Sequence[int]) -> list[Document]:
        """The results of runs, as /project_results/ says them, by rising primary key."""
        found = await self._store.run(meter_reads.results, self._store, runs)
        return [result | {"added": iso(at_us), "updated": iso(at_us)} for result, at_us in found]

    async def savings(self, runs: Sequence[int]) -> list[Document]:
        """What runs say was saved, by rising run."""
        return await self._store.run(meter_reads.savings, self._store, runs)

    async def models(self, runs: Sequence[int]) -> list[Document]:
        """Each model of runs, by rising run and trace: over which time, or why there is none."""
        return [_model(row) for row in await self._store.run(meter_reads.models, self._store, runs)]

    async def latest(self, projects: Sequence[int]) -> Sequence[Document]:
        """The latest result of each of these projects that has one."""
        wanted = set(projects)
        runs = [run.pk for run in self._catalog.state.runs.values() if run.project in wanted and not run.result_removed]
        return await self.results(await self._store.run(meter_reads.latest, self._store, runs))

    async def send_what_was_not(self) -> list[int]:
        """Send the runs that nothing is known of and that this server has not sent; a second time does no harm.

        Returns:
            their primary keys.
        """
        runs = [run for pk, run in self._catalog.state.runs.items() if pk not in self._sent]
        known = await self.statuses([run.pk for run in runs])
        self._sent.update(known)
        lost = [run for run in runs if run.pk not in known]
        for run in lost:
            await self.queue(run)
            self._sent.add(run.pk)
        return [run.pk for run in lost]

    async def start(self) -> None:
        """From now on look after runs that were never sent."""
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        if self._publisher is not None:
            await self._publisher.close()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._catalog.problem() is not None:
                continue
            try:
                if again := await self.send_what_was_not():
                    log.info("runs sent again of which nothing was known", runs=again)
            except PartUnavailable as error:
                log.warning("runs that were never sent are looked for later", reason=str(error))


def _model(row: tuple[Any, ...]) -> Document:
    run, project, trace, period, status, kind, start_us, end_us, reasons, warnings = row
    return {
        "project": project,
        "project_result": run,
        "energy_trace": trace,
        "interpretation": period,
        "status": status,
        "kind": kind or None,
        "start_date": None if start_us is None else iso(start_us),
        "end_date": None if end_us is None else iso(end_us),
        "reasons": list(reasons),
        "warnings": list(warnings),
    }

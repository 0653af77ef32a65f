"""/project_runs/: ask the meter for a run, and see what has become of it."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from streams.catalog.datastore import energy_commands
from streams.catalog.datastore.entries import Run
from streams.catalog.state import State
from web.datastore import filters
from web.datastore.answers import Document, answer
from web.datastore.body import Bodies
from web.datastore.fields import Field, Query, document
from web.datastore.kinds import JSON, Kind, iso, pk
from web.datastore.ports import Meter, RunStatus
from web.datastore.resource import Resource, ResourceApi
from web.identity import Catalog

METER_CLASS = "EnergyEfficiencyMeter"
_WRONG_CLASS = "Invalid meter_class"


def _meter_class(_: State, value: Any) -> str:
    if value != METER_CLASS:
        raise ValueError(_WRONG_CLASS)
    return METER_CLASS


RUNS = Resource(
    "project_runs",
    "One computation of a project's savings.",
    "runs",
    (
        Field("project", pk("projects"), required=True),
        Field("meter_class", Kind(_meter_class, {"enum": [METER_CLASS], "default": METER_CLASS}, not_null=_WRONG_CLASS)),
        Field("meter_settings", JSON, null=True),
    ),
    energy_commands.RequestRun,
    None,
    None,
    filters={"projects": filters.projects("project")},
)


class RunsApi(ResourceApi):
    """The door of runs."""

    def __init__(self, catalog: Catalog, bodies: Bodies, meter: Meter) -> None:
        super().__init__(RUNS, catalog, bodies)
        self._meter = meter

    async def create(self, request: web.Request, said: Any) -> Any:
        run: Run = await super().create(request, said)
        await self._meter.queue(run)
        return run

    async def answer_one(self, entry: Any, query: Query, status: int = 200, *, wrote: bool = False) -> web.StreamResponse:
        known = {} if wrote else await self._meter.statuses([entry.pk])
        return answer(_document(entry, query, known.get(entry.pk)), status)

    async def answer_all(self, entries: Sequence[Any], query: Query) -> web.StreamResponse:
        known = await self._meter.statuses([one.pk for one in entries]) if entries else {}
        return answer([_document(one, query, known.get(one.pk)) for one in entries])


def _document(run: Run, query: Query, known: RunStatus | None) -> Document:
    now = known or RunStatus("PENDING", run.added_us)
    return {
        **document(RUNS.fields, run, query),
        "status": now.status,
        "traceback": now.traceback,
        "added": iso(run.added_us),
        "updated": iso(now.updated_us),
    }

"""/consumption_metadatas/: traces, in the summary form and in the full one with their records."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec
from aiohttp import web

from infra.errors import PartUnavailable
from streams.catalog.datastore import command, energy_commands, projects, traces
from streams.catalog.datastore.entries import Trace
from streams.catalog.state import State
from web.datastore import filters
from web.datastore.answers import Document, Invalid, answer, json_list, listed
from web.datastore.body import Bodies
from web.datastore.fields import Field, Query, check, on
from web.datastore.kinds import SOURCE, choice, pk, text
from web.datastore.ports import TraceRecords
from web.datastore.resource import Resource, ResourceApi
from web.datastore.resources import NO_PROJECT, project_document
from web.datastore.sync import Record, Sync, label_of
from web.identity import IDENTITY, Catalog

INTERPRETATIONS = get_args(command.Interpretation)
UNITS = get_args(command.EnergyUnit)
SUMMARY = "summary"

_INTERPRETATION = Field("interpretation", choice(*INTERPRETATIONS), required=True)
_UNIT = Field("unit", choice(*UNITS), required=True)
_LABEL = Field("label", text(140, blank=True), null=True)
_TRACE = (
    _INTERPRETATION,
    _UNIT,
    Field("project", pk("projects"), null=True),
    _LABEL,
    Field("source", SOURCE, null=True, shown=False),
)


def summary(state: State, trace: Trace) -> Document:
    """A trace with its whole project and without records."""
    project = None if trace.project is None else state.projects.get(trace.project)
    return {
        "id": trace.pk,
        "interpretation": trace.interpretation,
        "unit": trace.unit,
        "project": None if project is None else project_document(project),
        "label": trace.label,
        **_source(trace),
    }


def _source(trace: Trace) -> Document:
    """What a trace's answers hold more when it has a source; others are as the contract has them."""
    return {} if trace.source is None else {"source": SOURCE.say(trace.source)}


def _full(trace: Trace, records: bytes) -> Document:
    return {
        "id": trace.pk,
        "interpretation": trace.interpretation,
        "unit": trace.unit,
        "records": msgspec.Raw(records),
        "project": trace.project,
        "label": trace.label,
        **_source(trace),
    }


def _pk(state: State, record: Record) -> int | None:
    project = projects.by_label(state, label_of(record["project_project_id"]) or "")
    if project is None:
        return None
    key = (record["interpretation"], label_of(record["label"]))
    return next((one.pk for one in traces.of_project(state, project.pk) if (one.interpretation, one.label) == key), None)


TRACES = Resource(
    "consumption_metadatas",
    "A trace: a series of energy records of one kind, of a project or of none.",
    "traces",
    _TRACE,
    energy_commands.CreateTrace,
    energy_commands.ChangeTrace,
    energy_commands.RemoveTrace,
    filters={
        "projects": filters.projects("project"),
        "project": filters.same_pk("project"),
        "label": filters.same_text("label"),
        "interpretation": filters.any_of("interpretation", *INTERPRETATIONS),
        "unit": filters.any_of("unit", *UNITS),
    },
    flags={SUMMARY: "the whole project in place of its key, and no records"},
    say=lambda state, trace, query, wrote: summary(state, trace),
    sync=Sync(
        ("project_project_id", "interpretation", "label"),
        (Field("project_project_id", text(255)), _INTERPRETATION, _LABEL, _UNIT),
        energy_commands.UpsertTrace,
        _pk,
        summary,
        needed=(NO_PROJECT,),
        renamed={"project_project_id": "project"},
    ),
)


class TracesApi(ResourceApi):
    """The door of traces.

    Args:
        records: keeps their records; None: they have none.
    """

    def __init__(self, catalog: Catalog, bodies: Bodies, records: TraceRecords | None) -> None:
        super().__init__(TRACES, catalog, bodies)
        self._records = records

    async def add(self, request: web.Request) -> web.StreamResponse:
        body = await self.bodies.json(request)
        said: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        try:
            said = check(TRACES.asked(request.query), self.state, body)
        except Invalid as error:
            errors.update(error.errors)
        records = None
        if self._records is not None and isinstance(body, dict) and not on(request.query, SUMMARY):
            try:
                records = await self._checked(self._records, body.get("records", []))
            except Invalid as error:
                errors["records"] = error.body
        if errors:
            raise Invalid(errors)
        trace = await self.create(request, said)
        if self._records is not None and records is not None:
            await self._store(self._records, trace, records, request[IDENTITY].name)
        return await self.answer_one(trace, request.query, 201, wrote=True)

    async def answer_one(self, entry: Any, query: Query, status: int = 200, *, wrote: bool = False) -> web.StreamResponse:
        if on(query, SUMMARY):
            return answer(summary(self.state, entry), status)
        return answer(_full(entry, (await self._kept([entry])).get(entry.pk, b"[]")), status)

    async def answer_all(self, entries: Sequence[Any], query: Query) -> web.StreamResponse:
        if on(query, SUMMARY):
            return json_list(await listed(entries, lambda entry: summary(self.state, entry)))
        kept = await self._kept(entries)
        return json_list(await listed(entries, lambda entry: _full(entry, kept.get(entry.pk, b"[]"))))

    async def _kept(self, traces: Sequence[Trace]) -> Mapping[int, bytes]:
        return {} if self._records is None else await self._records.embedded([one.pk for one in traces])

    @staticmethod
    async def _checked(keeper: TraceRecords, records: Any) -> Any:
        if not isinstance(records, list):
            said = f'Expected a list of items but got type "{type(records).__name__}".'
            raise Invalid({"non_field_errors": [said]})
        return await asyncio.to_thread(keeper.checked, records) if records else None

    async def _store(self, keeper: TraceRecords, trace: Trace, records: Any, actor: str) -> None:
        """Records and trace, or neither."""
        try:
            await keeper.store(trace.pk, records)
        except PartUnavailable:
            await self.catalog.submit(energy_commands.RemoveTrace(pk=trace.pk), actor=actor)
            raise

"""Rules of traces: series of energy records, of a project or of none."""

from dataclasses import replace

from streams.catalog import sensors
from streams.catalog.datastore import projects
from streams.catalog.datastore.energy_commands import ChangeTrace, CreateTrace, RemoveTrace, UpsertTrace
from streams.catalog.datastore.entries import Trace
from streams.catalog.datastore.source import TraceSource, problem
from streams.catalog.datastore.verdicts import does_not_exist, next_pk, not_found, null_in, put, removed, upserted
from streams.catalog.outcome import Outcome, refused
from streams.catalog.state import State


def of_project(state: State, project: int) -> list[Trace]:
    """A project's traces, by rising primary key."""
    return [state.traces[pk] for pk in state.index.all("traces", "of_project", project)]


def with_source(state: State) -> list[Trace]:
    """The traces that take the hours of a sensor or meter of ours, by rising primary key."""
    return [state.traces[pk] for pk in state.index.all("traces", "with_source", True)]


def create(state: State, command: CreateTrace, _: int) -> Outcome:
    pk, counted = next_pk(state, "traces")
    trace = Trace(pk, **command.changes())
    wrong = _wrong(state, trace)
    return put("traces", trace, counted) if wrong is None else wrong


def change(state: State, command: ChangeTrace, _: int) -> Outcome:
    known = state.traces.get(command.pk)
    if known is None:
        return not_found(command.pk)
    trace = replace(known, **command.changes())
    wrong = _wrong(state, trace)
    return put("traces", trace) if wrong is None else wrong


def remove(state: State, command: RemoveTrace, _: int) -> Outcome:
    trace = state.traces.get(command.pk)
    return not_found(command.pk) if trace is None else removed("traces", trace)


def upsert(state: State, command: UpsertTrace, _: int) -> Outcome:
    project = projects.by_label(state, command.project_project_id)
    if project is None:
        return refused("no_project", f"there is no project {command.project_project_id!r}", field="project_project_id")
    key = (command.interpretation, command.label)
    found = [trace for trace in of_project(state, project.pk) if (trace.interpretation, trace.label) == key]
    if len(found) > 1:
        return refused("multiple_records", f"{len(found)} traces have this project, interpretation and label", pk=found[-1].pk)
    known = found[0] if found else None
    null = null_in(command, ("interpretation", "unit"), None if known is None else known.pk)
    if null is not None:
        return null
    assert command.interpretation is not None
    assert command.unit is not None
    if known is not None:
        changed = replace(known, unit=command.unit)
        wrong = _wrong(state, changed)
        return upserted("traces", known, changed) if wrong is None else replace(wrong, code="bad_field_value", pk=known.pk)
    pk, counted = next_pk(state, "traces")
    return upserted("traces", None, Trace(pk, command.interpretation, command.unit, project.pk, command.label), counted)


def _wrong(state: State, trace: Trace) -> Outcome | None:
    if trace.project is not None and trace.project not in state.projects:
        return does_not_exist("project", trace.project)
    return None if trace.source is None else _wrong_source(state, trace, trace.source)


def _wrong_source(state: State, trace: Trace, source: TraceSource) -> Outcome | None:
    said = problem(source)
    if said is not None:
        return refused("bad_source", said, field="source")
    sensor = state.sensors.get(source.id)
    heard = sensor is None and source.kind == "linky" and sensors.names("linky", source.id)  # it need not be registered
    if not heard and (sensor is None or sensor.kind != source.kind):
        return refused("unknown_sensor", f"there is no {source.kind} sensor {source.id}", field="source")
    if trace.unit != "KWH" or not trace.interpretation.startswith("E_"):
        field = "unit" if trace.unit != "KWH" else "interpretation"
        return refused("bad_source", "A trace with a source is of electricity, in KWH.", field=field)
    return None

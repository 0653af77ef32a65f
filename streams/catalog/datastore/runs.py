"""Rules of runs: the catalog gives their numbers; what becomes of them is the meter's."""

from dataclasses import replace

from streams.catalog.datastore.energy_commands import RemoveResult, RequestRun
from streams.catalog.datastore.entries import Run
from streams.catalog.datastore.verdicts import does_not_exist, next_pk, not_found, put
from streams.catalog.outcome import Outcome
from streams.catalog.state import State


def request(state: State, command: RequestRun, at_ms: int) -> Outcome:
    if command.project not in state.projects:
        return does_not_exist("project", command.project)
    pk, counted = next_pk(state, "runs")
    return put("runs", Run(pk, command.project, command.meter_class, command.meter_settings, at_ms * 1000), counted)


def remove_result(state: State, command: RemoveResult, _: int) -> Outcome:
    known = state.runs.get(command.pk)
    if known is None or known.result_removed:
        return not_found(command.pk)
    return put("runs", replace(known, result_removed=True))


def of_project(state: State, project: int) -> list[Run]:
    """A project's runs, by rising primary key."""
    return [state.runs[pk] for pk in state.index.all("runs", "of_project", project)]

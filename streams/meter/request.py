"""A run that the catalog has numbered, with all that the catalog knows of it: what the worker is sent."""

from schemas.meter_run import MeterRun, MeterStation, MeterTrace
from streams.catalog.datastore import stations
from streams.catalog.datastore.entries import Run
from streams.catalog.state import State


def request_of(state: State, run: Run, as_of: dict[str, int]) -> MeterRun | None:
    """The message that asks for a run; None: its project is gone.

    Args:
        as_of: next offset by topic, which the run must see.
    """
    project = state.projects.get(run.project)
    if project is None:
        return None
    station = stations.of_project(state, project)
    traces = [state.traces[pk] for pk in state.index.all("traces", "of_project", project.pk)]
    return MeterRun(
        run.pk,
        project.pk,
        project.project_id,
        run.added_us // 1000,
        run.meter_class,
        run.meter_settings,
        project.baseline_period_end_us,
        project.reporting_period_start_us,
        project.zipcode,
        project.timezone,
        tuple(MeterTrace(trace.pk, trace.interpretation, trace.unit) for trace in traces),
        None if station is None else MeterStation(station.pk, station.station_id, station.unit, station.timezone),
        as_of,
    )

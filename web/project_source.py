"""What a project's page is made of, collected from the catalog, the store and what the meter left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sinks.clickhouse import ClickHouse
from streams.catalog.datastore import stations, traces
from streams.catalog.datastore.entries import Project, Run, Station, Trace
from streams.catalog.state import State
from web import project_queries
from web.datastore.meter import MeterLog
from web.datastore.ports import RunStatus
from web.pages.project import Curve
from web.project_queries import Model
from web.view import project_days
from web.view.project_days import Floats, Int64s, Series, Usage

BASELINE, REPORTING = "BASELINE", "REPORTING"
_NOTHING = Series(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Shown:
    """One project with one of its traces.

    Attributes:
        zone: whose days are shown.
        trace: None: the project has none.
        edges, warmth: midnights, and the mean temperature between each two, in the station's unit.
        temperature: the mean over each day, or bill, of `usage`.
        runs: all of the project's.
        result: the run whose result is shown; None: there is none.
        models: of the trace, by period.
        half_width: of one day of the baseline's model, the trace's unit; None: there is no such model.
        savings: rows of that run, as /project_savings/ gives them.
        unmodelled: traces of which that run has no baseline model.
    """

    project: Project
    zone: str
    station: Station | None
    traces: Sequence[Trace]
    trace: Trace | None
    usage: Usage
    edges: Int64s
    warmth: Floats
    temperature: Floats
    runs: Sequence[Run]
    statuses: Mapping[int, RunStatus]
    result: int | None
    models: Mapping[str, Model]
    half_width: float | None
    savings: Sequence[Mapping[str, Any]]
    unmodelled: Sequence[Trace]

    @property
    def unit(self) -> str:
        """Of the temperatures."""
        return "DEGC" if self.station is None else self.station.unit

    def curve(self, period: str) -> Curve | None:
        """A period's model by day; None when it has none."""
        one = self.models.get(period)
        return None if one is None else curve(one.curve, self.unit)

    @property
    def against(self) -> Curve | None:
        """The reporting period, metered, and as the baseline's model expects it."""
        one = self.models.get(BASELINE)
        return None if one is None else curve(one.metered, self.unit)


def curve(found: Mapping[str, list[float | None]], unit: str) -> Curve | None:
    """A model's columns; None when there are no days in them."""
    names = ("day_s", "temperature_f", "metered", "predicted")
    day_s, temperature, metered, predicted = (project_days.column(found, name) for name in names)
    return Curve(day_s, project_days.to_unit(temperature, unit), metered, predicted) if len(day_s) else None


async def shown(db: ClickHouse, meter: MeterLog, state: State, project: Project, asked: int | None) -> Shown:
    """A project, with the trace somebody asks for, else one that has a model, else the first.

    Raises:
        PartUnavailable: ClickHouse does not answer.
    """
    station = stations.of_project(state, project)
    zone = project.timezone or (station.timezone if station is not None else "UTC")
    own = traces.of_project(state, project.pk)
    runs = [state.runs[pk] for pk in state.index.all("runs", "of_project", project.pk)]
    may_show = [run.pk for run in runs if not run.result_removed]
    statuses, latest = await project_queries.together(
        meter.statuses([run.pk for run in runs]), project_queries.with_result(db, may_show)
    )
    result = latest[0] if latest else None
    models: Mapping[tuple[int, str], Model] = {}
    results, savings = [], []
    if result is not None:
        models, results, savings = await project_queries.together(
            project_queries.models(db, result), meter.results([result]), meter.savings([result])
        )
    trace = _chosen(own, asked, models)
    records, readings = await project_queries.together(
        _or_nothing(None if trace is None else project_queries.consumption(db, trace.pk)),
        _or_nothing(None if station is None else project_queries.temperatures(db, station.pk)),
    )
    used = project_days.usage(records, zone)
    edges = (
        project_days.midnights(int(used.start_s[0]), int(used.end_s[-1]) - 1, zone)
        if len(used.start_s)
        else np.zeros(0, np.int64)
    )
    of_trace = {} if trace is None else {period: one for (pk, period), one in models.items() if pk == trace.pk}
    return Shown(
        project,
        zone,
        station,
        own,
        trace,
        used,
        edges if len(readings.start_us) else edges[:0],
        project_days.warmth(readings, edges[:-1], edges[1:]) if len(edges) and len(readings.start_us) else np.zeros(0),
        project_days.warmth(readings, used.start_s, used.end_s),
        runs,
        statuses,
        result,
        of_trace,
        None if trace is None else _half_width(results, trace.pk),
        savings,
        [] if result is None else [one for one in own if not _is_fitted(models.get((one.pk, BASELINE)))],
    )


def _is_fitted(model: Model | None) -> bool:
    return model is not None and model.status == "SUCCESS"


async def _or_nothing(asked: Any) -> Series:
    return _NOTHING if asked is None else await asked


def _chosen(own: Sequence[Trace], asked: int | None, models: Mapping[tuple[int, str], Model]) -> Trace | None:
    of = {trace.pk: trace for trace in own}
    if asked in of:
        return of[asked]
    fitted = [pk for pk in of if _is_fitted(models.get((pk, BASELINE)))]
    return of[min(fitted)] if fitted else (own[0] if own else None)


def _half_width(results: Sequence[Mapping[str, Any]], trace: int) -> float | None:
    for result in results:
        baseline = next(one["id"] for one in result["modeling_periods"] if one["interpretation"] == BASELINE)
        for one in result["energy_trace_model_results"]:
            if one["energy_trace"] == trace and one["modeling_period"] == baseline:
                found: float | None = one["upper"]
                return found
    return None

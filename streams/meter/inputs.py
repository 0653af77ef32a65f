"""What a run reads, behind one interface: the worker knows no storage."""

from typing import Protocol

from infra.errors import PartUnavailable
from schemas.meter_run import MeterRun
from streams.meter.task import Columns, Project, Task, Trace, Weather

_TRIES = 5


class NotYet(PartUnavailable):
    """The store has not yet what the run must see."""


class Inputs(Protocol):
    """Where records are read. Calls block, and may raise PartUnavailable: then they are made again later."""

    def position(self) -> dict[str, int]:
        """Next offset by topic: all that stands before it can be read."""

    def read_trace(self, trace: int) -> Columns:
        """The records of a trace, by rising start."""

    def read_weather(self, station: int, *, normal: bool) -> Columns:
        """The temperatures of a station, by rising start."""


def read(run: MeterRun, settings: object, inputs: Inputs) -> Task:
    """Read all that a run needs, as of one place in the log where the log leaves it alone long enough.

    Raises:
        NotYet: the store is behind what the run must see.
        PartUnavailable: it cannot be read now.
    """
    at = inputs.position()
    for topic, offset in run.as_of.items():
        if topic in at and at[topic] < offset:
            raise NotYet(f"the store holds {topic} up to {at[topic]}, and run {run.run} must see it up to {offset}")
    for _ in range(_TRIES):
        task = _read(run, settings, inputs, run.as_of | at)
        after = inputs.position()
        if after == at:
            break
        at = after  # records came meanwhile: some may be in what was read, others not
    return task


def _read(run: MeterRun, settings: object, inputs: Inputs, as_of: dict[str, int]) -> Task:
    station = run.station
    weather = None
    if station is not None:
        observed, normal = (inputs.read_weather(station.pk, normal=which) for which in (False, True))
        weather = Weather(station.pk, station.station_id, station.unit, station.timezone, observed, normal)
    project = Project(
        run.project,
        run.project_id,
        run.baseline_period_end_us,
        run.reporting_period_start_us,
        run.zipcode,
        run.timezone,
    )
    traces = tuple(Trace(t.pk, t.interpretation, t.unit, inputs.read_trace(t.pk)) for t in run.traces)
    return Task(run.run, project, run.meter_class, settings, traces, weather, as_of)

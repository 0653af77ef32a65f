"""The simulated buildings that come with OpenDSM, read by ourselves: its own reader moves days to UTC midnight."""

import csv
import gzip
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from streams.meter.task import Columns, Project, Task, Trace, Weather

BASELINE_END = "2016-12-26T06:00:00+00:00"
REPORTING_START = "2017-01-04T06:00:00+00:00"
ZONE = "America/Chicago"
HOUR_US = 3_600_000_000


def us(text: str) -> int:
    """ISO 8601 to microseconds since 1970."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def folder() -> Path:
    found = find_spec("opendsm")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "eemeter" / "samples"


@cache
def columns(name: str) -> Columns:
    """One of the samples."""
    with gzip.open(folder() / f"{name}.csv.gz", "rt") as file:
        rows = list(csv.reader(file))[1:]
    return Columns.of([us(row[0]) for row in rows], [float(row[1]) if row[1] else None for row in rows])


def part(records: Columns, first: str, end: str) -> Columns:
    """Records from one instant to another, the one at the end included: it closes the series."""
    inside = (records.start_us >= us(first)) & (records.start_us <= us(end))
    return Columns(records.start_us[inside], records.value[inside], records.estimated[inside])


def project(**values: object) -> Project:
    known: dict[str, object] = {
        "pk": 2,
        "project_id": "IL",
        "baseline_period_end_us": us(BASELINE_END),
        "reporting_period_start_us": us(REPORTING_START),
    }
    return Project(**known | values)  # type: ignore[arg-type]


def weather(unit: str = "DEGF", zone: str = ZONE, records: Columns | None = None) -> Weather:
    return Weather(1, "illinois", unit, zone, columns("il-tempF") if records is None else records, Columns.of())


def trace(pk: int, sample: str, interpretation: str = "E_C_S", unit: str = "KWH") -> Trace:
    return Trace(pk, interpretation, unit, columns(sample))


def task(*traces: Trace, settings: object = None, at: Weather | None = None, **values: object) -> Task:
    return Task(7, project(**values), "EnergyEfficiencyMeter", settings, traces, at or weather())


def steady(first: str, step_us: int, count: int, value: float) -> Columns:
    """Records of one value, and one behind them that closes the series."""
    starts = us(first) + np.arange(count + 1) * step_us
    return Columns.of(starts, np.append(np.full(count, value), np.nan))

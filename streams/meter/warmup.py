"""Loads the meter and lets it fit a made-up year, so that no run pays for loading and compiling."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from streams.meter.task import Columns, Project, Task, Trace, Weather

_DAYS = 420
_START = datetime(2019, 1, 1, tzinfo=UTC)


def load() -> Callable[[Task], dict[str, Any]]:
    """Returns the function that computes a run, compiled code in place."""
    from streams.meter.run import compute

    compute(year())
    return compute


def year() -> Task:
    """A run without chance: warmth by season and hour, energy by warmth and weekday."""
    hour = np.arange(_DAYS * 24)
    warmth = 55 - 25 * np.cos(2 * np.pi * hour / 8766) + 8 * np.sin(2 * np.pi * hour / 24) + 4 * np.sin(hour / 97)
    day = np.arange(_DAYS)
    mean = warmth.reshape(-1, 24).mean(axis=1)
    energy = 10 + 0.4 * np.maximum(0, mean - 68) + 0.3 * np.maximum(0, 60 - mean) + (day % 7 == 0) + 0.5 * np.sin(day * 1.7)
    start_us = int(_START.timestamp()) * 1_000_000
    weather = Weather(0, "made up", "DEGF", "UTC", Columns.of(start_us + hour * 3_600_000_000, warmth), Columns.of())
    records = Columns.of(start_us + day * 86_400_000_000, energy)
    end_us = int((_START + timedelta(days=370)).timestamp()) * 1_000_000
    project = Project(0, "made up", end_us, end_us)
    return Task(1, project, "EnergyEfficiencyMeter", None, (Trace(0, "E_C_S", "KWH", records),), weather)

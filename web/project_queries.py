"""All that the pages of projects ask ClickHouse; times are UTC. The names are those of sinks/meter_tables.py."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.record_part import weather_series
from sinks import meter_reads, tables
from sinks.clickhouse import ClickHouse
from web.view.project_days import Series

_SERIES = """
SELECT start_us, value FROM {table} FINAL WHERE series = {{series:UInt64}} AND NOT removed ORDER BY start_us
"""

_MODELS = """
SELECT energy_trace, modeling_period, status, kind, reasons, warnings, curve, metered
FROM meter_models
WHERE run = {run:UInt64}
"""


@dataclass(frozen=True, slots=True)
class Model:
    """One trace's model of one period, as a run left it.

    Attributes:
        curve, metered: by day: day_s, temperature_f, metered, predicted; `metered` is the reporting period against the
            baseline's model, of the baseline only.
    """

    trace: int
    period: str
    status: str
    kind: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    curve: dict[str, list[float | None]]
    metered: dict[str, list[float | None]]


async def consumption(db: ClickHouse, trace: int) -> Series:
    """A trace's records."""
    return await db.run(_series, db, tables.CONSUMPTION_RAW.name, trace)


async def temperatures(db: ClickHouse, station: int) -> Series:
    """What a station observed, in its own unit."""
    return await db.run(_series, db, tables.WEATHER_RAW.name, weather_series(station, normal=False))


async def models(db: ClickHouse, run: int) -> dict[tuple[int, str], Model]:
    """A run's models by trace and period."""
    rows = await db.run(db.rows, _MODELS, {"run": run})
    found = [
        Model(trace, period, status, kind, tuple(reasons), tuple(warnings), _json(curve), _json(metered))
        for trace, period, status, kind, reasons, warnings, curve, metered in rows
    ]
    return {(one.trace, one.period): one for one in found}


async def with_result(db: ClickHouse, runs: Sequence[int]) -> list[int]:
    """Of these runs, by project, the last that has a result."""
    return await db.run(meter_reads.latest, db, runs)


async def together(*asked: Any) -> list[Any]:
    """Questions side by side."""
    return list(await asyncio.gather(*asked))


def _series(db: ClickHouse, table: str, series: int) -> Series:
    found = db.arrow(_SERIES.format(table=table), {"series": series})
    value = found.column("value").cast(pa.float64()).to_numpy()  # null becomes NaN
    return Series(found.column("start_us").to_numpy().astype(np.int64), value.astype(np.float64))


def _json(text: Any) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = json.loads(text or "{}")
    return found

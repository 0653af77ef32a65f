"""A house with a retrofit, as rows of ClickHouse: two years of hours, its weather, and the result of a run."""

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.record_part import weather_series
from sinks import meter_tables, tables
from sinks.clickhouse import ClickHouse

ZONE = "Europe/Paris"
T0 = 1_672_527_600
"""2023-01-01 in Paris."""

DAYS, BASELINE_DAYS = 730, 365
HALF_WIDTH, SAVED, BAND = 4.0, 1500.0, 210.0
GAP = range(420, 430)
"""Days of which nothing is known."""


def temperature_c(hour: int) -> float:
    day = hour / 24
    return 11 - 9 * math.cos(day / 365 * 2 * math.pi) + 3 * math.sin(hour / 24 * 2 * math.pi - 2) + 3 * math.sin(day / 3.7)


def energy_kwh(hour: int) -> float:
    heating = max(0.0, 16 - temperature_c(hour)) * (0.16 if hour < BASELINE_DAYS * 24 else 0.11)
    return 0.35 + heating + 0.1 * math.sin(hour * 1.7) ** 2


def fill(db: ClickHouse, trace: int, station: int) -> None:
    """Hourly records and temperatures."""
    hours = np.arange(DAYS * 24 + 1)
    energy = [energy_kwh(int(hour)) for hour in hours]
    known = np.array([hour // 24 not in GAP for hour in hours]) & (hours < DAYS * 24)
    _records(db, tables.CONSUMPTION_RAW.name, trace, hours, energy, known)
    warmth = [temperature_c(int(hour)) for hour in hours]
    _records(db, tables.WEATHER_RAW.name, weather_series(station, normal=False), hours, warmth, np.ones(len(hours), np.bool_))


def _records(db: ClickHouse, table: str, series: int, hours: Any, values: list[float], known: Any) -> None:
    n = len(hours)
    columns = {
        "series": pa.array(np.full(n, series, np.uint64)),
        "start_us": pa.array((T0 + hours * 3600) * 1_000_000),
        "id": pa.array(np.arange(1, n + 1, dtype=np.uint64)),
        "value": pa.array(values, mask=~known),
        "estimated": pa.array(np.zeros(n, np.bool_)),
        "removed": pa.array(np.zeros(n, np.bool_)),
        "version": pa.array(np.full(n, 1, np.uint64)),
        "resume": pa.array(np.zeros(n, np.uint64)),
    }
    db.insert(table, pa.RecordBatch.from_pydict(columns))


def _curve(first: int, end: int, shift: float = 0.0) -> dict[str, list[float]]:
    """By day: the model that would be fitted, and what was metered."""
    days = [day for day in range(first, end) if day not in GAP]
    mean = [sum(temperature_c(24 * day + h) for h in range(24)) / 24 for day in days]
    metered = [sum(energy_kwh(24 * day + h) for h in range(24)) for day in days]
    slope = 24 * (0.16 if shift or first < BASELINE_DAYS else 0.11)
    return {
        "day_s": [T0 + 86_400.0 * day for day in days],
        "temperature_f": [t * 1.8 + 32 for t in mean],
        "metered": metered,
        "predicted": [9.6 + slope * max(0.0, 16 - t) for t in mean],
    }


def succeed(db: ClickHouse, run: int, project: int, trace: int, failed: int | None = None) -> None:
    """The result of a run; `failed`: a trace of which no model could be had."""
    result = {
        "id": run,
        "project": project,
        "modeling_periods": [{"id": 1, "interpretation": "BASELINE"}, {"id": 2, "interpretation": "REPORTING"}],
        "energy_trace_model_results": [{"energy_trace": trace, "modeling_period": 1, "upper": HALF_WIDTH}],
    }
    row = {"project": project, "interpretation": "avoided_energy_use", "upper": BAND, "lower": BAND, "n": 355, "value": SAVED}
    values = {"baseline_value": 9000.0, "reporting_value": 9000.0 - SAVED}
    named = [{"energy_trace": None, "trace_interpretation": "ELECTRICITY_CONSUMPTION_SUPPLIED"}]
    named.append({"energy_trace": trace, "trace_interpretation": "E_C_S"})
    unclear = {**row, **values, **named[0], "interpretation": "gross_predicted", "value": 100.0}
    savings = [*({**row, **values, **one} for one in named), unclear]
    at = T0 * 1_000_000 + 800 * 86_400_000_000
    status(db, run, project, "SUCCESS")
    texts = {"result": json.dumps(result), "savings": json.dumps(savings), "digest": "d", "origin": "{}"}
    _insert(db, meter_tables.METER_RESULTS_RAW.name, [{"run": run, "project": project, "computed_at": at, **texts, "version": 1}])
    models = [
        _model(run, project, trace, "BASELINE", _curve(0, BASELINE_DAYS), _curve(BASELINE_DAYS, DAYS, shift=1.0)),
        _model(run, project, trace, "REPORTING", _curve(BASELINE_DAYS, DAYS), {}),
    ]
    if failed is not None:
        models.append(
            {**_model(run, project, failed, "BASELINE", {}, {}), "status": "FAILURE", "reasons": ["too few days: 12 of 365"]}
        )
    _insert(db, meter_tables.METER_MODELS_RAW.name, models)


def _model(run: int, project: int, trace: int, period: str, curve: Any, metered: Any) -> dict[str, Any]:
    names = {"run": run, "project": project, "energy_trace": trace, "modeling_period": period}
    texts = {"status": "SUCCESS", "kind": "daily", "reasons": [], "warnings": [], "model": None}
    return {
        **names,
        **texts,
        "start_us": 0,
        "end_us": 0,
        "curve": json.dumps(curve),
        "metered": json.dumps(metered),
        "version": 1,
    }


def status(db: ClickHouse, run: int, project: int, said: str, traceback: str | None = None) -> None:
    """What has become of a run."""
    at = T0 * 1000 + 800 * 86_400_000
    row = {"run": run, "project": project, "status": said, "attempt": 1, "traceback": traceback, "at": at, "version": run}
    _insert(db, meter_tables.METER_RUN_STATUS_RAW.name, [row])


def _insert(db: ClickHouse, table: str, rows: list[dict[str, Any]]) -> None:
    types = {
        **dict.fromkeys(("run", "project", "energy_trace", "version"), pa.uint64()),
        **dict.fromkeys(("model", "traceback"), pa.string()),
        **dict.fromkeys(("reasons", "warnings"), pa.list_(pa.string())),
        "attempt": pa.uint8(),
        "at": pa.timestamp("ms", "UTC"),
        "computed_at": pa.timestamp("us", "UTC"),
    }
    names = list(rows[0])
    db.insert(table, pa.RecordBatch.from_pydict({name: pa.array([row[name] for row in rows], types.get(name)) for name in names}))

"""One run, computed: a pure function from a task to the result that goes to the log."""

import importlib.metadata
import platform
from typing import Any

import pandas as pd

from streams.meter.aggregate import AVOIDED, BASELINE, DERIVATIVES, REPORTING, Aggregation, Figure, Figures, aggregations
from streams.meter.evaluate import Evaluated, Side, evaluate
from streams.meter.fit import quiet, version
from streams.meter.readings import temperatures, zone_of
from streams.meter.task import MeterSettings, Task, Weather

IDS_PER_RUN = 1 << 20
"""Room for the primary keys inside one result: they derive from the run's, so that a run done twice gives the same."""

_VERSIONS = ("opendsm", "numpy", "pandas", "scipy", "numba")


def compute(task: Task) -> dict[str, Any]:
    """Compute a run.

    Returns:
        "project_result" in the contract's words and order (its two times come from whoever writes it),
        "savings", "models", "versions", "digest", "as_of", "weather", "warnings".

    Raises:
        RunFailed: the project or the settings allow no result.
    """
    settings = MeterSettings.of(task.meter_settings)
    baseline_end_us, reporting_start_us = task.project.periods()
    zone, told = zone_of(task.project.timezone, task.weather)
    bounds = _instant(baseline_end_us).tz_convert(zone), _instant(reporting_start_us).tz_convert(zone)
    empty = pd.Series(dtype=float)
    with quiet():
        temperature = empty if task.weather is None else temperatures(task.weather, zone)
        normal = empty if task.weather is None else temperatures(task.weather, zone, normal=True)
        done = [evaluate(trace, zone, bounds, temperature, normal, settings) for trace in task.traces]
    figures = [Figures(e.trace.pk, e.trace.interpretation, e.trace.unit, _by_period(e)) for e in done]
    return {
        "project_result": {
            "id": task.run,
            "project": task.project.pk,
            "eemeter_version": f"opendsm {version}",
            "meter_class": task.meter_class,
            "meter_settings": task.meter_settings,
            "modeling_periods": _modeling_periods(task.run, baseline_end_us, reporting_start_us),
            "modeling_period_groups": [
                {"id": task.run, "baseline_period": 2 * task.run - 1, "reporting_period": 2 * task.run},
            ],
            "derivative_aggregations": _aggregations(task.run, aggregations(figures, DERIVATIVES)),
            "energy_trace_model_results": _model_results(task.run, done),
        },
        "savings": _savings(task, figures),
        "models": [_model(e, side, task.run) for e in done for side in e.sides.values()],
        "versions": versions(),
        "digest": task.digest(),
        "as_of": task.as_of,
        "weather": _weather(task.weather),
        "warnings": [told] if told else [],
    }


def versions() -> dict[str, str]:
    """What a result may depend on besides its input."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _VERSIONS}


def _by_period(evaluated: Evaluated) -> dict[str, dict[str, Figure]]:
    return {name: side.figures for name, side in evaluated.sides.items()}


def _modeling_periods(run: int, baseline_end_us: int, reporting_start_us: int) -> list[dict[str, Any]]:
    return [
        {"id": 2 * run - 1, "interpretation": BASELINE, "start_date": None, "end_date": iso(baseline_end_us)},
        {"id": 2 * run, "interpretation": REPORTING, "start_date": iso(reporting_start_us), "end_date": None},
    ]


def _period_of(run: int, period: str) -> int:
    return 2 * run - (period == BASELINE)


def _aggregations(run: int, found: list[Aggregation]) -> list[dict[str, Any]]:
    return [
        {
            "id": (run - 1) * IDS_PER_RUN + 1 + at,
            "modeling_period_group": run,
            "trace_interpretation": one.name,
            "interpretation": one.interpretation,
            **{f"baseline_{name}": getattr(one.baseline, name) for name in ("value", "upper", "lower", "n")},
            **{f"reporting_{name}": getattr(one.reporting, name) for name in ("value", "upper", "lower", "n")},
        }
        for at, one in enumerate(found)
    ]


def _model_results(run: int, done: list[Evaluated]) -> list[dict[str, Any]]:
    """Two for each trace; fitted ones first, because people and programs look at the first."""
    sides = [(e, side) for e in done for side in e.sides.values()]
    sides.sort(key=lambda pair: not any(side.model for side in pair[0].sides.values()))
    first = (run - 1) * IDS_PER_RUN + 1
    found, derivative = [], first
    for at, (evaluated, side) in enumerate(sides):
        derivatives = []
        for name in DERIVATIVES:
            if name in side.figures:
                f = side.figures[name]
                derivatives.append(
                    {"id": derivative, "interpretation": name, "value": f.value, "upper": f.upper, "lower": f.lower, "n": f.n}
                )
                derivative += 1
        found.append(
            {
                "id": first + at,
                "project_result": run,
                "energy_trace": evaluated.trace.pk,
                "modeling_period": _period_of(run, side.period),
                "derivatives": derivatives,
                **_quality(side),
            }
        )
    return found


def _quality(side: Side) -> dict[str, Any]:
    model = side.model
    if model is None:
        nothing = dict.fromkeys(("r2", "rmse", "cvrmse", "model_serializiation", "upper", "lower", "n"))
        return {"status": "FAILURE", **nothing}
    half = model.point_half_width()
    return {
        "status": "SUCCESS",
        "r2": model.r2,
        "rmse": model.rmse,
        "cvrmse": model.cvrmse,
        "model_serializiation": None,
        "upper": half,
        "lower": half,
        "n": model.n,
    }


def _savings(task: Task, figures: list[Figures]) -> list[dict[str, Any]]:
    """Baseline minus reporting, in kWh: of the sums, then the metered savings of each trace."""
    rows: list[tuple[int | None, Aggregation]] = [
        (None, one) for one in aggregations(figures, (*DERIVATIVES, AVOIDED), generation=False)
    ]
    for trace in figures:
        baseline, reporting = trace.pair(AVOIDED)
        if baseline is not None and reporting is not None and trace.interpretation in ("E_C_S", "NG_C_S"):
            rows.append((trace.pk, Aggregation(trace.interpretation, AVOIDED, baseline, reporting)))
    found = []
    for at, (trace_pk, one) in enumerate(rows):
        saved = one.baseline.minus(one.reporting)
        found.append(
            {
                "id": (task.run - 1) * IDS_PER_RUN + 1 + at,
                "project": task.project.pk,
                "project_result": task.run,
                "energy_trace": trace_pk,
                "trace_interpretation": one.name,
                "interpretation": one.interpretation,
                "unit": "KWH",
                "baseline_value": one.baseline.value,
                "reporting_value": one.reporting.value,
                "value": saved.value,
                "upper": saved.upper,
                "lower": saved.lower,
                "n": saved.n,
            }
        )
    return found


def _model(evaluated: Evaluated, side: Side, run: int) -> dict[str, Any]:
    first_us, end_us = side.window or (None, None)
    return {
        "run": run,
        "energy_trace": evaluated.trace.pk,
        "modeling_period": side.period,
        "status": "FAILURE" if side.model is None else "SUCCESS",
        "kind": side.kind,
        "start_us": first_us,
        "end_us": end_us,
        "reasons": side.reasons,
        "warnings": side.warnings,
        "model": None if side.model is None else side.model.serialized(),
        "curve": side.curve,
        "metered": evaluated.metered if side.period == BASELINE else {},
    }


def _weather(weather: Weather | None) -> dict[str, Any] | None:
    if weather is None:
        return None
    starts = weather.observed.start_us
    return {
        "station": weather.station,
        "station_id": weather.station_id,
        "records": len(starts),
        "first": iso(int(starts[0])) if len(starts) else None,
        "last": iso(int(starts[-1])) if len(starts) else None,
        "normal_records": len(weather.normal),
    }


def iso(us: int) -> str:
    """An instant in the contract's form."""
    return str(_instant(us).isoformat()).replace("+00:00", "Z")


def _instant(us: int) -> Any:
    return pd.Timestamp(us, unit="us", tz="UTC")

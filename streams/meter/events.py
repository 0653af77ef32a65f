"""From what a run came to, to the messages that say so. Pure: the worker's clock is an argument."""

import json
from typing import Any

from schemas.meter_model import MeterModel
from schemas.meter_result import MeterResult
from schemas.meter_run import MeterRun
from schemas.meter_run_status import MeterRunStatus

TRACEBACK_MAX = 20_000
"""Characters of a traceback that are kept: its end says most."""


def status_of(run: MeterRun, status: str, attempt: int, at_ms: int, traceback: str | None = None) -> MeterRunStatus:
    """How far a run is."""
    return MeterRunStatus(run.run, run.project, status, attempt, traceback and traceback[-TRACEBACK_MAX:], at_ms)


def result_of(run: MeterRun, found: dict[str, Any], at_us: int) -> MeterResult:
    """The result of a run, from what `run.compute` returned."""
    origin = {name: found[name] for name in ("versions", "as_of", "weather", "warnings")}
    return MeterResult(
        run.run, run.project, at_us, dumps(found["project_result"]), dumps(found["savings"]), found["digest"], dumps(origin)
    )


def models_of(run: MeterRun, found: dict[str, Any]) -> list[MeterModel]:
    """The models of a run."""
    return [
        MeterModel(
            run.run,
            run.project,
            model["energy_trace"],
            model["modeling_period"],
            model["status"],
            model["kind"],
            model["start_us"],
            model["end_us"],
            model["reasons"],
            model["warnings"],
            None if model["model"] is None else dumps(model["model"]),
            dumps(model["curve"]),
            dumps(model["metered"]),
        )
        for model in found["models"]
    ]


def settings_of(run: MeterRun) -> Any:
    """`meter_settings` as the caller sent them."""
    return None if run.meter_settings is None else json.loads(run.meter_settings)


def dumps(value: Any) -> str:
    """JSON without NaN and infinities: those are null."""
    return json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value

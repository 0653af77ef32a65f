"""Names and columns of what ClickHouse holds of projects' runs. The statements that make them are in migrations/."""

from sinks.tables import Table

METER_RUN_STATUS_RAW = Table("meter_run_status_raw", ("run", "project", "status", "attempt", "traceback", "at", "version"))
"""One row per run and change of its status; the highest version stays."""

METER_RESULTS_RAW = Table(
    "meter_results_raw", ("run", "project", "computed_at", "result", "savings", "digest", "origin", "version")
)
"""One row per run; result, savings and origin are JSON."""

_MODEL_COLUMNS = (
    "run",
    "project",
    "energy_trace",
    "modeling_period",
    "status",
    "kind",
    "start_us",
    "end_us",
    "reasons",
    "warnings",
    "model",
    "curve",
    "metered",
)

METER_MODELS_RAW = Table("meter_models_raw", (*_MODEL_COLUMNS, "version"))
"""One row per run, trace and period; model, curve and metered are JSON."""

METER_RUN_STATUS = Table("meter_run_status", ("run", "project", "status", "attempt", "traceback", "at"))
"""How far each run is; a run without a row is pending. SUCCESS means that its result can be read."""

METER_RESULTS = Table("meter_results", ("run", "project", "computed_at", "result", "savings", "digest", "origin"))
"""What each run found, of removed projects too."""

METER_MODELS = Table("meter_models", _MODEL_COLUMNS)
"""The models of each run, or why there are none."""

PROJECT_SAVINGS = Table(
    "project_savings",
    (
        "run",
        "project",
        "id",
        "energy_trace",
        "trace_interpretation",
        "interpretation",
        "unit",
        "baseline_value",
        "reporting_value",
        "value",
        "upper",
        "lower",
        "n",
        "computed_at",
    ),
)
"""What each run says was saved, in kWh with half-widths; energy_trace is null for a sum of several."""

"""What the meter's worker counts."""

from prometheus_client import Counter, Gauge, Histogram

RUNS = Counter("powermon_meter_runs", "Runs ended", ["status"])
DEATHS = Counter("powermon_meter_deaths", "Processes that ended over a run, or were killed because it took too long")
UNDER_WAY = Gauge("powermon_meter_runs_under_way", "Runs taken up and not ended")
MODELS = Counter("powermon_meter_models", "Models of runs that ended with a result", ["kind", "status"])
SECONDS = Histogram(
    "powermon_meter_run_seconds",
    "From taking a run up to its result in the log",
    buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600),
)

-- What the meter's worker wrote; version is the offset in the log, the highest stays.
CREATE TABLE IF NOT EXISTS meter_run_status_raw $on_cluster
(
    run UInt64 CODEC(Delta, ZSTD(1)),
    project UInt64 CODEC(ZSTD(1)),
    status LowCardinality(String) CODEC(ZSTD(1)),
    attempt UInt8 CODEC(ZSTD(1)),
    traceback Nullable(String) CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(version)
ORDER BY run;

-- result, savings and origin are JSON.
CREATE TABLE IF NOT EXISTS meter_results_raw $on_cluster
(
    run UInt64 CODEC(Delta, ZSTD(1)),
    project UInt64 CODEC(ZSTD(1)),
    computed_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    result String CODEC(ZSTD(3)),
    savings String CODEC(ZSTD(3)),
    digest String CODEC(ZSTD(1)),
    origin String CODEC(ZSTD(3)),
    version UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(version)
ORDER BY run
SETTINGS index_granularity = 64;

-- model, curve and metered are JSON.
CREATE TABLE IF NOT EXISTS meter_models_raw $on_cluster
(
    run UInt64 CODEC(Delta, ZSTD(1)),
    project UInt64 CODEC(ZSTD(1)),
    energy_trace UInt64 CODEC(ZSTD(1)),
    modeling_period LowCardinality(String) CODEC(ZSTD(1)),
    status LowCardinality(String) CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    start_us Nullable(Int64) CODEC(ZSTD(1)),
    end_us Nullable(Int64) CODEC(ZSTD(1)),
    reasons Array(String) CODEC(ZSTD(1)),
    warnings Array(String) CODEC(ZSTD(1)),
    model Nullable(String) CODEC(ZSTD(3)),
    curve String CODEC(ZSTD(3)),
    metered String CODEC(ZSTD(3)),
    version UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(version)
ORDER BY (run, energy_trace, modeling_period)
SETTINGS index_granularity = 64;

CREATE OR REPLACE VIEW meter_results $on_cluster AS
SELECT run, project, computed_at, result, savings, digest, origin FROM meter_results_raw FINAL;

-- A run has succeeded when its result is here to be read; until then it is still running.
CREATE OR REPLACE VIEW meter_run_status $on_cluster AS
SELECT
    run,
    project,
    if(status = 'SUCCESS' AND run NOT IN (SELECT run FROM meter_results_raw), 'RUNNING', status) AS status,
    attempt,
    traceback,
    at
FROM meter_run_status_raw FINAL;

CREATE OR REPLACE VIEW meter_models $on_cluster AS
SELECT
    run,
    project,
    energy_trace,
    modeling_period,
    status,
    kind,
    start_us,
    end_us,
    reasons,
    warnings,
    model,
    curve,
    metered
FROM meter_models_raw FINAL;

-- One row per run, sum or trace, and interpretation; kWh, half-widths.
CREATE OR REPLACE VIEW project_savings $on_cluster AS
SELECT
    run,
    project,
    JSONExtract(row, 'id', 'UInt64') AS id,
    JSONExtract(row, 'energy_trace', 'Nullable(UInt64)') AS energy_trace,
    JSONExtractString(row, 'trace_interpretation') AS trace_interpretation,
    JSONExtractString(row, 'interpretation') AS interpretation,
    JSONExtractString(row, 'unit') AS unit,
    JSONExtract(row, 'baseline_value', 'Nullable(Float64)') AS baseline_value,
    JSONExtract(row, 'reporting_value', 'Nullable(Float64)') AS reporting_value,
    JSONExtract(row, 'value', 'Nullable(Float64)') AS value,
    JSONExtract(row, 'upper', 'Nullable(Float64)') AS upper,
    JSONExtract(row, 'lower', 'Nullable(Float64)') AS lower,
    JSONExtract(row, 'n', 'UInt64') AS n,
    computed_at
FROM meter_results_raw FINAL
ARRAY JOIN JSONExtractArrayRaw(savings) AS row;

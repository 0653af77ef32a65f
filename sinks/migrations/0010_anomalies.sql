-- Version is the offset of the upsert in its partition of power.anomalies: the last that was told of an id stays.
-- Of samples: one array element a probe-second.
CREATE TABLE IF NOT EXISTS anomalies_raw $on_cluster
(
    id String CODEC(ZSTD(1)),
    rule LowCardinality(String),
    kind LowCardinality(String),
    source LowCardinality(String),
    phase UInt8,
    start_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    end_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    last_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    state LowCardinality(String),
    final Bool,
    severity LowCardinality(String),
    unit LowCardinality(String),
    worst Int64 CODEC(ZSTD(1)),
    limit_value Int64 CODEC(ZSTD(1)),
    ieee1159 LowCardinality(String),
    en50160 LowCardinality(String),
    details Map(String, Int64) CODEC(ZSTD(1)),
    sample_second Array(UInt32) CODEC(ZSTD(1)),
    sample_probe Array(UInt8) CODEC(ZSTD(1)),
    sample_power_mw Array(Array(Int32)) CODEC(ZSTD(1)),
    sample_pf_pct Array(Array(Int8)) CODEC(ZSTD(1)),
    sample_voltage_mv Array(Array(Int32)) CODEC(ZSTD(1)),
    log_partition Int32 CODEC(ZSTD(1)),
    log_offset Int64 CODEC(ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(version)
PARTITION BY toYYYYMM(start_at)
ORDER BY (start_at, id)
SETTINGS index_granularity = 1024;

-- Each word a person said, once; version is its offset in power.anomaly-notes.
CREATE TABLE IF NOT EXISTS anomaly_notes_raw $on_cluster
(
    anomaly String CODEC(ZSTD(1)),
    acknowledged Bool,
    note String CODEC(ZSTD(1)),
    said_by LowCardinality(String),
    said_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (anomaly, version)
SETTINGS index_granularity = 1024;

-- What holds of each; those withdrawn too, their state says so.
CREATE OR REPLACE VIEW anomalies $on_cluster AS
SELECT
    id,
    rule,
    kind,
    source,
    phase,
    start_at,
    end_at,
    last_at,
    state,
    final,
    severity,
    unit,
    worst,
    limit_value,
    ieee1159,
    en50160,
    details,
    sample_second,
    sample_probe,
    sample_power_mw,
    sample_pf_pct,
    sample_voltage_mv,
    log_partition,
    log_offset
FROM anomalies_raw FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW anomaly_notes $on_cluster AS
SELECT anomaly, acknowledged, note, said_by, said_at, version FROM anomaly_notes_raw FINAL;

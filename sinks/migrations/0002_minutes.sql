CREATE TABLE IF NOT EXISTS minutes_raw $on_cluster
(
    sensor_id LowCardinality(String),
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    probe UInt8 CODEC(ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    seconds_mask UInt64 CODEC(ZSTD(1)),
    samples UInt16 CODEC(ZSTD(1)),
    energy_units Int64 CODEC(T64, ZSTD(1)),
    power_min_mw Int32 CODEC(T64, ZSTD(1)),
    power_max_mw Int32 CODEC(T64, ZSTD(1)),
    pf_units Int64 CODEC(T64, ZSTD(1)),
    voltage_units Int64 CODEC(T64, ZSTD(1)),
    voltage_min_mv Int32 CODEC(T64, ZSTD(1)),
    voltage_max_mv Int32 CODEC(T64, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(version)
PARTITION BY toYYYYMM(minute)
ORDER BY (sensor_id, minute, probe);

-- 263340 = UNITS. energy_mws: the nearest integer, halves to even, without going through a float.
CREATE OR REPLACE VIEW minutes $on_cluster AS
WITH
    positiveModulo(energy_units, 263340) AS energy_rest,
    intDiv(energy_units - energy_rest, 263340) AS energy_floor
SELECT
    sensor_id,
    minute,
    probe,
    bitCount(seconds_mask) AS seconds,
    toInt64(energy_floor + (energy_rest > 131670 OR (energy_rest = 131670 AND bitAnd(energy_floor, 1) = 1))) AS energy_mws,
    energy_units / 263340 / seconds AS power_mean_mw,
    power_min_mw,
    power_max_mw,
    pf_units / 263340 / seconds AS pf_mean_pct,
    voltage_min_mv,
    voltage_units / 263340 / seconds AS voltage_mean_mv,
    voltage_max_mv,
    version,
    samples,
    seconds / 60 AS coverage,
    seconds_mask
FROM minutes_raw FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

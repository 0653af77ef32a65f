-- Made from minutes by sinks/rollup.py. The version grows with every change of the minutes it is made from.
-- minutes = 0: there are none any more, since a replay was swapped in.
CREATE TABLE IF NOT EXISTS quarters_raw $on_cluster
(
    sensor_id LowCardinality(String),
    quarter DateTime('UTC') CODEC(Delta, ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    minutes UInt8 CODEC(ZSTD(1)),
    seconds UInt16 CODEC(ZSTD(1)),
    seconds_a UInt16 CODEC(ZSTD(1)),
    seconds_b UInt16 CODEC(ZSTD(1)),
    seconds_c UInt16 CODEC(ZSTD(1)),
    units_a Int64 CODEC(T64, ZSTD(1)),
    units_b Int64 CODEC(T64, ZSTD(1)),
    units_c Int64 CODEC(T64, ZSTD(1)),
    units_import Int64 CODEC(T64, ZSTD(1)),
    units_export Int64 CODEC(T64, ZSTD(1)),
    units_import_arithmetic Int64 CODEC(T64, ZSTD(1)),
    units_export_arithmetic Int64 CODEC(T64, ZSTD(1)),
    units_pf Int64 CODEC(T64, ZSTD(1)),
    units_sliding Int64 CODEC(T64, ZSTD(1)),
    sliding_end DateTime('UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(version)
PARTITION BY toYYYYMM(quarter)
ORDER BY (sensor_id, quarter);

CREATE TABLE IF NOT EXISTS tic_quarters_raw $on_cluster
(
    meter_id LowCardinality(String),
    quarter DateTime('UTC') CODEC(Delta, ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    minutes UInt8 CODEC(ZSTD(1)),
    seconds UInt16 CODEC(ZSTD(1)),
    drawn_wh Int64 CODEC(T64, ZSTD(1)),
    injected_wh Int64 CODEC(T64, ZSTD(1)),
    sliding_wh Int64 CODEC(T64, ZSTD(1)),
    sliding_end DateTime('UTC') CODEC(Delta, ZSTD(1)),
    apparent_max_va Nullable(UInt32) CODEC(ZSTD(1)),
    contract_va UInt32 CODEC(ZSTD(1)),
    index_label Array(LowCardinality(String)) CODEC(ZSTD(1)),
    index_first_wh Array(Int64) CODEC(ZSTD(1)),
    index_last_wh Array(Int64) CODEC(ZSTD(1)),
    energy_wh Array(Int64) CODEC(ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(version)
PARTITION BY toYYYYMM(quarter)
ORDER BY (meter_id, quarter);

-- How often a table of minutes was exchanged with a replay's: rows made before count less than those made after.
CREATE TABLE IF NOT EXISTS rollup_generations $on_cluster
(
    minutes LowCardinality(String),
    generation UInt64
)
ENGINE = ${replicated}MergeTree
ORDER BY (minutes, generation);

-- What each column means: docs/energy.md. Every energy is summed exactly in units and rounded once, halves to even.
CREATE OR REPLACE VIEW quarters $on_cluster AS
WITH
    arrayMap(
        units -> toInt64(
            intDiv(units - positiveModulo(units, 263340), 263340)
            + (positiveModulo(units, 263340) > 131670
               OR (positiveModulo(units, 263340) = 131670
                   AND bitAnd(intDiv(units - positiveModulo(units, 263340), 263340), 1) = 1))),
        [units_a, units_b, units_c, units_import, units_export, units_import_arithmetic, units_export_arithmetic]
    ) AS energies
SELECT
    sensor_id,
    quarter,
    if(seconds_a = 0, NULL, energies[1]) AS energy_a_mws,
    if(seconds_b = 0, NULL, energies[2]) AS energy_b_mws,
    if(seconds_c = 0, NULL, energies[3]) AS energy_c_mws,
    energies[4] AS import_mws,
    energies[5] AS export_mws,
    energies[6] AS import_arithmetic_mws,
    energies[7] AS export_arithmetic_mws,
    units_import / 263340 / 900 AS demand_mw,
    units_sliding / 263340 / 900 AS sliding_demand_mw,
    sliding_end,
    seconds_a,
    seconds_b,
    seconds_c,
    seconds,
    seconds / 900 AS coverage,
    minutes,
    version
FROM quarters_raw FINAL
WHERE minutes > 0
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW tic_quarters $on_cluster AS
SELECT
    meter_id,
    quarter,
    drawn_wh,
    injected_wh,
    drawn_wh * 4 AS demand_w,
    sliding_wh * 4 AS sliding_demand_w,
    sliding_end,
    apparent_max_va,
    contract_va,
    index_label AS index,
    index_first_wh,
    index_last_wh,
    energy_wh,
    seconds,
    seconds / 900 AS coverage,
    minutes,
    version
FROM tic_quarters_raw FINAL
WHERE minutes > 0
SETTINGS do_not_merge_across_partitions_select_final = 1;

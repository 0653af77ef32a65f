-- Copies whose values are not those of the first; the same conflict may come again and stays one row.
CREATE TABLE IF NOT EXISTS conflicts_raw $on_cluster
(
    sensor_id LowCardinality(String),
    second DateTime('UTC') CODEC(Delta, ZSTD(1)),
    probe UInt8 CODEC(ZSTD(1)),
    log_partition Int32 CODEC(ZSTD(1)),
    first_offset UInt64 CODEC(Delta, ZSTD(1)),
    later_offset UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(second)
ORDER BY (sensor_id, second, probe, later_offset);

CREATE OR REPLACE VIEW conflicts $on_cluster AS
SELECT
    sensor_id,
    second,
    toInt64(toUnixTimestamp(second)) AS timestamp,
    probe,
    log_partition,
    first_offset,
    later_offset
FROM conflicts_raw FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

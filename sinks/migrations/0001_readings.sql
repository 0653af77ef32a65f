-- Codecs: docs/decisions/0003-raw-codecs.md. log_offset is kept as its complement only.
CREATE TABLE IF NOT EXISTS readings_raw $on_cluster
(
    sensor_id LowCardinality(String),
    second DateTime('UTC') CODEC(Delta, ZSTD(1)),
    probe UInt8 CODEC(ZSTD(1)),
    probe_type LowCardinality(String) CODEC(ZSTD(1)),
    format_version LowCardinality(String) CODEC(ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    log_partition Int32 CODEC(ZSTD(1)),
    rank UInt64 CODEC(Delta, ZSTD(1)),
    log_offset UInt64 ALIAS 18446744073709551615 - rank,
    power Array(Int32) CODEC(T64('bit'), ZSTD(1)),
    pf Array(Int8) CODEC(ZSTD(1)),
    voltage Array(Int32) CODEC(T64('bit'), ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(rank)
PARTITION BY toYYYYMM(second)
ORDER BY (sensor_id, second, probe);

CREATE OR REPLACE VIEW readings $on_cluster AS
SELECT
    sensor_id,
    second,
    toInt64(toUnixTimestamp(second)) AS timestamp,
    probe,
    probe_type,
    power,
    pf,
    voltage,
    received_at,
    log_partition,
    log_offset
FROM readings_raw FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

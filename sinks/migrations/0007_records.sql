-- One row per record and change; the highest version stays, which is the log's offset of the batch's last part.
-- Series 0 is about the log itself, so that one insert holds records and place: at start_us 0 how far the log is in
-- this table (version: the next offset), the next id to be given (id) and where reading begins again (resume),
-- at any other start_us a batch that was refused: 1 + the offset of its last part.
-- No partitions: the rows of one insert are one part, there whole or not at all.
CREATE TABLE IF NOT EXISTS consumption_records_raw $on_cluster
(
    series UInt64 CODEC(ZSTD(1)),
    start_us Int64 CODEC(DoubleDelta, ZSTD(1)),
    id UInt64 CODEC(Delta, ZSTD(1)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    estimated Bool CODEC(ZSTD(1)),
    removed Bool CODEC(ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    resume UInt64 CODEC(ZSTD(1)),
    INDEX by_id id TYPE minmax GRANULARITY 1
)
ENGINE = ${replicated}ReplacingMergeTree(version)
ORDER BY (series, start_us)
SETTINGS index_granularity = 4096;

CREATE OR REPLACE VIEW consumption_records $on_cluster AS
SELECT
    series AS trace,
    id,
    fromUnixTimestamp64Micro(start_us, 'UTC') AS start,
    value,
    estimated
FROM consumption_records_raw FINAL
WHERE series > 0 AND NOT removed;

-- The same for the weather: series is 2 x the station, + 1 for its normal year.
CREATE TABLE IF NOT EXISTS weather_records_raw $on_cluster
(
    series UInt64 CODEC(ZSTD(1)),
    start_us Int64 CODEC(DoubleDelta, ZSTD(1)),
    id UInt64 CODEC(Delta, ZSTD(1)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    estimated Bool CODEC(ZSTD(1)),
    removed Bool CODEC(ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    resume UInt64 CODEC(ZSTD(1)),
    INDEX by_id id TYPE minmax GRANULARITY 1
)
ENGINE = ${replicated}ReplacingMergeTree(version)
ORDER BY (series, start_us)
SETTINGS index_granularity = 4096;

CREATE OR REPLACE VIEW weather_records $on_cluster AS
SELECT
    intDiv(series, 2) AS station,
    if(series % 2 = 1, 'NORMAL', 'OBSERVED') AS kind,
    id,
    fromUnixTimestamp64Micro(start_us, 'UTC') AS start,
    value
FROM weather_records_raw FINAL
WHERE series > 0 AND NOT removed;

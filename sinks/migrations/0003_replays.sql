-- What each replay was asked, and how far it got: one JSON document a replay, the newest change holds.
CREATE TABLE IF NOT EXISTS replays $on_cluster
(
    name String,
    change UInt64,
    body String
)
ENGINE = ${replicated}ReplacingMergeTree(change)
ORDER BY name;

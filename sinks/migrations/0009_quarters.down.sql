DROP VIEW IF EXISTS tic_quarters $on_cluster;

DROP VIEW IF EXISTS quarters $on_cluster;

DROP TABLE IF EXISTS rollup_generations $on_cluster SYNC;

DROP TABLE IF EXISTS tic_quarters_raw $on_cluster SYNC;

DROP TABLE IF EXISTS quarters_raw $on_cluster SYNC;

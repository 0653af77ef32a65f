DROP VIEW IF EXISTS conflicts $on_cluster;

DROP TABLE IF EXISTS conflicts_raw $on_cluster SYNC;

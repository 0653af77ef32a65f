DROP VIEW IF EXISTS minutes $on_cluster;

DROP TABLE IF EXISTS minutes_raw $on_cluster SYNC;

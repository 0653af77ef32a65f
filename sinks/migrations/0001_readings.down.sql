DROP VIEW IF EXISTS readings $on_cluster;

DROP TABLE IF EXISTS readings_raw $on_cluster SYNC;

DROP TABLE IF EXISTS replays $on_cluster SYNC;

DROP VIEW IF EXISTS tic_minutes $on_cluster;

DROP TABLE IF EXISTS tic_minutes_raw $on_cluster SYNC;

DROP VIEW IF EXISTS tic_frames $on_cluster;

DROP TABLE IF EXISTS tic_frames_raw $on_cluster SYNC;

DROP VIEW IF EXISTS anomaly_notes $on_cluster;

DROP VIEW IF EXISTS anomalies $on_cluster;

DROP TABLE IF EXISTS anomaly_notes_raw $on_cluster SYNC;

DROP TABLE IF EXISTS anomalies_raw $on_cluster SYNC;

DROP VIEW IF EXISTS weather_records $on_cluster;

DROP TABLE IF EXISTS weather_records_raw $on_cluster SYNC;

DROP VIEW IF EXISTS consumption_records $on_cluster;

DROP TABLE IF EXISTS consumption_records_raw $on_cluster SYNC;

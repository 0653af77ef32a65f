DROP VIEW IF EXISTS project_savings $on_cluster;

DROP VIEW IF EXISTS meter_models $on_cluster;

DROP VIEW IF EXISTS meter_run_status $on_cluster;

DROP VIEW IF EXISTS meter_results $on_cluster;

DROP TABLE IF EXISTS meter_models_raw $on_cluster SYNC;

DROP TABLE IF EXISTS meter_results_raw $on_cluster SYNC;

DROP TABLE IF EXISTS meter_run_status_raw $on_cluster SYNC;

DROP VIEW IF EXISTS energy_minutes $on_cluster;

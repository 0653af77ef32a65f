"""What the sink and the rebuilder count."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

MESSAGES = Counter("powermon_sink_messages", "Messages read and done with", ["topic"])
ROWS = Counter("powermon_sink_rows", "Rows inserted, copies included", ["table"])
REJECTED = Counter("powermon_sink_rejected", "Messages that could not be used", ["topic"])
FAILURES = Counter("powermon_sink_failures", "Rounds that failed and were taken again", ["topic"])
INSERT = Histogram("powermon_sink_insert_seconds", "Time of one insert", ["table"], buckets=_SECONDS)
DELAY = Histogram(
    "powermon_sink_delay_seconds", "Append to the log until queryable, of the oldest in a batch", ["topic"], buckets=_SECONDS
)
LAG = Gauge("powermon_sink_lag", "Messages in the log that are not in ClickHouse", ["topic", "partition"])

REBUILT = Counter("powermon_rebuild_minutes", "Minutes rebuilt from raw and published")
REJUDGED = Counter("powermon_rejudged_anomalies", "Anomalies told or withdrawn because of late minutes")
REBUILD_CONFLICTS = Counter("powermon_rebuild_conflicts", "Late copies with other values than the first")
REBUILD_SKIPPED = Counter("powermon_rebuild_skipped", "Late minutes whose raw readings are no longer kept, or are not there")
REBUILD_REJECTED = Counter("powermon_rebuild_rejected", "Messages of power.late that could not be used")
REBUILD_FAILURES = Counter("powermon_rebuild_failures", "Rounds that failed and were taken again")
REBUILD_WAITING = Gauge("powermon_rebuild_waiting", "Late minutes read and not yet rebuilt")
REBUILD_SECONDS = Histogram("powermon_rebuild_round_seconds", "Time of one round", buckets=_SECONDS)

TIC_QUARANTINED = Counter("powermon_rebuild_tic_quarantined", "Late frames of Linkys that break a rule of integrity")

SOURCE_RECORDS = Counter("powermon_source_records", "Records of traces written because a sensor's or meter's hours changed")
SOURCE_SECONDS = Histogram("powermon_source_round_seconds", "Time of one look at all traces with a source", buckets=_SECONDS)

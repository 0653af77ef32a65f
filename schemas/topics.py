"""Every topic of the log: its name, key, schema, and how long it is kept."""

from dataclasses import dataclass, field
from pathlib import Path

SCHEMA_DIR = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
        name: the topic's name in Kafka.
        key: what the key of each message is.
        schema: the .avsc file of its values.
        partitions: fixed number, or None for the setting `partitions`.
        config: topic configuration that differs from the broker's defaults.
    """

    name: str
    key: str
    schema: str
    partitions: int | None
    config: dict[str, str] = field(hash=False)

    @property
    def subject(self) -> str:
        """The registry's subject of the values."""
        return f"{self.name}-value"

    @property
    def schema_path(self) -> Path:
        return SCHEMA_DIR / self.schema


_FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1"}

# The watermark is the log's own time of arrival, not what a producer claims.
READINGS = Topic(
    "sensor.readings", "sensor_id", "sensor_reading.avsc", None, {**_FOR_EVER, "message.timestamp.type": "LogAppendTime"}
)
TIC_FRAMES = Topic("tic.frames", "meter_id", "tic_frame.avsc", None, {**_FOR_EVER, "message.timestamp.type": "LogAppendTime"})
MINUTES = Topic("power.minutes", "sensor_id", "power_minute.avsc", None, _FOR_EVER)
LATE = Topic("power.late", "sensor_id", "late_minute.avsc", None, _FOR_EVER)
TIC_MINUTES = Topic("tic.minutes", "meter_id", "tic_minute.avsc", None, _FOR_EVER)
TIC_LATE = Topic("tic.late", "meter_id", "late_minute.avsc", None, _FOR_EVER)
CONFLICTS = Topic("sensor.conflicts", "sensor_id", "conflict.avsc", None, _FOR_EVER)
# Both are keyed upserts; the state of a sensor stands in the partition that its readings have.
ANOMALIES = Topic("power.anomalies", "id", "anomaly.avsc", None, {**_FOR_EVER, "cleanup.policy": "compact"})
# Every word of it is kept; one partition: its order is that of all of them.
ANOMALY_NOTES = Topic("power.anomaly-notes", "anomaly", "anomaly_note.avsc", 1, _FOR_EVER)
ANOMALY_STATE = Topic(
    "power.anomaly-state",
    "sensor_id",
    "anomaly_state.avsc",
    None,
    # A start reads it whole: small segments are compacted soon.
    {**_FOR_EVER, "cleanup.policy": "compact", "segment.bytes": str(16 << 20), "min.cleanable.dirty.ratio": "0.2"},
)
# What the rules learned of a sensor's weeks: beside its state, as it is large and changes once an hour.
HABITS = Topic("power.habits", "sensor_id", "anomaly_state.avsc", None, ANOMALY_STATE.config)
# One partition: whoever has it tells the receivers, and knows alone what they were told.
NOTIFICATIONS = Topic(
    "power.notifications",
    "id",
    "notification.avsc",
    1,
    {**_FOR_EVER, "cleanup.policy": "compact", "segment.bytes": str(16 << 20), "min.cleanable.dirty.ratio": "0.2"},
)
DEAD_LETTERS = Topic("dead.letters", "source topic", "dead_letter.avsc", 1, _FOR_EVER)
CATALOG = Topic("catalog.commands", "entity", "catalog_command.avsc", 1, _FOR_EVER)
# One partition: the order of the log gives the records their ids. The log's own time says when an unfinished batch is given up.
CONSUMPTION = Topic(
    "consumption.records", "trace", "record_part.avsc", 1, {**_FOR_EVER, "message.timestamp.type": "LogAppendTime"}
)
WEATHER = Topic("weather.records", "series", "record_part.avsc", 1, {**_FOR_EVER, "message.timestamp.type": "LogAppendTime"})
METER_RUNS = Topic("meter.runs", "project", "meter_run.avsc", None, _FOR_EVER)
# What the meter's worker writes in transactions: one partition, so that one commit is one marker in each.
METER_RUN_STATUS = Topic("meter.run-status", "run", "meter_run_status.avsc", 1, {**_FOR_EVER, "cleanup.policy": "compact"})
METER_RESULTS = Topic("meter.results", "run", "meter_result.avsc", 1, _FOR_EVER)
METER_MODELS = Topic("meter.models", "run/trace/period", "meter_model.avsc", 1, _FOR_EVER)

ALL = (
    READINGS,
    TIC_FRAMES,
    MINUTES,
    LATE,
    TIC_MINUTES,
    TIC_LATE,
    CONFLICTS,
    ANOMALIES,
    ANOMALY_STATE,
    HABITS,
    ANOMALY_NOTES,
    NOTIFICATIONS,
    DEAD_LETTERS,
    CATALOG,
    CONSUMPTION,
    WEATHER,
    METER_RUNS,
    METER_RUN_STATUS,
    METER_RESULTS,
    METER_MODELS,
)

IN_TRANSACTIONS = frozenset({METER_RUN_STATUS.name, METER_RESULTS.name, METER_MODELS.name})
"""Behind the last message of these stands a marker that no reader is given."""

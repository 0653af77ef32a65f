"""Names and columns of what ClickHouse holds, but for Linkys and for runs. The statements that make them are in migrations/."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """One table or view.

    Attributes:
        name: in ClickHouse.
        columns: in order; for a table those that are inserted, for a view all.
        time: the column that retention goes by; empty for a view.
    """

    name: str
    columns: tuple[str, ...]
    time: str = ""


READINGS_RAW = Table(
    "readings_raw",
    (
        "sensor_id",
        "second",
        "probe",
        "probe_type",
        "format_version",
        "received_at",
        "log_partition",
        "rank",
        "power",
        "pf",
        "voltage",
    ),
    time="second",
)
"""One row per probe-second and copy; the copy with the highest rank = 2^64-1-offset stays, the first of the log."""

MINUTES_RAW = Table(
    "minutes_raw",
    (
        "sensor_id",
        "minute",
        "probe",
        "version",
        "seconds_mask",
        "samples",
        "energy_units",
        "power_min_mw",
        "power_max_mw",
        "pf_units",
        "voltage_units",
        "voltage_min_mv",
        "voltage_max_mv",
    ),
    time="minute",
)
"""One row per sensor, minute, probe and version; the highest version stays. Units are those of power_minute.avsc."""

CONFLICTS_RAW = Table(
    "conflicts_raw",
    ("sensor_id", "second", "probe", "log_partition", "first_offset", "later_offset"),
    time="second",
)
"""One row per copy of a probe-second whose values are not those of the first; written again it stays one row."""

QUARTERS_RAW = Table(
    "quarters_raw",
    (
        "sensor_id",
        "quarter",
        "version",
        "minutes",
        "seconds",
        "seconds_a",
        "seconds_b",
        "seconds_c",
        "units_a",
        "units_b",
        "units_c",
        "units_import",
        "units_export",
        "units_import_arithmetic",
        "units_export_arithmetic",
        "units_pf",
        "units_sliding",
        "sliding_end",
    ),
    time="quarter",
)
"""One row per sensor, UTC quarter-hour and version, made from minutes_raw; energies in mW s / 263340."""

ROLLUP_GENERATIONS = Table("rollup_generations", ("minutes", "generation"))
"""By table of minutes, a row for each time that it was exchanged with a replay's."""

READINGS = Table(
    "readings",
    (
        "sensor_id",
        "second",
        "timestamp",
        "probe",
        "probe_type",
        "power",
        "pf",
        "voltage",
        "received_at",
        "log_partition",
        "log_offset",
    ),
)
"""The first copies: mW, percent, mV."""

MINUTES = Table(
    "minutes",
    (
        "sensor_id",
        "minute",
        "probe",
        "seconds",
        "energy_mws",
        "power_mean_mw",
        "power_min_mw",
        "power_max_mw",
        "pf_mean_pct",
        "voltage_min_mv",
        "voltage_mean_mv",
        "voltage_max_mv",
        "version",
        "samples",
        "coverage",
        "seconds_mask",
    ),
)
"""The newest version of each minute, in people's units: mW s, mW, percent, mV; coverage is of 60 seconds."""

ENERGY_MINUTES = Table(
    "energy_minutes",
    (
        "sensor_id",
        "minute",
        "energy_a_mws",
        "energy_b_mws",
        "energy_c_mws",
        "import_mws",
        "export_mws",
        "import_arithmetic_mws",
        "export_arithmetic_mws",
        "seconds_a",
        "seconds_b",
        "seconds_c",
        "phases",
        "seconds",
        "coverage",
        "version",
    ),
)
"""One row per sensor and minute: the named energies of docs/energy.md, in mW s."""

QUARTERS = Table(
    "quarters",
    (
        "sensor_id",
        "quarter",
        "energy_a_mws",
        "energy_b_mws",
        "energy_c_mws",
        "import_mws",
        "export_mws",
        "import_arithmetic_mws",
        "export_arithmetic_mws",
        "demand_mw",
        "sliding_demand_mw",
        "sliding_end",
        "seconds_a",
        "seconds_b",
        "seconds_c",
        "seconds",
        "coverage",
        "minutes",
        "version",
    ),
)
"""One row per sensor and UTC quarter-hour: energies in mW s, demand in mW; coverage is of 900 seconds."""

CONFLICTS = Table(
    "conflicts",
    ("sensor_id", "second", "timestamp", "probe", "log_partition", "first_offset", "later_offset"),
)
"""Copies that did not count although their values differ from the copy that did."""

_RECORD_COLUMNS = ("series", "start_us", "id", "value", "estimated", "removed", "version", "resume")

CONSUMPTION_RAW = Table("consumption_records_raw", _RECORD_COLUMNS)
"""One row per record and change; of a record (series = trace, start) the highest version stays. Series 0: see its migration."""

WEATHER_RAW = Table("weather_records_raw", _RECORD_COLUMNS)
"""Likewise; the series of a station is 2 x its key, of its normal year one more."""

CONSUMPTION_RECORDS = Table("consumption_records", ("trace", "id", "start", "value", "estimated"))
"""The records as they are now, of removed traces too."""

WEATHER_RECORDS = Table("weather_records", ("station", "kind", "id", "start", "value"))
"""The weather as it is now; kind OBSERVED or NORMAL."""

_ANOMALY_COLUMNS = (
    "id",
    "rule",
    "kind",
    "source",
    "phase",
    "start_at",
    "end_at",
    "last_at",
    "state",
    "final",
    "severity",
    "unit",
    "worst",
    "limit_value",
    "ieee1159",
    "en50160",
    "details",
    "sample_second",
    "sample_probe",
    "sample_power_mw",
    "sample_pf_pct",
    "sample_voltage_mv",
    "log_partition",
    "log_offset",
)
ANOMALIES_RAW = Table("anomalies_raw", (*_ANOMALY_COLUMNS, "version"))
"""One row per anomaly and upsert; the last of the log stays. Times in UTC microseconds, worst and limit in the row's unit."""

ANOMALIES = Table("anomalies", _ANOMALY_COLUMNS)
"""What holds of each anomaly, withdrawn ones too; samples in mW, percent, mV, an element a probe-second."""

_NOTE_COLUMNS = ("anomaly", "acknowledged", "note", "said_by", "said_at", "version")
ANOMALY_NOTES_RAW = Table("anomaly_notes_raw", _NOTE_COLUMNS)
"""One row per word a person said of an anomaly; version is its offset in the log."""

ANOMALY_NOTES = Table("anomaly_notes", _NOTE_COLUMNS)
"""All of them, each once; of an anomaly the highest version holds."""

MIGRATIONS = Table("schema_migrations", ("number", "name", "checksum", "applied", "change"))
"""What `migrate` has done; the highest change of a number tells."""

REPLAYS = Table("replays", ("name", "change", "body"))
"""What each replay was asked and how far it got, as JSON; an empty body: deleted."""

"""What must follow from a log of readings, worked out one reading at a time and with fractions."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from infra.settings import Settings
from schemas import topics, wire
from schemas.registry import Registry
from schemas.sensor_reading import ProbeSecond, SensorReading
from schemas.units import UNITS
from sinks.clickhouse import ClickHouse
from tests.builders import oracle

FIGURES = (
    "seconds_mask",
    "samples",
    "energy",
    "pf",
    "voltage",
    "power_min_mw",
    "power_max_mw",
    "voltage_min_mv",
    "voltage_max_mv",
)


@dataclass(frozen=True, slots=True)
class Logged:
    """One message of sensor.readings."""

    partition: int
    offset: int
    reading: SensorReading

    @property
    def second(self) -> tuple[str, int]:
        """Sensor and UTC second."""
        return self.reading.sensor_id, self.reading.timestamp_s


def logged(messages: Iterable[Any], registry: Registry) -> list[Logged]:
    """Messages of sensor.readings, read with the general Avro reader."""
    found = []
    for m in messages:
        record = wire.unpack_reading(wire.decode(topics.READINGS, m.value(), registry.schema_of))
        probes = [
            ProbeSecond(p["probe_id"], p["probe_type"], p["power_mw"], p["pf_pct"], p["voltage_mv"]) for p in record["probes"]
        ]
        reading = SensorReading(
            record["sensor_id"], record["timestamp_s"], record["received_at_ms"], record["format_version"], probes
        )
        found.append(Logged(m.partition(), m.offset(), reading))
    return found


Key = tuple[str, int, int]
"""Sensor, UTC second (of a second or of a minute's start), probe."""


def minutes(log: list[Logged]) -> dict[Key, tuple[Any, ...]]:
    """FIGURES and the version of every sensor-minute and probe."""
    found = oracle(one.reading for one in log)
    last: dict[tuple[str, int], int] = {}
    for (sensor, minute, _), row in found.items():
        last[sensor, minute] = max(last.get((sensor, minute), 0), log[row["last"]].offset)  # type: ignore[call-overload]
    return {key: (*(row[name] for name in FIGURES), last[key[:2]]) for key, row in found.items()}


def seconds(log: list[Logged]) -> dict[Key, tuple[Any, ...]]:
    """Partition, offset and samples of the copy that counts, of every probe-second."""
    found: dict[Key, tuple[Any, ...]] = {}
    for one in log:
        for p in one.reading.probes:
            key = one.reading.sensor_id, one.reading.timestamp_s, p.probe_id
            found.setdefault(key, (one.partition, one.offset, p.power_mw, p.pf_pct, p.voltage_mv))
    return found


_MINUTES = (
    "SELECT sensor_id, toUnixTimestamp(minute) AS minute_s, probe, seconds_mask, samples, energy_units, pf_units, voltage_units, "
    "power_min_mw, power_max_mw, voltage_min_mv, voltage_max_mv, version FROM minutes_raw FINAL"
)
_SECONDS = "SELECT sensor_id, timestamp, probe, log_partition, log_offset, power, pf, voltage FROM readings"


def stored(settings: Settings) -> tuple[dict[Key, tuple[Any, ...]], dict[Key, tuple[Any, ...]]]:
    """What ClickHouse holds as `minutes` and `seconds` say it should; the embedded engine must be free."""
    store = ClickHouse(settings)
    try:
        rows = [tuple(row.values()) for row in store.arrow(_MINUTES).to_pylist()]
        raw = [tuple(row.values()) for row in store.arrow(_SECONDS).to_pylist()]
    finally:
        store.close()
    held = {row[:3]: (*row[3:5], *(Fraction(units, UNITS) for units in row[5:8]), *row[8:]) for row in rows}
    measured = {row[:3]: row[3:] for row in raw}
    assert (len(held), len(measured)) == (len(rows), len(raw)), "a key stands twice in what should be deduplicated"
    return held, measured


def newest(records: Iterable[dict[str, Any]]) -> dict[Key, tuple[Any, ...]]:
    """The highest version of each of these upserts, as `minutes` says it should be."""
    found: dict[Key, tuple[Any, ...]] = {}
    for record in sorted(records, key=lambda r: int(r["version"])):
        for p in record["probes"]:
            figures = (Fraction(p[name], UNITS) for name in ("energy_units", "pf_units", "voltage_units"))
            extremes = (p[name] for name in FIGURES[5:])
            key = record["sensor_id"], record["minute_s"], p["probe_id"]
            found[key] = (p["seconds_mask"], p["samples"], *figures, *extremes, record["version"])
    return found


def one_content_per_version(values: Iterable[bytes], registry: Registry) -> None:
    """Hold upserts of power.minutes to what replay needs."""
    contents: dict[tuple[str, int, int], bytes] = {}
    for value in values:
        record = wire.decode(topics.MINUTES, value, registry.schema_of)
        key = record["sensor_id"], record["minute_s"], record["version"]
        assert contents.setdefault(key, value) == value, f"two contents for {key}"

"""What must follow from a log of readings, worked out one reading at a time and with fractions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from schemas import topics, wire
from schemas.registry import Registry
from schemas.sensor_reading import ProbeSecond, SensorReading
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


def minutes(log: list[Logged]) -> dict[tuple[str, int, int], tuple[Any, ...]]:
    """FIGURES and the version of every sensor-minute and probe."""
    found = oracle(one.reading for one in log)
    last: dict[tuple[str, int], int] = {}
    for (sensor, minute, _), row in found.items():
        last[sensor, minute] = max(last.get((sensor, minute), 0), log[row["last"]].offset)  # type: ignore[call-overload]
    return {key: (*(row[name] for name in FIGURES), last[key[:2]]) for key, row in found.items()}


def first_copies(log: list[Logged]) -> dict[tuple[str, int, int], tuple[int, int, ProbeSecond]]:
    """Partition, offset and samples of the copy that counts, by sensor, second and probe."""
    found: dict[tuple[str, int, int], tuple[int, int, ProbeSecond]] = {}
    for one in log:
        for p in one.reading.probes:
            found.setdefault((one.reading.sensor_id, one.reading.timestamp_s, p.probe_id), (one.partition, one.offset, p))
    return found

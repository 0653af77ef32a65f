"""Readings, minutes and an oracle for tests: small, plain and slow."""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from schemas.sensor_reading import ProbeSecond, SensorReading


def probe(probe_id: int = 1, power: int = 1_000_000, n: int = 20, voltage: list[int] | None = None) -> ProbeSecond:
    """A probe-second whose samples differ a little from each other."""
    return ProbeSecond(
        probe_id,
        "CT",
        [power + 7 * i for i in range(n)],
        [90 + i % 5 for i in range(n)],
        [220_000 + 11 * i for i in range(n)] if voltage is None else voltage,
    )


def reading(
    sensor_id: str = "gre000001", timestamp_s: int = 1_800_000_000, probes: list[ProbeSecond] | None = None
) -> SensorReading:
    return SensorReading(
        sensor_id, timestamp_s, timestamp_s * 1000 + 40, "221013", [probe(k) for k in (1, 2, 3)] if probes is None else probes
    )


def oracle(log: Iterable[SensorReading]) -> dict[tuple[str, int, int], dict[str, object]]:
    """Minutes by (sensor, minute_s, probe_id), the first copy of each probe-second counting, as plainly as possible."""
    first: dict[tuple[str, int, int], tuple[int, ProbeSecond]] = {}
    for offset, one in enumerate(log):
        for p in one.probes:
            first.setdefault((one.sensor_id, one.timestamp_s, p.probe_id), (offset, p))
    groups: dict[tuple[str, int, int], list[tuple[int, int, ProbeSecond]]] = defaultdict(list)
    for (sensor, second, probe_id), (offset, p) in first.items():
        groups[sensor, second - second % 60, probe_id].append((second % 60, offset, p))
    return {
        key: {
            "seconds_mask": sum(1 << second for second, _, _ in rows),
            "samples": sum(len(p.power_mw) for _, _, p in rows),
            "energy": sum(Fraction(sum(p.power_mw), len(p.power_mw)) for _, _, p in rows),
            "pf": sum(Fraction(sum(p.pf_pct), len(p.pf_pct)) for _, _, p in rows),
            "voltage": sum(Fraction(sum(p.voltage_mv), len(p.voltage_mv)) for _, _, p in rows),
            "power_min_mw": min(min(p.power_mw) for _, _, p in rows),
            "power_max_mw": max(max(p.power_mw) for _, _, p in rows),
            "voltage_min_mv": min(min(p.voltage_mv) for _, _, p in rows),
            "voltage_max_mv": max(max(p.voltage_mv) for _, _, p in rows),
            "last": max(offset for _, offset, _ in rows),
        }
        for key, rows in groups.items()
    }

"""Minutes by hand, and their quarter-hours in a few lines of Python: the oracle."""

from collections import defaultdict
from dataclasses import dataclass

import pyarrow as pa

from schemas.units import UNITS
from sinks.clickhouse import ClickHouse

QUARTER_S = 900


@dataclass(frozen=True)
class Minute:
    """One sensor-minute: energy in units and mask of seconds by probe."""

    sensor: str
    minute_s: int
    version: int
    energy: tuple[tuple[int, int], ...]
    mask: int = (1 << 60) - 1
    pf: int = 60 * 95 * UNITS


def steady(sensor: str, minute_s: int, watts: int, version: int = 0, phases: int = 3) -> Minute:
    """Three phases that share a constant load."""
    return Minute(sensor, minute_s, version, tuple((k, watts * 1000 * 60 * UNITS // phases) for k in range(1, phases + 1)))


def insert(db: ClickHouse, minutes: list[Minute], table: str = "minutes_raw") -> None:
    rows = [(m, probe, units) for m in minutes for probe, units in m.energy]
    if not rows:
        return
    ints = {
        "energy_units": (pa.int64(), [u for _, _, u in rows]),
        "seconds_mask": (pa.uint64(), [m.mask for m, _, _ in rows]),
        "version": (pa.uint64(), [m.version for m, _, _ in rows]),
        "minute": (pa.uint32(), [m.minute_s for m, _, _ in rows]),
        "probe": (pa.uint8(), [p for _, p, _ in rows]),
        "samples": (pa.uint16(), [1200] * len(rows)),
        "pf_units": (pa.int64(), [m.pf for m, _, _ in rows]),
        "voltage_units": (pa.int64(), [0] * len(rows)),
        **{name: (pa.int32(), [0] * len(rows)) for name in ("power_min_mw", "power_max_mw", "voltage_min_mv", "voltage_max_mv")},
    }
    columns = {name: pa.array(values, kind) for name, (kind, values) in ints.items()}
    db.insert(table, pa.table({"sensor_id": pa.array([m.sensor for m, _, _ in rows]), **columns}))


Row = tuple[int, ...]
FIGURES = (
    "minutes, seconds, seconds_a, seconds_b, seconds_c, units_a, units_b, units_c, units_import, units_export, "
    "units_import_arithmetic, units_export_arithmetic, units_pf, units_sliding, toInt64(toUnixTimestamp(sliding_end))"
)


def oracle(minutes: list[Minute]) -> dict[tuple[str, int], Row]:
    """Quarters by the definitions of docs/energy.md, of the newest version of each minute."""
    newest: dict[tuple[str, int], Minute] = {}
    for m in minutes:
        known = newest.get((m.sensor, m.minute_s))
        if known is None or m.version > known.version:
            newest[m.sensor, m.minute_s] = m
    drawn = {key: max(sum(u for _, u in m.energy), 0) for key, m in newest.items()}
    by_quarter: dict[tuple[str, int], list[Minute]] = defaultdict(list)
    for (sensor, at), m in newest.items():
        by_quarter[sensor, at - at % QUARTER_S].append(m)
    found = {}
    for (sensor, quarter), of in by_quarter.items():
        nets = [sum(u for _, u in m.energy) for m in of]
        units = [u for m in of for _, u in m.energy]
        seconds = {k: sum(m.mask.bit_count() for m in of for p, _ in m.energy if p == k) for k in (1, 2, 3)}
        slides = [(sum(drawn.get((sensor, m.minute_s - 60 * back), 0) for back in range(15)), -m.minute_s) for m in of]
        found[sensor, quarter] = (
            len(of),
            sum(m.mask.bit_count() for m in of),
            *seconds.values(),
            *(sum(u for m in of for p, u in m.energy if p == k) for k in (1, 2, 3)),
            sum(max(n, 0) for n in nets),
            sum(max(-n, 0) for n in nets),
            sum(max(u, 0) for u in units),
            sum(max(-u, 0) for u in units),
            sum(abs(m.pf) for m in of for _ in m.energy),
            max(slides)[0],
            -max(slides)[1],
        )
    return found


def stored(db: ClickHouse) -> dict[tuple[str, int], Row]:
    rows = db.rows(f"SELECT sensor_id, toInt64(toUnixTimestamp(quarter)), {FIGURES} FROM quarters_raw FINAL WHERE minutes > 0")
    return {(sensor, at): tuple(int(x) for x in rest) for sensor, at, *rest in rows}

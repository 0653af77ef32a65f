"""A plausible small factory on three phases, as rows of ClickHouse: seeded, any second on its own."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.units import UNITS
from sinks import tables
from sinks.clickhouse import ClickHouse

N = 20


def samples(sensor_id: str, at_s: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8], npt.NDArray[np.int32]]:
    """Power (mW), power factor (%) and voltage (mV) of one second, shape (3, 20) each; the same each time."""
    seed = int.from_bytes(hashlib.sha256(sensor_id.encode()).digest()[:4], "big")
    rng = np.random.default_rng([seed, at_s])
    t = at_s + np.arange(N) / N
    day = 0.55 + 0.4 * np.sin((t / 86400 - 0.3) * 2 * np.pi) + 0.08 * np.sin(t / 700 + seed % 7)
    size = 2.0 + seed % 5
    power, pf, voltage = [], [], []
    for k in range(3):
        duty = ((t + 37 * k + seed % 100) % (1140 + 420 * k)) < (430 + 160 * k)  # a compressor that switches
        start = np.exp(-((t + 37 * k + seed % 100) % (1140 + 420 * k)) / 0.8) * duty
        slow = 0.12 * np.sin(t / (9 + 4 * k)) + 0.1 * np.sin(t / (410 + 90 * k)) + 0.05 * np.sin(t / 2.3 + k)
        kw = size * (0.5 + 0.28 * k) * (day + slow) + 1.1 * duty + 1.4 * start + rng.normal(0, 0.018 * size, N)
        kw = np.maximum(kw, 0.02)
        power.append(np.rint(kw * 1e6))
        pf.append(np.clip(93 - 6 * duty - 8 * start - 2 * k + rng.normal(0, 0.5, N), -100, 100))
        volts = 221.5 - 0.45 * kw + 1.2 * np.sin(t / 41 + 2.1 * k) + 0.6 * k + rng.normal(0, 0.12, N)
        voltage.append(volts * 1000)
    return np.array(power, np.int32), np.array(pf, np.int8), np.array(voltage, np.int32)


def reading_rows(sensor_id: str, seconds: list[int], probes: tuple[int, ...] = (1, 2, 3)) -> pa.RecordBatch:
    """Rows of `readings_raw`."""
    rows: dict[str, list[object]] = {name: [] for name in tables.READINGS_RAW.columns}
    for at_s in seconds:
        power, pf, voltage = samples(sensor_id, at_s)
        for probe in probes:
            values = {
                "sensor_id": sensor_id,
                "second": at_s,
                "probe": probe,
                "probe_type": "CT",
                "format_version": "221013",
                "received_at": at_s * 1000 + 1100,
                "log_partition": 0,
                "rank": 2**64 - 1 - at_s,
                "power": power[probe - 1].tolist(),
                "pf": pf[probe - 1].tolist(),
                "voltage": voltage[probe - 1].tolist(),
            }
            for name, value in values.items():
                rows[name].append(value)
    types = {
        "second": pa.uint32(),
        "probe": pa.uint8(),
        "received_at": pa.timestamp("ms", "UTC"),
        "log_partition": pa.int32(),
        "rank": pa.uint64(),
        "power": pa.list_(pa.int32()),
        "pf": pa.list_(pa.int8()),
        "voltage": pa.list_(pa.int32()),
    }
    return pa.RecordBatch.from_pydict({name: pa.array(column, types.get(name)) for name, column in rows.items()})


def minute_rows(sensor_id: str, minutes: list[int], seconds: int = 60, until_s: int | None = None) -> pa.RecordBatch:
    """Rows of `minutes_raw`, from a few of each minute's seconds; the minute with until_s ends there."""
    rows: dict[str, list[object]] = {name: [] for name in tables.MINUTES_RAW.columns}
    for minute in minutes:
        measured = min(seconds, 60 if until_s is None else max(0, until_s - minute))
        if not measured:
            continue
        some = [samples(sensor_id, minute + s) for s in range(0, measured, 6)]
        power = np.concatenate([s[0] for s in some], axis=1)
        pf = np.concatenate([s[1] for s in some], axis=1)
        voltage = np.concatenate([s[2] for s in some], axis=1)
        for probe in (1, 2, 3):
            p, f, v = power[probe - 1], pf[probe - 1], voltage[probe - 1]
            values = {
                "sensor_id": sensor_id,
                "minute": minute,
                "probe": probe,
                "version": minute + measured,
                "seconds_mask": (1 << measured) - 1,
                "samples": N * measured,
                "energy_units": round(float(p.mean()) * measured) * UNITS,
                "power_min_mw": int(p.min()),
                "power_max_mw": int(p.max()),
                "pf_units": round(float(f.mean()) * measured * UNITS),
                "voltage_units": round(float(v.mean()) * measured * UNITS),
                "voltage_min_mv": int(v.min()),
                "voltage_max_mv": int(v.max()),
            }
            for name, value in values.items():
                rows[name].append(value)
    types = {
        "minute": pa.uint32(),
        "probe": pa.uint8(),
        "version": pa.uint64(),
        "seconds_mask": pa.uint64(),
        "samples": pa.uint16(),
    }
    return pa.RecordBatch.from_pydict({name: pa.array(column, types.get(name)) for name, column in rows.items()})


def fill(db: ClickHouse, sensor_id: str, seconds: list[int]) -> None:
    db.insert(tables.READINGS_RAW.name, reading_rows(sensor_id, seconds))


def fill_minutes(db: ClickHouse, sensor_id: str, minutes: list[int], until_s: int | None = None) -> None:
    db.insert(tables.MINUTES_RAW.name, minute_rows(sensor_id, minutes, until_s=until_s))

"""What ClickHouse must hold of one simulated sensor, as columns: a day of it is checked within seconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from producers.simulate.fleet import Fleet, seconds
from schemas.units import UNITS
from sinks.clickhouse import ClickHouse

Ints = npt.NDArray[np.int64]

_SECONDS = "SELECT timestamp, probe, power, pf, voltage FROM readings WHERE sensor_id = {id:String} ORDER BY timestamp, probe"
_MINUTES = (
    "SELECT toUnixTimestamp(minute) AS minute_s, probe, seconds_mask, samples, energy_units, pf_units, voltage_units, "
    "power_min_mw, power_max_mw, voltage_min_mv, voltage_max_mv "
    "FROM minutes_raw FINAL WHERE sensor_id = {id:String} ORDER BY minute, probe"
)


def seconds_are_exact(store: ClickHouse, fleet: Fleet, index: int, used: Sequence[int]) -> None:
    """Each second stands once for each probe, with the samples that were sent, and nothing else does."""
    rows = store.arrow(_SECONDS, {"id": fleet.sensor_ids[index]})
    at_s, made = np.array(used, np.int64), _made(fleet, index, used)
    assert np.array_equal(np.asarray(rows["timestamp"], np.int64), np.repeat(at_s, 3))
    assert np.array_equal(np.asarray(rows["probe"], np.int64), np.tile([1, 2, 3], len(at_s)))
    for name, expected in made.items():
        values, counts = expected
        column = rows[name].combine_chunks()
        assert np.array_equal(np.diff(np.asarray(column.offsets, np.int64)), counts.reshape(-1)), name
        assert np.array_equal(np.asarray(column.flatten(), np.int64), _flat(values, counts)), name


def minutes_are_exact(store: ClickHouse, fleet: Fleet, index: int, used: Sequence[int]) -> None:
    """Each minute holds just what its seconds say."""
    rows = store.arrow(_MINUTES, {"id": fleet.sensor_ids[index]})
    at_s = np.array(used, np.int64)
    minute_s, begin = np.unique(at_s - at_s % 60, return_index=True)
    expected: dict[str, Any] = {
        "minute_s": np.repeat(minute_s, 3),
        "probe": np.tile([1, 2, 3], len(minute_s)),
        "seconds_mask": np.repeat(np.add.reduceat(1 << (at_s % 60), begin), 3),
    }
    made = _made(fleet, index, used)
    power, pf, voltage = made["power"], made["pf"], made["voltage"]
    expected["samples"] = np.add.reduceat(power[1], begin)
    for name, (values, counts) in (("energy_units", power), ("pf_units", pf), ("voltage_units", voltage)):
        expected[name] = np.add.reduceat(_kept(values, counts, 0).sum(axis=2) * (UNITS // counts), begin)
    for name, (values, counts) in (("power_{}_mw", power), ("voltage_{}_mv", voltage)):
        low, high = _kept(values, counts, 1 << 60).min(axis=2), _kept(values, counts, -(1 << 60)).max(axis=2)
        expected[name.format("min")] = np.minimum.reduceat(low, begin)
        expected[name.format("max")] = np.maximum.reduceat(high, begin)
    for name, values in expected.items():
        assert np.array_equal(np.asarray(rows[name], np.int64), np.asarray(values, np.int64).reshape(-1)), name


def _made(fleet: Fleet, index: int, used: Sequence[int]) -> dict[str, tuple[Ints, Ints]]:
    """By column: values (second, probe, sample), and how many of them count (second, probe)."""
    made = seconds(fleet, np.full(len(used), index), np.array(used, np.int64))
    counts = np.repeat(made.samples[:, None], 3, axis=1)
    as_one = fleet.sites.voltage_as_one[index]
    voltage = made.voltage_mv.copy()
    voltage[:, as_one, 0] = made.voltage_rms_mv[:, as_one]
    return {
        "power": (made.power_mw, counts),
        "pf": (made.pf_pct, counts),
        "voltage": (voltage, np.where(as_one[None, :], 1, counts)),
    }


def _kept(values: Ints, counts: Ints, instead: int) -> Ints:
    return np.where(np.arange(values.shape[2]) < counts[:, :, None], values, instead)


def _flat(values: Ints, counts: Ints) -> Ints:
    return values[np.arange(values.shape[2]) < counts[:, :, None]]

"""All SQL of the pages; times go in and come out as UTC seconds. The names are those of sinks/tables.py.

Moments are compared as bare columns with constants, so that the key and the parts' ranges are used.
"""

from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from web.kept_reads import Reads
from web.view.minutes import MinuteRows
from web.view.seconds import Probe

LATEST_SECONDS = """
SELECT sensor_id, toInt64(toUnixTimestamp(second)) AS at_s, probe, power, pf, voltage
FROM readings
WHERE sensor_id IN {sensors:Array(String)} AND second >= fromUnixTimestamp({since:Int64})
ORDER BY at_s
"""

SECONDS_BETWEEN = """
SELECT sensor_id, toInt64(toUnixTimestamp(second)) AS at_s, probe, power, pf, voltage
FROM readings
WHERE sensor_id = {sensor:String} AND second >= fromUnixTimestamp({since:Int64}) AND second < fromUnixTimestamp({until:Int64})
ORDER BY at_s
"""

FLEET_NOW = """
SELECT sensor_id, max(at_s) AS newest_s, argMax(power_mw, at_s) AS power_mw
FROM (
    SELECT sensor_id, toInt64(toUnixTimestamp(second)) AS at_s, sum(arrayAvg(power)) AS power_mw
    FROM readings
    WHERE second >= fromUnixTimestamp({since:Int64})
    GROUP BY sensor_id, second
)
GROUP BY sensor_id
"""

FLEET_EVER = """
SELECT sensor_id, toInt64(toUnixTimestamp(max(minute))) AS minute_s, max(seconds_mask) AS mask
FROM minutes
WHERE (sensor_id, minute) IN (SELECT sensor_id, max(minute) FROM minutes GROUP BY sensor_id)
GROUP BY sensor_id
"""

NEWEST_SECOND = """
SELECT toInt64(toUnixTimestamp(max(second))) AS newest_s, count() AS n
FROM readings
WHERE sensor_id = {sensor:String} AND second >= fromUnixTimestamp({since:Int64})
"""

MINUTES = """
SELECT sensor_id, toInt64(toUnixTimestamp(minute)) AS minute_s, toInt64(probe) AS probe, toInt64(seconds) AS seconds,
    toFloat64(power_mean_mw) AS mean_mw, toFloat64(power_min_mw) AS min_mw, toFloat64(power_max_mw) AS max_mw
FROM minutes
WHERE sensor_id IN {sensors:Array(String)}
    AND minute >= fromUnixTimestamp({since:Int64}) AND minute < fromUnixTimestamp({until:Int64})
"""


async def latest_seconds(db: Reads, sensors: list[str], since_s: int) -> dict[str, dict[int, dict[int, Probe]]]:
    """Samples of some sensors from a second on: by sensor, second and probe."""
    table = await db.run(db.arrow, LATEST_SECONDS, {"sensors": sensors, "since": since_s})
    return _seconds(table, sensors)


async def seconds_between(db: Reads, sensor: str, since_s: int, until_s: int) -> dict[int, dict[int, Probe]]:
    """Samples of one sensor's seconds from since_s up to until_s: by second and probe."""
    table = await db.run(db.arrow, SECONDS_BETWEEN, {"sensor": sensor, "since": since_s, "until": until_s})
    return _seconds(table, [sensor])[sensor]


def _seconds(table: pa.Table, sensors: list[str]) -> dict[str, dict[int, dict[int, Probe]]]:
    out: dict[str, dict[int, dict[int, Probe]]] = {sensor: {} for sensor in sensors}
    if not len(table):
        return out
    power, pf, voltage = (_lists(table[name]) for name in ("power", "pf", "voltage"))
    heads: list[list[Any]] = [table[name].to_pylist() for name in ("sensor_id", "at_s", "probe")]
    for row, (sensor, at_s, probe) in enumerate(zip(*heads, strict=True)):
        out[_text(sensor)].setdefault(at_s, {})[probe] = Probe(power[row], pf[row], voltage[row])
    return out


async def fleet_now(db: Reads, since_s: int) -> dict[str, tuple[int, float]]:
    """Sensors with a second since then: their newest one and its power in mW, phases summed."""
    table = await db.run(db.arrow, FLEET_NOW, {"since": since_s})
    rows = zip(*(table[name].to_pylist() for name in ("sensor_id", "newest_s", "power_mw")), strict=True)
    return {_text(sensor): (newest, power) for sensor, newest, power in rows}


async def fleet_ever(db: Reads) -> dict[str, int]:
    """Every sensor that has a minute, and its newest second by the minutes."""
    table = await db.run(db.arrow, FLEET_EVER)
    rows = zip(*(table[name].to_pylist() for name in ("sensor_id", "minute_s", "mask")), strict=True)
    return {_text(sensor): minute_s + int(mask).bit_length() - 1 for sensor, minute_s, mask in rows}


async def newest_second(db: Reads, sensor: str, since_s: int) -> int | None:
    """The newest second of one sensor at or after since_s."""
    table = await db.run(db.arrow, NEWEST_SECOND, {"sensor": sensor, "since": since_s})
    return table["newest_s"][0].as_py() if table["n"][0].as_py() else None


async def minutes(db: Reads, sensors: list[str], since_s: int, until_s: int) -> dict[str, MinuteRows]:
    """Minutes of some sensors that start from since_s up to until_s."""
    table = await db.run(db.arrow, MINUTES, {"sensors": sensors, "since": since_s, "until": until_s})
    whole = [table[name].to_numpy() for name in ("minute_s", "probe", "seconds", "mean_mw", "min_mw", "max_mw")]
    names: list[Any] = table["sensor_id"].to_pylist()
    owner = np.array([_text(name) for name in names], np.str_)
    return {sensor: MinuteRows(*(column[owner == sensor] for column in whole)) for sensor in sensors}


def _lists(column: "pa.ChunkedArray[Any]") -> list[npt.NDArray[np.float64]]:
    """A list column as one float array per row, without a Python number per sample."""
    out: list[npt.NDArray[np.float64]] = []
    for chunk in column.chunks:
        lists = cast("pa.ListArray[Any]", chunk)
        values = np.asarray(lists.values, np.float64)
        ends = np.asarray(lists.offsets).tolist()
        out += [values[a:b] for a, b in pairwise(ends)]
    return out


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

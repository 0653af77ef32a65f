"""Hours of our own sensors and meters, and the records of a trace over the same time, out of ClickHouse."""

import numpy as np
import pyarrow as pa

from sinks import tables
from sinks.clickhouse import ClickHouse
from streams.catalog.datastore.source import DRAWN, INJECTED, TraceSource
from streams.core.source_hours import HOUR_S, Hours, Stored

_MWS_PER_KWH = 3.6e9
_POWER = {
    "import": "import_mws",
    "export": "export_mws",
    "net": "import_mws - export_mws",
    "import_arithmetic": "import_arithmetic_mws",
    "export_arithmetic": "export_arithmetic_mws",
    **{f"phase_{phase}": f"energy_{phase}_mws" for phase in "abc"},
}
"""By name of an energy: what of a minute it is, mW s."""

# A minute in which a phase of its hour is missing is not covered: its energy is not all there was.
_POWER_HOURS = """
SELECT toInt64(toUnixTimestamp(toStartOfHour(minute))) AS hour_s,
    sum({energy}) / {mws_per_kwh} AS energy_kwh,
    {seconds} / 3600 AS coverage
FROM energy_minutes
WHERE sensor_id = {{id:String}} AND minute >= fromUnixTimestamp({{since:Int64}}) AND minute < fromUnixTimestamp({{until:Int64}})
GROUP BY hour_s
HAVING coverage > 0
ORDER BY hour_s
"""
_SECONDS = "arraySum(arrayMap((s, p) -> if(p = arrayMax(groupArray(phases)), s, 0), groupArray(seconds), groupArray(phases)))"

_LINKY_HOURS = """
SELECT toInt64(toUnixTimestamp(toStartOfHour(minute))) AS hour_s,
    sum({energy}) / 1000 AS energy_kwh,
    sum(seconds) / 3600 AS coverage
FROM tic_minutes
WHERE meter_id = {{id:String}} AND minute >= fromUnixTimestamp({{since:Int64}}) AND minute < fromUnixTimestamp({{until:Int64}})
    {has}
GROUP BY hour_s
HAVING coverage > 0
ORDER BY hour_s
"""

_RECORDS = f"""
SELECT start_us, value, estimated
FROM {tables.CONSUMPTION_RAW.name} FINAL
WHERE series = {{trace:UInt64}} AND start_us BETWEEN {{since:Int64}} AND {{until:Int64}} AND NOT removed
ORDER BY start_us
"""


def hours(store: ClickHouse, source: TraceSource, since_s: int, until_s: int) -> Hours:
    """The hours of a source that start from since_s up to until_s, whole hours both, and in which anything was measured."""
    params = {"id": source.id, "since": since_s, "until": until_s, "label": source.energy}
    found = store.arrow(_linky(source) if source.kind == "linky" else _power(source), params)
    start_s, energy, coverage = (found.column(name) for name in ("hour_s", "energy_kwh", "coverage"))
    return Hours(
        start_s.to_numpy().astype(np.int64),
        energy.cast(pa.float64()).to_numpy().astype(np.float64),
        np.minimum(coverage.to_numpy().astype(np.float64), 1.0),
    )


def records(store: ClickHouse, trace: int, since_s: int, until_s: int) -> Stored:
    """A trace's records that start from since_s to until_s, both included."""
    found = store.arrow(_RECORDS, {"trace": trace, "since": since_s * 1_000_000, "until": until_s * 1_000_000})
    return Stored(
        found.column("start_us").to_numpy().astype(np.int64),
        found.column("value").cast(pa.float64()).to_numpy().astype(np.float64),  # null becomes NaN
        found.column("estimated").cast(pa.uint8()).to_numpy().astype(np.bool_),
    )


def hour_of(at_s: float) -> int:
    """The start of the hour a moment lies in."""
    return int(at_s) // HOUR_S * HOUR_S


def _power(source: TraceSource) -> str:
    energy = _POWER[source.energy]
    phase = source.energy.removeprefix("phase_")
    seconds = f"sum(seconds_{phase})" if phase != source.energy else _SECONDS
    return _POWER_HOURS.format(energy=energy, mws_per_kwh=_MWS_PER_KWH, seconds=seconds)


def _linky(source: TraceSource) -> str:
    if source.energy in (DRAWN, INJECTED):
        return _LINKY_HOURS.format(energy=f"{source.energy}_wh", has="")
    return _LINKY_HOURS.format(energy="energy_wh[indexOf(index, {label:String})]", has="AND has(index, {label:String})")

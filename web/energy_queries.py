"""All SQL of energy, demand and cost; times go in and come out as UTC seconds."""

from typing import Any

import numpy as np
import pyarrow as pa

from schemas.columns import Int64s
from schemas.units import UNITS
from sinks import quarter_sql
from sinks.quarter_sql import LINKY, POWER, Kind, select
from streams.core.energy import QUARTER_S, Quarters
from streams.core.linky_use import Counted
from web.kept_reads import Reads

FRESH_S = 2 * QUARTER_S
"""How far back quarters are made from the minutes at once: the table's newest may be some seconds behind them."""

UNITS_PER_WH = 3_600_000 * UNITS
FIGURES = POWER.quarters.columns[3:]

_FORECAST = """
SELECT toInt64(toUnixTimestamp(minute)) AS at_s, import_mws, seconds FROM energy_minutes
WHERE sensor_id = {sensor:String} AND minute >= fromUnixTimestamp({since:Int64}) ORDER BY minute
"""
_FORECAST_LINKY = """
SELECT toInt64(toUnixTimestamp(minute)) AS at_s, drawn_wh * 3600000 AS import_mws, seconds FROM tic_minutes
WHERE meter_id = {sensor:String} AND minute >= fromUnixTimestamp({since:Int64}) ORDER BY minute
"""


async def quarters(db: Reads, sensor: str, since_s: int, until_s: int, now_s: float) -> Quarters:
    """Quarter-hours of one 3-phase sensor that begin from since_s up to until_s."""
    table = await _one(db, POWER, sensor, since_s, until_s, now_s)
    return Quarters(_ints(table, "quarter"), {name: _ints(table, name) for name in FIGURES})


async def meter_quarters(
    db: Reads, meter: str, since_s: int, until_s: int, now_s: float
) -> tuple[Quarters, list[tuple[int, Counted]], int]:
    """Quarter-hours of one Linky: as of a sensor, with what its indexes counted, and the newest contract in VA."""
    table = await _one(db, LINKY, meter, since_s, until_s, now_s)
    at_s = _ints(table, "quarter")
    figures = {name: np.zeros(len(at_s), np.int64) for name in FIGURES}
    for name, column in (("units_import", "drawn_wh"), ("units_export", "injected_wh"), ("units_sliding", "sliding_wh")):
        figures[name] = _ints(table, column) * UNITS_PER_WH
    figures["units_import_arithmetic"], figures["units_export_arithmetic"] = figures["units_import"], figures["units_export"]
    figures |= {name: _ints(table, name) for name in ("seconds", "sliding_end")}
    lists = [table[name].to_pylist() for name in ("index_label", "index_first_wh", "index_last_wh", "energy_wh")]
    counted: list[tuple[int, Counted]] = [
        (at, {_text(label): (f, e, w) for label, f, e, w in zip(*of, strict=True)})
        for at, *of in zip(at_s.tolist(), *lists, strict=True)
    ]
    contract = _ints(table, "contract_va")
    return Quarters(at_s, figures), counted, int(contract[-1]) if len(contract) else 0


async def before(db: Reads, meter: str, since_s: int) -> list[tuple[int, Counted]]:
    """Where a Linky's counters stood before a moment: its last quarter before, when there is one."""
    found = (await db.run(db.arrow, quarter_sql.newest_before(LINKY, meter, since_s)))["at_s"][0].as_py()
    return (await meter_quarters(db, meter, found, found + QUARTER_S, found + 2 * FRESH_S))[1] if found else []


async def fleet(db: Reads, sensors: list[str], since_s: int, edge_s: Int64s) -> pa.Table:
    """Sums of many sensors by period: sensor_id, period, import and export in mW s and what is left of UNITS, seconds, peak.

    Args:
        edge_s: shape (periods + 1,), from `energy.edges`; its first is since_s.
    """
    period = [p for p, count in enumerate((np.diff(edge_s) // QUARTER_S).tolist()) for _ in range(count)]
    found = await db.run(db.arrow, quarter_sql.by_period(since_s, int(edge_s[-1]), period), {"sensors": sensors})
    return found.sort_by([("sensor_id", "ascending"), ("period", "ascending")])


async def last_minutes(db: Reads, sensor: str, linky: bool, since_s: int) -> list[tuple[int, int, int]]:
    """(start, energy drawn in mW s, seconds measured) of one sensor's minutes since then."""
    table = await db.run(db.arrow, _FORECAST_LINKY if linky else _FORECAST, {"sensor": sensor, "since": since_s})
    return list(zip(*(_ints(table, name).tolist() for name in ("at_s", "import_mws", "seconds")), strict=True))


async def _one(db: Reads, kind: Kind, sensor: str, since_s: int, until_s: int, now_s: float) -> pa.Table:
    fresh_s = min(max(since_s, int(now_s) // QUARTER_S * QUARTER_S - FRESH_S), until_s)
    stored = await db.run(db.arrow, quarter_sql.stored(kind, sensor, since_s, fresh_s))
    if fresh_s >= until_s:
        return stored
    made = (await db.run(db.arrow, select(kind, fresh_s, until_s, [sensor]))).rename_columns(list(kind.quarters.columns))
    return pa.concat_tables([stored, made.sort_by("quarter")], promote_options="permissive")


def _ints(table: pa.Table, name: str) -> Int64s:
    return table[name].to_numpy().astype(np.int64)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

"""Queries of energy on generated quarter-hours: a year of one sensor, a month of a fleet; beside the same from minutes."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

from infra.settings import Settings
from schemas.units import UNITS
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from streams.core import energy
from web import energy_queries

ZONE = "Europe/Paris"
SINCE_S = energy.midnight(ZONE, date(2026, 1, 1))
UNTIL_S = energy.midnight(ZONE, date(2027, 1, 1))
MONTH_S = energy.midnight(ZONE, date(2026, 2, 1))
QUERIES = ("year of one sensor", "month of all sensors", "year of one sensor, from minutes")
UNITS_OF_QUARTER = 900 * 1_000_000 * UNITS
"""One kW."""


def measure(sensors: int = 100, rounds: int = 20) -> dict[str, Any]:
    """Milliseconds by query, and what was wrong.

    Args:
        sensors: of the fleet; each has a month, one has a year.
    """
    settings = Settings(data=Path(tempfile.mkdtemp(prefix="energy-bench-")), clickhouse_url="")
    store = ClickHouse(settings)
    try:
        migrate(store, settings)
        _fill(store, sensors)
        return asyncio.run(_measured(store, sensors, rounds))
    finally:
        store.close()


def _fill(store: ClickHouse, sensors: int) -> None:
    quarters, month = (UNTIL_S - SINCE_S) // 900, (MONTH_S - SINCE_S) // 900
    row = (
        "SELECT {sensor} AS sensor_id, toDateTime({since} + 900 * ({n}), 'UTC') AS quarter, 1 AS version, 15 AS minutes, "
        "900 AS seconds, 900 AS seconds_a, 900 AS seconds_b, 900 AS seconds_c, {units} AS units_import, {units} AS units_sliding "
        "FROM numbers({count})"
    )
    columns = "sensor_id, quarter, version, minutes, seconds, seconds_a, seconds_b, seconds_c, units_import, units_sliding"
    for sensor, n, count in (
        ("'year000000'", "number", quarters),
        (f"concat('fleet', leftPad(toString(intDiv(number, {month})), 6, '0'))", f"number % {month}", sensors * month),
    ):
        made = row.format(sensor=sensor, since=SINCE_S, n=n, units=UNITS_OF_QUARTER, count=count)
        store.command(f"INSERT INTO quarters_raw ({columns}) {made}")
    store.command(
        "INSERT INTO minutes_raw (sensor_id, minute, probe, version, seconds_mask, energy_units) "
        f"SELECT 'year000000', toDateTime({SINCE_S} + 60 * intDiv(number, 3), 'UTC'), number % 3 + 1, 1, "
        f"bitShiftLeft(1, 60) - 1, {UNITS_OF_QUARTER // 45} FROM numbers({(UNTIL_S - SINCE_S) // 20})"
    )


async def _measured(store: ClickHouse, sensors: int, rounds: int) -> dict[str, Any]:
    names = [f"fleet{n:06}" for n in range(sensors)]
    edge = energy.edges(ZONE, SINCE_S, MONTH_S, "day")
    wrong: list[str] = []

    async def year() -> None:
        found = await energy_queries.quarters(store, "year000000", SINCE_S, UNTIL_S, UNTIL_S + 86_400)
        days = energy.edges(ZONE, SINCE_S, UNTIL_S, "day")
        sums = energy.exact(found.figures["units_import"], energy.periods_of(found.at_s, days), len(days) - 1)
        expected = [int(s) // 900 * UNITS_OF_QUARTER // 1 for s in (days[1:] - days[:-1])]
        if sums != expected:
            wrong.append("the year's days are not a kW")

    async def fleet() -> None:
        found = await energy_queries.fleet(store, names, SINCE_S, edge)
        if len(found) != 31 * sensors or set(found["seconds"].to_pylist()) != {86_400}:
            wrong.append(f"{len(found)} rows of the fleet")

    async def year_of_minutes() -> None:
        sql = (
            "SELECT toDate(minute, {z:String}) AS d, sum(import_mws) FROM energy_minutes "
            "WHERE sensor_id = 'year000000' GROUP BY d"
        )
        await store.run(store.arrow, sql, {"z": ZONE})

    return {
        "sensors": sensors,
        "year of one sensor": await _p95(year, rounds),
        "month of all sensors": await _p95(fleet, rounds),
        "year of one sensor, from minutes": await _p95(year_of_minutes, max(3, rounds // 5)),
        "wrong": wrong[:1],
    }


async def _p95(query: Callable[[], Awaitable[None]], rounds: int) -> dict[str, float]:
    """95 % are answered in p95_ms; cpu_ms is the median of what the process used, which a busy machine does not change."""
    took, used = [], []
    await query()
    for _ in range(rounds):
        began, cpu = time.perf_counter(), time.process_time()
        await query()
        took.append((time.perf_counter() - began) * 1000)
        used.append((time.process_time() - cpu) * 1000)
    return {"p95_ms": round(sorted(took)[int(0.95 * (len(took) - 1))], 1), "cpu_ms": round(sorted(used)[len(used) // 2], 1)}

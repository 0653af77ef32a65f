"""What a replay's table says otherwise than the live one: by sensor and day, and the worst minutes. A day at a time."""

from typing import Any

from schemas.units import UNITS
from sinks.shadow import FINAL, Shadow

SHOWN = ("version", "seconds_mask", "energy_units", "power_min_mw", "power_max_mw")
"""Figures of a worst minute that are told, in the order of Kept.shown."""

Found = dict[str, Any]


def difference(shadow: Shadow, worst: int = 20) -> Found:
    """Compare the replay's minutes with the live ones, both FINAL, where the replay was about them.

    Rows made of readings that came after the replay's end are not compared: live went on.

    Returns:
        {"minutes", "newer", "differing", "days": […], "worst": […]}: minutes compared, passed over as newer, and
        differing; of each sensor and UTC day that differs, how; and the `worst` rows by energy difference.
    """
    days: list[Found] = []
    rows: list[Found] = []
    total = newer = 0
    for (day,) in shadow.store.rows(_days(shadow)):
        for sensor, compared, passed, live_only, replay_only, differing, units in shadow.store.rows(_by_sensor(shadow, day)):
            total, newer = total + compared, newer + passed
            if live_only or replay_only or differing:
                days.append(
                    {
                        "sensor_id": sensor,
                        "day": day,
                        "minutes": compared,
                        "only_live": live_only,
                        "only_replay": replay_only,
                        "differing": differing,
                        "energy_difference_mws": _mws(units),
                    }
                )
        if days and days[-1]["day"] == day:
            rows = _worst(rows + [_row(found) for found in shadow.store.rows(_rows(shadow, day, worst))], worst)
    differing = sum(d["only_live"] + d["only_replay"] + d["differing"] for d in days)
    return {"minutes": total, "newer": newer, "differing": differing, "days": days, "worst": rows}


def _days(shadow: Shadow) -> str:
    both = " UNION ALL ".join(f"SELECT minute FROM {t} WHERE {shadow.inside}" for t in (shadow.live, shadow.name))
    return f"SELECT DISTINCT toString(toDate(minute)) AS day FROM ({both}) ORDER BY day"


def _probes(shadow: Shadow, day: str) -> str:
    """SQL: each (sensor, minute, probe) of a day, where it is, and whether the two say the same."""
    midnight = f"toDateTime('{day} 00:00:00', 'UTC')"
    which = f"({shadow.inside}) AND minute >= {midnight} AND minute < {midnight} + 86400"
    kept = shadow.kept
    sides = " UNION ALL ".join(
        f"SELECT {side} AS side, {kept.id} AS sensor_id, minute, {kept.probe} AS probe, {kept.figures} AS figures, version, "
        f"{kept.energy} AS energy, tuple({', '.join(kept.shown)}) AS shown FROM {table} FINAL WHERE {which}"
        for side, table in enumerate(_sides(shadow))
    )
    return (
        "SELECT sensor_id, minute, probe, countIf(side = 0) AS in_live, countIf(side = 1) AS in_replay, "
        "count() < 2 OR min(figures) != max(figures) AS differs, "
        "sumIf(energy, side = 1) - sumIf(energy, side = 0) AS units, max(version) AS newest, "
        f"anyIf(shown, side = 0) AS of_live, anyIf(shown, side = 1) AS of_replay "
        f"FROM ({sides}) GROUP BY sensor_id, minute, probe"
    )


def _sides(shadow: Shadow) -> tuple[str, str]:
    """The live rows and the replay's, also while the replay is live: then the other table holds what it replaced."""
    return (shadow.name, shadow.live) if shadow.is_live() else (shadow.live, shadow.name)


def _by_sensor(shadow: Shadow, day: str) -> str:
    minutes = (
        "SELECT sensor_id, minute, max(in_live) AS in_live, max(in_replay) AS in_replay, max(differs) AS differs, "
        f"sum(units) AS units, max(newest) AS newest FROM ({_probes(shadow, day)}) GROUP BY sensor_id, minute"
    )
    judged = (
        f"SELECT m.sensor_id AS sensor_id, in_live, in_replay, differs, units, {_passed(shadow)} AS passed FROM ({minutes}) AS m "
        f"LEFT JOIN ({shadow.ends_by_sensor(shadow.live, shadow.name)}) AS e ON m.sensor_id = e.{shadow.kept.id}"
    )
    return (
        "SELECT toString(sensor_id) AS sensor, countIf(NOT passed), countIf(passed), "
        "countIf(NOT passed AND in_replay = 0), countIf(NOT passed AND in_live = 0), "
        "countIf(NOT passed AND differs AND in_live > 0 AND in_replay > 0), sumIf(units, NOT passed) "
        f"FROM ({judged}) GROUP BY sensor ORDER BY sensor {FINAL}"
    )


def _rows(shadow: Shadow, day: str, worst: int) -> str:
    """SQL: the rows of a day that differ most."""
    columns = [f"tupleElement({side}, {at + 1})" for side in ("of_live", "of_replay") for at in range(len(SHOWN))]
    return (
        "SELECT toString(m.sensor_id) AS sensor, toInt64(toUnixTimestamp(m.minute)) AS at_s, m.probe, in_live, in_replay, units, "
        f"{', '.join(columns)} FROM ({_probes(shadow, day)}) AS m "
        f"LEFT JOIN ({shadow.ends_by_sensor(shadow.live, shadow.name)}) AS e ON m.sensor_id = e.{shadow.kept.id} "
        f"WHERE differs AND NOT ({_passed(shadow)}) ORDER BY abs(units) DESC, sensor, at_s, probe LIMIT {worst} {FINAL}"
    )


def _passed(shadow: Shadow) -> str:
    return f"(m.newest >= {shadow.least} AND m.newest >= e.end_of)"


def _row(found: tuple[Any, ...]) -> Found:
    sensor, minute_s, probe, in_live, in_replay, units, *figures = found
    live, replay = figures[: len(SHOWN)], figures[len(SHOWN) :]
    return {
        "sensor_id": sensor,
        "minute_s": minute_s,
        "probe": probe,
        "energy_difference_mws": _mws(units),
        "live": _figures(live) if in_live else None,
        "replay": _figures(replay) if in_replay else None,
    }


def _figures(values: list[Any]) -> Found:
    told = dict(zip(SHOWN, map(int, values), strict=True))
    return {
        "version": told["version"],
        "seconds": told["seconds_mask"].bit_count(),
        "energy_mws": _mws(told["energy_units"]),
        "power_min_mw": told["power_min_mw"],
        "power_max_mw": told["power_max_mw"],
    }


def _worst(rows: list[Found], most: int) -> list[Found]:
    return sorted(rows, key=lambda r: (-abs(r["energy_difference_mws"]), r["sensor_id"], r["minute_s"], r["probe"]))[:most]


def _mws(units: int) -> int:
    """The nearest integer, halves to even."""
    floor, rest = divmod(int(units), UNITS)
    return floor + (2 * rest > UNITS or (2 * rest == UNITS and floor % 2 == 1))

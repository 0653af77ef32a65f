"""All SQL of the meters' pages; times go in and come out as UTC seconds. The names are those of sinks/tic_tables.py."""

from collections.abc import Iterator
from typing import Any

from schemas import tic_values
from schemas.tic_frame import Value
from web.kept_reads import Reads
from web.view.meter import Energy, Frame, Minute

_FRAMES = """
SELECT meter_id, boot_id, counter, toInt64(toUnixTimestamp(second)) AS at_s,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    clock_degraded, clock_synchronised, mode, over_power, tempo_today, tempo_tomorrow,
    arrayFilter(name -> name IN {labels:Array(String)}, label) AS name,
    arrayFilter((one, name) -> name IN {labels:Array(String)}, number, label) AS number,
    arrayFilter((one, name) -> name IN {labels:Array(String)}, text, label) AS text
FROM tic_frames
WHERE meter_id IN {meters:Array(String)} AND second >= fromUnixTimestamp({since:Int64})
"""

_MINUTES = """
SELECT toInt64(toUnixTimestamp(minute)) AS minute_s, frames, seconds, apparent_mean_va, apparent_min_va, apparent_max_va,
    injected_max_va, voltage_min_v, voltage_mean_v, voltage_max_v, tariff, tariff_name, index, index_first_wh, index_last_wh,
    energy_wh, drawn_wh, injected_wh, contract_va, tempo_today, tempo_tomorrow, over_power, clock_degraded, characters,
    bad_characters, rejected_groups, discarded_frames, lost_frames, quarantined
FROM tic_minutes
WHERE meter_id = {meter:String} AND minute >= fromUnixTimestamp({since:Int64}) AND minute < fromUnixTimestamp({until:Int64})
ORDER BY minute
"""

_NAMES = """
SELECT tariff, anyLast(tariff_name) AS name
FROM tic_minutes
WHERE meter_id = {meter:String} AND tariff > 0 AND tariff_name != ''
    AND minute >= fromUnixTimestamp({since:Int64}) AND minute < fromUnixTimestamp({until:Int64})
GROUP BY tariff
"""

_EVER = """
SELECT meter_id, toInt64(toUnixTimestamp(max(minute))) AS newest_s
FROM tic_minutes
GROUP BY meter_id
"""

_RECENT = """
SELECT meter_id, toInt64(toUnixTimestamp(max(second))) AS newest_s,
    argMax(arrayFirst((one, name) -> name IN ('SINSTS', 'SINST1', 'PAPP'), number, label), (second, counter)) AS apparent_va
FROM tic_frames
WHERE second >= fromUnixTimestamp({since:Int64})
GROUP BY meter_id
"""

_LABELS = (
    *("SINSTS", "SINST1", "PAPP", "SINSTI", "URMS1", "URMS2", "URMS3", "IRMS1", "IRMS2", "IRMS3", "IINST", "IINST1", "IINST2"),
    *("IINST3", "PREF", "ISOUSC", "NTARF", "LTARF", "PTEC", "DEMAIN", "ADPS", "ADIR1", "ADIR2", "ADIR3"),
)

Key = tuple[str, int]


async def frames(db: Reads, meters: list[str], since_s: int) -> dict[str, dict[Key, Frame]]:
    """Frames of some meters from a second on: by meter, then by boot and counter."""
    out: dict[str, dict[Key, Frame]] = {meter: {} for meter in meters}
    for row in await _rows(db, _FRAMES, {"meters": meters, "since": since_s, "labels": list(_LABELS)}):
        out[row["meter_id"]][row["boot_id"], row["counter"]] = _frame(row)
    return out


async def minutes(db: Reads, meter: str, since_s: int, until_s: int) -> list[Minute]:
    """Minutes of one meter that start from since_s up to until_s, by time."""
    return [_minute(row) for row in await _rows(db, _MINUTES, {"meter": meter, "since": since_s, "until": until_s})]


async def tariff_names(db: Reads, meter: str, since_s: int, until_s: int) -> dict[int, str]:
    """What the meter called its tariffs in a span, by index."""
    rows = await _rows(db, _NAMES, {"meter": meter, "since": since_s, "until": until_s})
    return {row["tariff"]: " ".join(row["name"].split()) for row in rows}


async def newest_ever(db: Reads) -> dict[str, int]:
    """Every meter that has a minute, and its newest one."""
    return {row["meter_id"]: row["newest_s"] for row in await _rows(db, _EVER, {})}


async def recent(db: Reads, since_s: int) -> dict[str, tuple[int, int | None]]:
    """Meters with a frame since then: its time and apparent power in VA."""
    rows = await _rows(db, _RECENT, {"since": since_s})
    return {row["meter_id"]: (row["newest_s"], row["apparent_va"]) for row in rows}


def _frame(row: dict[str, Any]) -> Frame:
    triples = zip(row["name"], row["number"], row["text"], strict=True)
    values: dict[str, Value] = {_text(name): _text(text) if number is None else number for name, number, text in triples}
    today, tomorrow = tic_values.tempo(values, row["tempo_today"], row["tempo_tomorrow"])
    return Frame(
        at_s=row["at_s"],
        counter=row["counter"],
        received_s=row["received_at_ms"] / 1000,
        apparent_va=tic_values.apparent_va(values),
        injected_va=tic_values.injected_va(values),
        voltage_v=tic_values.voltages_v(values),
        current_a=tic_values.currents_a(values),
        tariff=tic_values.tariff(values),
        tariff_name=tic_values.tariff_name(values),
        contract_va=tic_values.contract_va(values),
        tempo_today=today,
        tempo_tomorrow=tomorrow,
        over_power=row["over_power"] or tic_values.over_power(values),
        clock_degraded=row["clock_degraded"],
        clock_synchronised=row["clock_synchronised"],
        mode=row["mode"],
    )


def _minute(row: dict[str, Any]) -> Minute:
    arrays = [row.pop(name) for name in ("index", "index_first_wh", "index_last_wh", "energy_wh")]
    energy = {_text(label): Energy(first, last, wh) for label, first, last, wh in zip(*arrays, strict=True)}
    for name in ("voltage_min_v", "voltage_mean_v", "voltage_max_v"):
        row[name] = tuple(row[name])
    return Minute(**row | {"over_power": bool(row["over_power"]), "clock_degraded": bool(row["clock_degraded"])}, energy=energy)


async def _rows(db: Reads, sql: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    table = await db.run(db.arrow, sql, params)
    names = table.column_names
    columns = [table[name].to_pylist() for name in names]
    return ({name: _text(value) for name, value in zip(names, row, strict=True)} for row in zip(*columns, strict=True))


def _text(value: Any) -> Any:
    """Strings come as bytes from the engine inside this process."""
    return value.decode() if isinstance(value, bytes) else value

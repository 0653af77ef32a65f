"""All SQL about anomalies. Times go in and come out as UTC microseconds; the names are those of sinks/tables.py."""

# ruff: noqa: S608  (statements are made of our own names; what people ask for is a parameter)
from dataclasses import dataclass
from typing import Any

from schemas.anomaly import LINKY
from sinks.clickhouse import ClickHouse
from web.view.anomaly_facts import Row

_FACTS = (
    "id, rule, kind, source, phase, toUnixTimestamp64Micro(start_at) AS start_us, toUnixTimestamp64Micro(end_at) AS end_us, "
    "toUnixTimestamp64Micro(last_at) AS last_us, state, final, severity, unit, worst, limit_value, ieee1159, en50160, details, "
    "log_partition, log_offset"
)
_SAMPLES = "sample_second, sample_probe, sample_power_mw, sample_pf_pct, sample_voltage_mv"
_SAID = "acknowledged, note, said_by, said_us"
_LAST_WORDS = """
SELECT anomaly, argMax(acknowledged, version) AS acknowledged, argMax(note, version) AS note,
    argMax(said_by, version) AS said_by, argMax(toInt64(toUnixTimestamp64Milli(said_at)) * 1000, version) AS said_us
FROM anomaly_notes_raw GROUP BY anomaly
"""
_FINAL = "SETTINGS do_not_merge_across_partitions_select_final = 1"

HISTORY = """
SELECT acknowledged, note, said_by, toInt64(toUnixTimestamp64Milli(said_at)) * 1000 AS said_us
FROM anomaly_notes WHERE anomaly = {id:String} ORDER BY version
"""
SAID = "SELECT 1 FROM anomaly_notes_raw WHERE anomaly = {id:String} AND version >= {version:UInt64} LIMIT 1"
OPEN = f"""
SELECT source, rule, id, severity, toUnixTimestamp64Micro(start_at) AS start_us
FROM anomalies_raw FINAL WHERE state = 'open' ORDER BY start_at {_FINAL}
"""

MINUTES = """
SELECT toInt64(toUnixTimestamp(minute)) AS minute_s, toInt64(probe) AS probe, toFloat64(power_mean_mw) AS power_mw,
    toFloat64(pf_mean_pct) AS pf_pct, toFloat64(voltage_mean_mv) AS voltage_mv
FROM minutes
WHERE sensor_id = {sensor:String} AND minute >= fromUnixTimestamp({since:Int64}) AND minute < fromUnixTimestamp({until:Int64})
ORDER BY minute, probe
"""

METER_MINUTES = """
SELECT toInt64(toUnixTimestamp(minute)) AS minute_s, toInt64(1) AS probe, 1000. * apparent_mean_va AS power_mw,
    0. AS pf_pct, 0. AS voltage_mv
FROM tic_minutes
WHERE meter_id = {sensor:String} AND minute >= fromUnixTimestamp({since:Int64}) AND minute < fromUnixTimestamp({until:Int64})
    AND apparent_mean_va IS NOT NULL
ORDER BY minute
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which anomalies somebody wants; what is empty or None is not asked for.

    Attributes:
        since_us, until_us: of those that touch [since, until).
        state: open or closed.
        acknowledged: whether somebody has seen them.
        withdrawn: also those that were none.
        text: in the rule, the note or the name of who said it; or the source is one of `named`.
        named: sources that the text means.
        sources: only of these.
    """

    since_us: int | None = None
    until_us: int | None = None
    rule: str = ""
    source: str = ""
    kind: str = ""
    state: str = ""
    severity: str = ""
    acknowledged: bool | None = None
    withdrawn: bool = False
    text: str = ""
    named: tuple[str, ...] = ()
    sources: tuple[str, ...] | None = None


async def find(db: ClickHouse, asked: Asked, limit: int, before: tuple[int, str] | None = None) -> list[Row]:
    """Anomalies, the newest first, without samples.

    Args:
        before: start and id of the last one of the part before.
    """
    inner, outer, values = _conditions(asked, before)
    sql = _select(inner, outer)
    return _rows(await db.run(db.arrow, f"{sql} ORDER BY start_us DESC, id DESC LIMIT {{n:UInt32}}", {**values, "n": limit}))


async def count(db: ClickHouse, asked: Asked) -> int:
    """How many there are."""
    inner, outer, values = _conditions(asked, None)
    sql = _select(inner, outer) if outer else f"SELECT 1 FROM anomalies_raw FINAL WHERE {inner} {_FINAL}"
    return int((await db.run(db.rows, f"SELECT count() FROM ({sql})", values))[0][0])


async def one(db: ClickHouse, anomaly: str) -> Row | None:
    """One anomaly with its samples, withdrawn or not."""
    begins = "start_at = (SELECT min(start_at) FROM anomalies_raw WHERE id = {id:String})"  # the table is in the order of starts
    facts = f"SELECT {_FACTS}, {_SAMPLES} FROM anomalies_raw FINAL WHERE {begins} AND id = {{id:String}} {_FINAL}"
    words = _LAST_WORDS.replace("GROUP BY", "WHERE anomaly = {id:String} GROUP BY")
    sql = f"SELECT a.*, {_SAID} FROM ({facts}) AS a LEFT JOIN ({words}) AS n ON n.anomaly = a.id"
    found = _rows(await db.run(db.arrow, sql, {"id": anomaly}))
    return found[0] if found else None


async def history(db: ClickHouse, anomaly: str) -> list[Row]:
    """All that people said of one, the oldest first."""
    return _rows(await db.run(db.arrow, HISTORY, {"id": anomaly}))


async def open_ones(db: ClickHouse) -> list[Row]:
    """Every anomaly that goes on: its source, rule, id, severity and start, the oldest first."""
    return _rows(await db.run(db.arrow, OPEN))


async def minutes(
    db: ClickHouse, kind: str, source: str, since_s: int, until_s: int
) -> list[tuple[int, int, float, float, float]]:
    """Minutes of a 3-phase sensor: UTC second, phase 1 to 3, mean power in mW, power factor in percent, voltage in mV.

    Of a Linky: apparent power in mVA at phase 1, and nothing else.
    """
    sql = METER_MINUTES if kind == LINKY else MINUTES
    table = await db.run(db.arrow, sql, {"sensor": source, "since": since_s, "until": until_s})
    names = ("minute_s", "probe", "power_mw", "pf_pct", "voltage_mv")
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


async def is_stored(db: ClickHouse, anomaly: str, version: int) -> bool:
    """Whether what was said at this offset, or later, is in the table."""
    return bool(await db.run(db.rows, SAID, {"id": anomaly, "version": version}))


def _conditions(asked: Asked, before: tuple[int, str] | None) -> tuple[str, str, dict[str, Any]]:
    """What must hold of an anomaly; of it together with what people say, empty when nothing must; and the parameters."""
    inner, outer, values = ["1"], list[str](), dict[str, Any]()
    if asked.since_us is not None:
        inner.append("(state = 'open' OR end_at > fromUnixTimestamp64Micro({since:Int64}))")
        values["since"] = asked.since_us
    if asked.until_us is not None:
        inner.append("start_at < fromUnixTimestamp64Micro({until:Int64})")
        values["until"] = asked.until_us
    for name in ("rule", "source", "kind", "state", "severity"):
        if wanted := getattr(asked, name):
            inner.append(f"{name} = {{{name}:String}}")
            values[name] = wanted
    if asked.sources is not None:
        inner.append("source IN {sources:Array(String)}")
        values["sources"] = list(asked.sources)
    if not asked.withdrawn:
        inner.append("state != 'withdrawn'")
    if before is not None:
        inner.append("(start_at, id) < (fromUnixTimestamp64Micro({at:Int64}), {after:String})")
        values |= {"at": before[0], "after": before[1]}
    if asked.acknowledged is not None:
        outer.append("acknowledged" if asked.acknowledged else "NOT acknowledged")
    if asked.text:
        found = (
            f"positionCaseInsensitiveUTF8({column}, {{text:String}}) > 0" for column in ("rule", "source", "note", "said_by")
        )
        outer.append(f"({' OR '.join(found)} OR source IN {{named:Array(String)}})")
        values |= {"text": asked.text, "named": list(asked.named)}
    return " AND ".join(inner), " AND ".join(outer), values


def _select(inner: str, outer: str) -> str:
    """The query without order."""
    facts = f"SELECT {_FACTS} FROM anomalies_raw FINAL WHERE {inner} {_FINAL}"
    joined = f"({facts}) AS a LEFT JOIN ({_LAST_WORDS}) AS n ON n.anomaly = a.id"
    return f"SELECT a.*, {_SAID} FROM {joined} WHERE {outer or '1'}"


def _rows(table: Any) -> list[Row]:
    return [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value

"""Quarter-hours as a function of minutes: the same statement fills the table and looks at what is too new to be in it.

A quarter's row is made of its own minutes and, for the sliding demand, of those of the quarter before.
Its version is the generation, and below that the sum of (version + 1) of all these minutes: as a minute's version only
grows, a row made from newer minutes always has a higher one, whoever made it and in whatever order they are inserted.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.units import UNITS
from sinks import tables, tic_tables
from sinks.clickhouse import quoted
from sinks.tables import Table

QUARTER_S = 900
_FINAL = "SETTINGS do_not_merge_across_partitions_select_final = 1"
GENERATION_BITS = 52
"""Of the version, below the generation: offsets up to 10^14."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Quarters of one kind of minutes.

    Attributes:
        id: the column that names the sensor or meter.
        per_minute: SQL: one row a minute, with `v`, its version, and `drawn`, what demand is made of.
        figures: SQL of the columns after quarter, version and minutes, of rows with `own`, each minute's `slide` and `drawn`.
    """

    minutes: Table
    quarters: Table
    id: str
    per_minute: str
    figures: str


def _own(*names: str) -> str:
    return ", ".join(f"sumIf({name}, own)" for name in names)


_SLIDING = "maxIf(slide, own), argMaxIf(minute, (slide, -toInt64(toUnixTimestamp(minute))), own)"
_SUMS = ("seconds", "seconds_a", "seconds_b", "seconds_c", "units_a", "units_b", "units_c")

POWER = Kind(
    tables.MINUTES_RAW,
    tables.QUARTERS_RAW,
    "sensor_id",
    "SELECT sensor_id, minute, max(version) AS v, bitCount(groupBitAnd(seconds_mask)) AS seconds, "
    + ", ".join(f"sumIf(bitCount(seconds_mask), probe = {k}) AS seconds_{p}" for k, p in enumerate("abc", 1))
    + ", "
    + ", ".join(f"sumIf(energy_units, probe = {k}) AS units_{p}" for k, p in enumerate("abc", 1))
    + ", greatest(sum(energy_units), 0) AS drawn, greatest(-sum(energy_units), 0) AS given, "
    "sum(greatest(energy_units, 0)) AS arithmetic_in, sum(greatest(-energy_units, 0)) AS arithmetic_out, "
    "sum(abs(pf_units)) AS pf FROM minutes_raw FINAL WHERE {which} GROUP BY sensor_id, minute",
    f"{_own(*_SUMS, 'drawn', 'given', 'arithmetic_in', 'arithmetic_out', 'pf')}, {_SLIDING}",
)

_FOUR = "index_label, index_first_wh, index_last_wh, energy_wh"
_INDEXES = f"groupArrayArrayIf(arrayMap((l, f, e, w) -> (l, f, e, w, minute), {_FOUR}), own)"
_OF_LABEL = "arrayFilter(x -> x.1 = label, indexes)"

LINKY = Kind(
    tic_tables.TIC_MINUTES_RAW,
    tic_tables.TIC_QUARTERS_RAW,
    "meter_id",
    "SELECT meter_id, minute, version AS v, bitCount(seconds_mask) AS seconds, drawn_wh AS drawn, injected_wh AS given, "
    "apparent_max_va, contract_va, index_label, index_first_wh, index_last_wh, energy_wh "
    "FROM tic_minutes_raw FINAL WHERE {which}",
    f"sumIf(seconds, own), {_own('drawn', 'given')}, {_SLIDING}, maxIf(apparent_max_va, own), "
    f"argMaxIf(contract_va, minute, own), arraySort(arrayDistinct(arrayMap(x -> x.1, {_INDEXES} AS indexes))) AS labels, "
    f"arrayMap(label -> arraySort(x -> x.5, {_OF_LABEL})[1].2, labels), "
    f"arrayMap(label -> arraySort(x -> x.5, {_OF_LABEL})[-1].3, labels), "
    f"arrayMap(label -> arraySum(x -> x.4, {_OF_LABEL}), labels)",
)
KINDS = (POWER, LINKY)


def select(kind: Kind, first_s: int, end_s: int, sensors: Iterable[str] | None = None, generation: int = 0) -> str:
    """SQL: the rows of `kind.quarters`, in the order of its columns, of quarters that begin from first_s up to end_s.

    Args:
        sensors: None: all.
    """
    which = f"minute >= toDateTime({first_s - QUARTER_S}, 'UTC') AND minute < toDateTime({end_s}, 'UTC')"
    if sensors is not None:
        which += f" AND {kind.id} IN ({', '.join(map(quoted, sensors)) or 'NULL'})"
    slid = (
        f"SELECT *, sum(drawn) OVER (PARTITION BY {kind.id} ORDER BY toInt64(toUnixTimestamp(minute)) "
        f"RANGE BETWEEN {QUARTER_S - 60} PRECEDING AND CURRENT ROW) AS slide FROM ({kind.per_minute.format(which=which)})"
    )
    named = f"{kind.id} AS id, q, {generation << GENERATION_BITS} + sum(v + 1) AS version_, countIf(own) AS minutes_"
    return (
        f"SELECT {named}, {kind.figures} FROM ({slid}) "
        f"ARRAY JOIN [toStartOfFifteenMinutes(minute), toStartOfFifteenMinutes(minute) + {QUARTER_S}] AS q, "
        "[true, false] AS own "
        f"WHERE q >= toDateTime({first_s}, 'UTC') AND q < toDateTime({end_s}, 'UTC') "
        f"GROUP BY {kind.id}, q HAVING minutes_ > 0 {_FINAL}"
    )


def fill(kind: Kind, first_s: int, end_s: int, sensors: Iterable[str] | None, generation: int) -> str:
    """SQL: make these rows."""
    columns = ", ".join(kind.quarters.columns)
    return f"INSERT INTO {kind.quarters.name} ({columns}) {select(kind, first_s, end_s, sensors, generation)}"


def forget(kind: Kind, first_s: int, end_s: int, generation: int) -> str:
    """SQL: of rows made before a generation, say that their minutes are there no more."""
    before = generation << GENERATION_BITS
    return (
        f"INSERT INTO {kind.quarters.name} ({kind.id}, quarter, version) "
        f"SELECT {kind.id}, quarter, {before} FROM {kind.quarters.name} FINAL WHERE minutes > 0 AND version < {before} "
        f"AND quarter >= toDateTime({first_s}, 'UTC') AND quarter < toDateTime({end_s}, 'UTC') {_FINAL}"
    )


def stored(kind: Kind, sensor: str, first_s: int, end_s: int) -> str:
    """SQL: the rows of one sensor, by time, with the columns of the table."""
    return (
        f"SELECT {', '.join(kind.quarters.columns)} FROM {kind.quarters.name} FINAL WHERE {kind.id} = {quoted(sensor)} "
        f"AND quarter >= toDateTime({first_s}, 'UTC') AND quarter < toDateTime({end_s}, 'UTC') AND minutes > 0 "
        f"ORDER BY quarter {_FINAL}"
    )


def newest_before(kind: Kind, sensor: str, end_s: int) -> str:
    """SQL: at_s, the newest quarter of one sensor that begins before a moment; 0: there is none."""
    return (
        f"SELECT toInt64(toUnixTimestamp(max(quarter))) AS at_s FROM {kind.quarters.name} FINAL "
        f"WHERE {kind.id} = {quoted(sensor)} AND quarter < toDateTime({end_s}, 'UTC') AND minutes > 0 {_FINAL}"
    )


def by_period(first_s: int, end_s: int, period: list[int]) -> str:
    """SQL: sums of the sensors of the parameter `sensors`, by period, in mW s and what is left in 1/263340 of one, in any order.

    Args:
        period: of each quarter from first_s up to end_s, which one it belongs to.
    """
    named = f"[{','.join(map(str, period))}]::Array(UInt16)"
    names = ("units_import", "units_export", "units_import_arithmetic", "units_export_arithmetic")
    sums = ", ".join(f"sum(toInt128({name})) AS sum_{name}" for name in names)
    split = ", ".join(
        f"toInt64(intDiv(sum_{name}, {UNITS})) AS {name}_mws, toInt64(sum_{name} % {UNITS}) AS {name}_rest" for name in names
    )
    nth = f"toUInt32(intDiv(toUnixTimestamp(quarter) - {first_s}, {QUARTER_S}) + 1)"
    return (
        f"SELECT sensor_id, period, {split}, seconds_ AS seconds, peak_units FROM (SELECT sensor_id, "
        f"arrayElement({named}, {nth}) AS period, {sums}, toInt64(sum(seconds)) AS seconds_, max(units_import) AS peak_units "
        f"FROM {POWER.quarters.name} FINAL WHERE sensor_id IN {{sensors:Array(String)}} "
        f"AND quarter >= toDateTime({first_s}, 'UTC') AND quarter < toDateTime({end_s}, 'UTC') AND minutes > 0 "
        f"GROUP BY sensor_id, period) {_FINAL}"
    )

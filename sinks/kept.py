"""What a replay compares and exchanges, by the topic that it reads again."""

from dataclasses import dataclass

from schemas import topics
from schemas.units import UNITS
from sinks import tables, tic_tables
from sinks.tables import Table

_WH = 3_600_000 * UNITS
_POWER = ("sensor_id", "minute", "probe")
_SHOWN = ("version", "seconds_mask", "energy_units", "power_min_mw", "power_max_mw")


@dataclass(frozen=True, slots=True)
class Kept:
    """Two tables of one kind.

    Attributes:
        minutes, raw: tables.
        id: the column that names the sensor or meter.
        probe: SQL: what tells rows of one minute apart.
        figures: SQL: what must be equal, not null; the key is not in it.
        energy: SQL: in mW s / UNITS.
        shown: SQL: version, mask of seconds, energy as above, least and greatest power in mW or mVA.
    """

    minutes: Table
    raw: Table
    id: str
    probe: str
    figures: str
    energy: str
    shown: tuple[str, ...]


KEPT = {
    topics.READINGS.name: Kept(
        tables.MINUTES_RAW,
        tables.READINGS_RAW,
        "sensor_id",
        "probe",
        f"({', '.join(column for column in tables.MINUTES_RAW.columns if column not in _POWER)})",
        "energy_units",
        _SHOWN,
    ),
    topics.TIC_FRAMES.name: Kept(
        tic_tables.TIC_MINUTES_RAW,
        tic_tables.TIC_FRAMES_RAW,
        "meter_id",
        "0",
        f"toJSONString(tuple({', '.join(tic_tables.TIC_MINUTES_RAW.columns[2:])}))",  # an array with nulls equals nothing
        f"toInt64(drawn_wh * {_WH})",
        (
            "version",
            "seconds_mask",
            f"toInt64(drawn_wh * {_WH})",
            "1000 * toInt64(ifNull(apparent_min_va, 0))",
            "1000 * toInt64(ifNull(apparent_max_va, 0))",
        ),
    ),
}

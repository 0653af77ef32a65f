"""A home with a Linky, as rows of ClickHouse: any second on its own, the same each time."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from sinks import tables, tic_tables
from sinks.clickhouse import ClickHouse

BOOT = "b0"
START_WH = 8_000_000
LABELS = ("EASF01", "EASF02", "EAST")


def evening(zone: str = "Europe/Paris") -> int:
    """The newest six o'clock in the evening there, in UTC seconds: no day ends while a test looks at it."""
    now = datetime.now(ZoneInfo(zone))
    six = now.replace(hour=18, minute=0, second=0, microsecond=0)
    return int((six if six <= now else six - timedelta(days=1)).timestamp())


def power_va(at_s: int) -> int:
    """A base, a fridge, an evening, a water heater at night."""
    hour = at_s / 3600 % 24
    fridge = 140 if at_s % 2400 < 900 else 0
    evening = 1900 * math.exp(-((hour - 18.5) ** 2) / 3)
    heater = 2100 if hour < 3.2 else 0
    kettle = 1800 if at_s % 9000 < 170 else 0
    return round(180 + fridge + evening + heater + kettle + 40 * math.sin(at_s / 37) + 25 * math.sin(at_s / 3.1))


def off_peak(at_s: int) -> bool:
    return at_s / 3600 % 24 < 6


def volts(at_s: int) -> int:
    return round(233 + 3 * math.sin(at_s / 5000) + 1.5 * math.sin(at_s / 61) - power_va(at_s) / 1500)


def frame(meter_id: str, counter: int, at_s: int, **other: Any) -> dict[str, Any]:
    """One row of `tic_frames_raw`: single-phase, standard, Tempo."""
    numbers = {
        "SINSTS": power_va(at_s),
        "IRMS1": power_va(at_s) // 230,
        "URMS1": volts(at_s),
        "PREF": 6,
        "NTARF": 1 + (not off_peak(at_s)),
    }
    texts = {"LTARF": "    HC  BLEU    " if off_peak(at_s) else "    HP  BLEU    "}
    label = [*numbers, *texts]
    return {
        "meter_id": meter_id,
        "boot_id": BOOT,
        "counter": counter,
        "second": at_s,
        "meter_second": at_s,
        "received_at": at_s * 1000 + 400,
        "clock_degraded": False,
        "clock_synchronised": True,
        "monotonic_ms": counter * 920,
        "mode": "standard",
        "label": label,
        "number": [numbers.get(name) for name in label],
        "text": [texts.get(name, "") for name in label],
        "stamp": [None] * len(label),
        "stamp_degraded": [False] * len(label),
        "breaker": "closed",
        "contact_open": False,
        "over_voltage": False,
        "over_power": False,
        "supplier_index": numbers["NTARF"],
        "tempo_today": "blue",
        "tempo_tomorrow": "red",
        "peak_announced": 0,
        "peak_running": 0,
        "relays_closed": 0,
        "characters": 864,
        "bad_characters": 0,
        "discarded_frames": 0,
        "stray_characters": 0,
        "rejected_label": [],
        "rejected_code": [],
        "rejected_hex": [],
        "log_partition": 0,
        "rank": 2**64 - 1 - counter,
        **other,
    }


def minute(meter_id: str, minute_s: int, index_wh: dict[str, int], seconds: int = 60, **other: Any) -> dict[str, Any]:
    """One row of `tic_minutes_raw`; moves index_wh on."""
    powers = [power_va(minute_s + s) for s in range(0, seconds, 4)]
    energy = round(sum(powers) / len(powers) * seconds / 3600)
    index = 0 if off_peak(minute_s) else 1
    before = dict(index_wh)
    index_wh[LABELS[index]] += energy
    index_wh["EAST"] += energy
    voltage = [volts(minute_s + s) for s in range(0, seconds, 4)]
    return {
        "meter_id": meter_id,
        "minute": minute_s,
        "version": minute_s + seconds,
        "frames": seconds * 13 // 12,
        "seconds_mask": (1 << seconds) - 1,
        "apparent_frames": len(powers),
        "apparent_sum_va": sum(powers),
        "apparent_min_va": min(powers),
        "apparent_max_va": max(powers),
        "injected_max_va": None,
        "voltage_frames": [len(voltage)],
        "voltage_sum_v": [sum(voltage)],
        "voltage_min_v": [min(voltage)],
        "voltage_max_v": [max(voltage)],
        "current_frames": [len(powers)],
        "current_sum_a": [sum(powers) // 230],
        "current_max_a": [max(powers) // 230],
        "tariff": index + 1,
        "tariff_name": ("    HC  BLEU    ", "    HP  BLEU    ")[index],
        "index_label": list(LABELS),
        "index_first_wh": [before[label] for label in LABELS],
        "index_last_wh": [index_wh[label] for label in LABELS],
        "energy_wh": [index_wh[label] - before[label] for label in LABELS],
        "drawn_wh": energy,
        "injected_wh": 0,
        "contract_va": 6000,
        "tempo_today": "blue",
        "tempo_tomorrow": "red",
        "over_power": False,
        "clock_degraded": False,
        "characters": seconds * 936,
        "bad_characters": 0,
        "rejected_groups": 0,
        "discarded_frames": 0,
        "lost_frames": 0,
        "quarantined": 0,
        **other,
    }


def start_wh() -> dict[str, int]:
    return {"EASF01": START_WH, "EASF02": 2 * START_WH, "EAST": 3 * START_WH}


def minutes(meter_id: str, start_s: int, until_s: int, gaps: Iterable[range] = ()) -> list[dict[str, Any]]:
    """Rows of every minute up to a second; in the gaps the meter counts and nobody listens."""
    index_wh, rows = start_wh(), []
    holes = tuple(gaps)
    for minute_s in range(start_s // 60 * 60, until_s, 60):
        row = minute(meter_id, minute_s, index_wh, min(60, until_s - minute_s))
        if not any(minute_s in hole for hole in holes):
            rows.append(row)
    return rows


def insert(db: ClickHouse, table: tables.Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows with the types of the table."""
    types = _TYPES[table.name]
    columns = {name: pa.array([row[name] for row in rows], types.get(name)) for name in table.columns}
    db.insert(table.name, pa.RecordBatch.from_pydict(columns))


def fill_frames(db: ClickHouse, meter_id: str, seconds: list[int], **other: Any) -> None:
    insert(db, tic_tables.TIC_FRAMES_RAW, [frame(meter_id, at_s, at_s, **other) for at_s in seconds])


def fill_minutes(db: ClickHouse, rows: list[dict[str, Any]]) -> None:
    insert(db, tic_tables.TIC_MINUTES_RAW, rows)


_U8, _U16, _U32, _U64, _I64 = pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.int64()
_TYPES: dict[str, dict[str, Any]] = {
    tic_tables.TIC_FRAMES_RAW.name: {
        "counter": _U64,
        "second": _U32,
        "meter_second": _U32,
        "received_at": pa.timestamp("ms", "UTC"),
        "monotonic_ms": _U64,
        "label": pa.list_(pa.string()),
        "number": pa.list_(_I64),
        "text": pa.list_(pa.string()),
        "stamp": pa.list_(_U32),
        "stamp_degraded": pa.list_(pa.bool_()),
        "supplier_index": _U8,
        "peak_announced": _U8,
        "peak_running": _U8,
        "relays_closed": _U8,
        "characters": _U32,
        "bad_characters": _U32,
        "discarded_frames": _U32,
        "stray_characters": _U64,
        "rejected_label": pa.list_(pa.string()),
        "rejected_code": pa.list_(pa.string()),
        "rejected_hex": pa.list_(pa.string()),
        "log_partition": pa.int32(),
        "rank": _U64,
    },
    tic_tables.TIC_MINUTES_RAW.name: {
        "minute": _U32,
        "version": _U64,
        "frames": _U16,
        "seconds_mask": _U64,
        "apparent_frames": _U16,
        "apparent_sum_va": _U64,
        "apparent_min_va": _U32,
        "apparent_max_va": _U32,
        "injected_max_va": _U32,
        "voltage_frames": pa.list_(_U16),
        "voltage_sum_v": pa.list_(_U64),
        "voltage_min_v": pa.list_(_U32),
        "voltage_max_v": pa.list_(_U32),
        "current_frames": pa.list_(_U16),
        "current_sum_a": pa.list_(_U64),
        "current_max_a": pa.list_(_U32),
        "tariff": _U8,
        "index_label": pa.list_(pa.string()),
        "index_first_wh": pa.list_(_I64),
        "index_last_wh": pa.list_(_I64),
        "energy_wh": pa.list_(_I64),
        "drawn_wh": _I64,
        "injected_wh": _I64,
        "contract_va": _U32,
        "characters": _U32,
        "bad_characters": _U32,
        "rejected_groups": _U32,
        "discarded_frames": _U32,
        "lost_frames": _U64,
        "quarantined": _U16,
    },
}

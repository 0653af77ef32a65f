"""A meter's minutes as CSV."""

import csv
import io
from typing import Any

from web.view.meter import Minute, tariff_text
from web.view.meter_day import iso, local

PLAIN = (
    *("frames", "seconds", "apparent_mean_va", "apparent_min_va", "apparent_max_va", "injected_max_va"),
    *("drawn_wh", "injected_wh", "tariff", "contract_va", "tempo_today", "tempo_tomorrow", "over_power", "clock_degraded"),
    *("characters", "bad_characters", "rejected_groups", "discarded_frames", "lost_frames", "quarantined"),
)
PER_PHASE = ("voltage_min_v", "voltage_mean_v", "voltage_max_v")


def sheet(minutes: list[Minute], zone: str) -> str:
    """One row a minute; an index and its energy are a column each."""
    labels = sorted({label for one in minutes for label in one.energy})
    phases = range(max((len(one.voltage_mean_v) for one in minutes), default=0))
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    volts = [f"{name.removesuffix('_v')}_{phase + 1}_v" for phase in phases for name in PER_PHASE]
    counts = [name for label in labels for name in (f"{label}_wh", f"{label}_energy_wh")]
    rows.writerow(["minute_utc", "minute_local", *PLAIN, "tariff_name", *volts, *counts])
    for one in minutes:
        plain = [_cell(getattr(one, name)) for name in PLAIN]
        volt = [_cell(_at(getattr(one, name), phase)) for phase in phases for name in PER_PHASE]
        count = [
            value
            for label in labels
            for value in ((one.energy[label].last_wh, one.energy[label].energy_wh) if label in one.energy else ("", ""))
        ]
        name = tariff_text(one.tariff, one.tariff_name)
        rows.writerow([iso(one.minute_s), local(one.minute_s, zone), *plain, _safe(name), *volt, *count])
    return out.getvalue()


def _at(values: tuple[float | None, ...], phase: int) -> float | None:
    return values[phase] if phase < len(values) else None


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return "" if value is None else round(value, 1) if isinstance(value, float) else value


def _safe(text: str) -> str:
    """A tariff's name is free text: no spreadsheet may take it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text

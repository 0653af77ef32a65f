"""Quarter-hours as demand: a month's days against the contract, its largest, and what is usual at that time of day. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from streams.core import energy
from streams.core.energy import Quarters
from web.view.energy import Columns, at_s
from web.view.meter_day import iso
from web.view.period import Period
from web.view.period_words import named
from web.view.say import say

Row = Mapping[str, Any]

NEAR = 0.9
"""Share of the contract from which on a demand is near it."""

LARGEST = 5


def bars(one: Period, days: Iterable[Row], contract_kw: float | None) -> Columns:
    """The largest quarter-hour of each day."""
    out: Columns = {name: [] for name in ("left", "right", "bottom", "top", "colour", "band", "when", "kwh", "measured")}
    for row in days:
        kw = row["demand_max_kw"]
        if kw is None:
            continue
        left, right = ((at_s(row, name) - one.start_s) * 1000 for name in ("start", "end"))
        room = (right - left) * 0.08
        over = contract_kw is not None and kw > contract_kw
        values = {
            "left": left + room,
            "right": right - room,
            "bottom": 0,
            "top": kw,
            "colour": "--bad" if over else "--accent",
            "band": say("largest quarter-hour, kW"),
            "when": named(one, "day", at_s(row), at_s(row, "end")),
            "kwh": kw,
            "measured": round(100 * row["coverage"], 1),
        }
        for name, value in values.items():
            out[name].append(value)
    return out


def spans(rows: Iterable[Row]) -> list[tuple[int, int]]:
    return [(at_s(row), at_s(row, "end")) for row in rows]


def largest(quarters: Quarters, contract_kw: float | None, now_s: float) -> list[dict[str, Any]]:
    """The largest quarter-hours, the largest first, of equals the earliest."""
    units = quarters.figures["units_import"]
    found = []
    for at in np.lexsort((quarters.at_s, -units))[:LARGEST].tolist():
        kw, start = energy.kw(int(units[at])), int(quarters.at_s[at])
        over_s = min(energy.QUARTER_S, max(1, int(now_s) - start))
        share = min(1.0, int(quarters.figures["seconds"][at]) / over_s)
        found.append({"at": iso(start), "kw": kw, "of_contract": kw / contract_kw if contract_kw else None, "coverage": share})
    return found


def why(zone: str, quarters: Quarters) -> dict[str, Any] | None:
    """What the peak is made of: its phases in kW, and the median of the same quarter-hour of the month's other days.

    Returns:
        None: nothing was measured.
    """
    peak = energy.peak(quarters, "units_import")
    if peak is None:
        return None
    clock = (quarters.at_s + energy.offsets(zone, quarters.at_s)) % energy.DAY_S
    same = np.flatnonzero((clock == clock[peak]) & (np.arange(len(clock)) != peak))
    units, of = quarters.figures["units_import"], quarters.figures
    phases = [(name.upper(), energy.kw(int(of[f"units_{name}"][peak]))) for name in "abc" if of[f"seconds_{name}"][peak]]
    return {
        "phases": phases,
        "usual_kw": energy.kw(int(np.median(units[same]))) if len(same) else None,
        "days": len(same),
        "kw": energy.kw(int(units[peak])),
    }

"""The thresholds of the rules: defaults, and what the catalog says of one sensor.

The defaults are those of EN 50160 and of the usual practice around it; every one can be set per sensor by its name here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from schemas.columns import Int64s
from schemas.units import MINUTE_S
from streams.core.anomaly.habit_limits import HabitLimits

DEFAULTS: dict[str, float] = {
    "sag_pct": 90,  # of the nominal voltage; EN 50160: a dip begins below this …
    "sag_end_pct": 92,  # … and ends here
    "swell_pct": 110,
    "swell_end_pct": 108,
    "interruption_pct": 5,  # all phases below this
    "interruption_end_pct": 7,
    "silence_s": 5,  # no second for so long
    "phase_missing_s": 5,  # a probe absent for so many of the seconds that came
    "overload_pct": 100,  # of the contracted power, mean of 60 s; without a contract it is not judged
    "overload_end_pct": 97,
    "peak_pct": 100,  # of the contracted power: what the running quarter-hour will be …
    "peak_end_pct": 97,
    "peak_after_s": 300,  # … once so many of its seconds are there
    "load_imbalance_pct": 30,  # max |P_i - mean| / mean …
    "load_imbalance_end_pct": 27,
    "load_imbalance_s": 300,  # … for so long …
    "load_imbalance_floor_w": 0,  # … where the three together draw more than this; 0: 5 % of the contract, or 500 W
    "voltage_imbalance_pct": 2,  # max |U_i - mean| / mean
    "voltage_imbalance_end_pct": 1.8,
    "voltage_imbalance_s": 300,
    "low_pf_pct": 90,  # |power factor| of the three together
    "low_pf_end_pct": 91,
    "low_pf_s": 300,
    "low_pf_floor_w": 0,  # as for the load's imbalance
    "reverse_power_w": 0,  # fed back to the grid; 0: not judged, as panels do nothing else
    "reverse_power_s": 60,
    "stuck_s": 10,  # the same samples for so long
    "clock_s": 5,  # a second's own time away from when it was received …
    "clock_min_s": 60,  # … for so long
}
"""By name, as the catalog's `thresholds` name them; percent of the nominal voltage or of the contract, seconds, watts."""

METER_DEFAULTS: dict[str, float] = {
    "meter_silence_s": 30,  # no frame for so long
    "slope_high_pct": 110,  # in a quarter-hour the indexes grow by at most so much of what the apparent power allows …
    "slope_low_pct": 5,  # … and by at least so much …
    "slope_slack_wh": 5,  # … give or take, as an index counts whole watt-hours and a power is rounded
    "slope_measured_s": 600,  # … where so much of it is measured
    "link_pct": 10,  # of a minute's frames damaged or lost …
    "link_s": 180,  # … for so long
    "clock_degraded_s": 60,  # the meter says that its clock lost the time, for so long
}
"""The same of Linkys."""

HABIT_DEFAULTS: dict[str, float] = {
    "habit_mads": 4,  # so many (scaled) median absolute deviations from the median of this hour of the week …
    "habit_pct": 50,  # … and at least this part of it …
    "habit_floor_w": 0,  # … and at least so much; 0: 5 % of the contract, or 500 W
    "habit_s": 1200,  # … for so long
    "habit_weeks": 3,  # once so many weeks of that hour are known
}
"""The same of the learned rule."""

NAMES = tuple(DEFAULTS)
ROW = (*NAMES, "contract_mw", "watch_low_mv", "watch_high_mv", "from_s", "before")
"""A row of limits as the compiled rules read it: the thresholds in mW, mV, permille, s and ms, then what is made of them; the
UTC second from which on it holds, and where the row before it is."""

EVER = -(1 << 62)
"""`from_s` of a row that holds since ever."""

FLOOR_SHARE = 0.05
FLOOR_W = 500.0
_OF_NOMINAL = ("sag_pct", "sag_end_pct", "swell_pct", "swell_end_pct", "interruption_pct", "interruption_end_pct")
_OF_CONTRACT = ("overload_pct", "overload_end_pct", "peak_pct", "peak_end_pct")


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts for one sensor.

    Attributes:
        nominal_voltage_v: phase to neutral.
        contracted_power_w: the newest; 0: none.
        zone: IANA name of the place's time zone.
        thresholds: (name, value) of those that differ from DEFAULTS; names that are none of ours are passed over.
        earlier: contracted powers of before: (UTC second, on a minute, from which on it did not hold any more, W), oldest first.
    """

    nominal_voltage_v: float = 220.0
    contracted_power_w: float = 0.0
    thresholds: tuple[tuple[str, float], ...] = ()
    zone: str = "UTC"
    earlier: tuple[tuple[int, float], ...] = ()

    def values(self) -> Mapping[str, float]:
        """All thresholds by name."""
        return DEFAULTS | {name: value for name, value in self.thresholds if name in DEFAULTS}

    def habit(self) -> HabitLimits:
        """What counts for the learned rule."""
        values = HABIT_DEFAULTS | {name: value for name, value in self.thresholds if name in HABIT_DEFAULTS}
        floor_w = values["habit_floor_w"] or FLOOR_SHARE * self.contracted_power_w or FLOOR_W
        least_min, weeks = round(values["habit_s"] / MINUTE_S), round(values["habit_weeks"])
        return HabitLimits(values["habit_mads"], values["habit_pct"] / 100, round(floor_w * 1000), least_min, weeks, self.zone)

    def meter_values(self) -> Mapping[str, float]:
        """All thresholds of a Linky by name."""
        return METER_DEFAULTS | {name: value for name, value in self.thresholds if name in METER_DEFAULTS}


@lru_cache(maxsize=4096)
def rows_of(limits: Limits) -> tuple[Int64s, ...]:
    """The limits as integers in the order of ROW, the newest first; shape (len(ROW),) each. Where the next is, is left open."""
    powers_w = [*(power_w for _, power_w in limits.earlier), limits.contracted_power_w]
    since_s = [EVER, *(until_s for until_s, _ in limits.earlier)]
    made = [_row(replace(limits, contracted_power_w=w, earlier=()), s) for w, s in zip(powers_w, since_s, strict=True)]
    return tuple(reversed(made))


def _row(limits: Limits, from_s: int) -> Int64s:
    values = dict(limits.values())
    floor_w = FLOOR_SHARE * limits.contracted_power_w or FLOOR_W
    row: dict[str, float] = {}
    for name, value in values.items():
        if name in _OF_NOMINAL:
            row[name] = value * limits.nominal_voltage_v * 10  # percent of volts, in mV
        elif name in _OF_CONTRACT:
            row[name] = value * limits.contracted_power_w * 10
        elif name.endswith("floor_w"):
            row[name] = (value or floor_w) * 1000
        elif name.endswith("_w"):
            row[name] = value * 1000
        elif name.endswith("_pct"):
            row[name] = value * 10
        else:
            row[name] = value
    row["clock_s"] = values["clock_s"] * 1000
    row["contract_mw"] = limits.contracted_power_w * 1000
    row["watch_low_mv"] = max(row["sag_pct"], row["sag_end_pct"], row["interruption_end_pct"])
    row["from_s"], row["before"] = from_s, -1
    row["watch_high_mv"] = min(row["swell_pct"], row["swell_end_pct"])
    return np.array([round(row[name]) for name in ROW], np.int64)

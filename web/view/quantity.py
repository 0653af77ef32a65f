"""Canonical units to text for people: W, kW, MW, V, percent, durations."""

import math

from schemas.units import MV_PER_V, MW_PER_W
from web.view.say import Number, Text, joined, say, say_n

DASH = "–"
"""What stands where nothing was measured; never a zero."""


def power(power_mw: float | None) -> tuple[str, str]:
    """Power with three or four significant digits.

    Args:
        power_mw: milliwatts; None or NaN when not measured.

    Returns:
        number and unit, as ("4.21", "kW").
    """
    if power_mw is None or math.isnan(power_mw):
        return DASH, "W"
    watts = power_mw / MW_PER_W
    size = abs(watts)
    if size < 9.95:
        return _signed(watts, 1), "W"
    if size < 999.5:
        return _signed(watts, 0), "W"
    kilowatts = watts / 1000
    if abs(kilowatts) < 9.995:
        return _signed(kilowatts, 2), "kW"
    if abs(kilowatts) < 999.95:
        return _signed(kilowatts, 1), "kW"
    return _signed(kilowatts / 1000, 2), "MW"


def power_text(power_mw: float | None) -> Text:
    return joined(" ", power(power_mw))


def voltage(voltage_mv: float | None) -> tuple[str, str]:
    """Voltage to a tenth of a volt."""
    if voltage_mv is None or math.isnan(voltage_mv):
        return DASH, "V"
    return _signed(voltage_mv / MV_PER_V, 1), "V"


def percent(value: float | None, digits: int = 0) -> tuple[str, str]:
    """A share or power factor that is in percent already."""
    if value is None or math.isnan(value):
        return DASH, "%"
    return _signed(value, digits), "%"


def duration(seconds: float) -> Text:
    """A length of time in its one or two largest units: "37 s", "4 min 5 s", "3 h 20 min", "12 days"."""
    whole = max(0, int(seconds))
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if whole < 60:
        return say("{s} s", s=s)
    if whole < 3600:
        return say("{m} min {s} s", m=m, s=s) if s and m < 10 else say("{m} min", m=m)
    if hours < 24:
        return say("{h} h {m} min", h=hours, m=m) if m else say("{h} h", h=hours)
    whole_days = say_n("{n} day", "{n} days", days)
    return say("{days} {h} h", days=whole_days, h=h) if days < 3 and h else whole_days


def _signed(value: float, digits: int) -> Number:
    """A number with thousands apart and a real minus sign; never "−0"."""
    text = f"{abs(value):,.{digits}f}".replace(",", "\u202f")
    negative = value < 0 and text.strip("0.\u202f") != ""
    return Number(f"\u2212{text}" if negative else text)

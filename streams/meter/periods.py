"""Which part of a trace belongs to the baseline and which to the reporting period."""

from dataclasses import replace
from typing import Any

import pandas as pd

from streams.meter.readings import HOUR, Insufficient, Series, Usage, day_after

YEAR = pd.DateOffset(days=365)
BILLS_YEAR = pd.DateOffset(days=366)


def inside(usage: Usage, start: Any, end: Any, temperature: Series, *, last_year: bool) -> Usage:
    """Cut to whole days, hours of whole days, or whole bills between two instants while the weather is known.

    Args:
        usage: of one trace.
        start, end: instants; None: no bound.
        temperature: hourly.
        last_year: only the last 365 days, or the last bills of 366 days.

    Raises:
        Insufficient: nothing is left.
    """
    if not len(temperature):
        raise Insufficient("no weather: no station with records serves this project; name one, or upload weather_records")
    energy, billing = usage.energy, usage.kind == "billing"
    if not len(energy):
        raise Insufficient("the trace has no readings")
    first = max(t for t in (start, energy.index[0], temperature.index[0]) if t is not None)
    # Bills want the weather of the hour at which the last one ends.
    weather_end = temperature.index[-1] if billing else temperature.index[-1] + HOUR
    last = min(t for t in (end, usage.end, weather_end) if t is not None)
    if billing:
        return _bills(usage, first, last, last_year=last_year)
    zone = energy.index.tz
    first, last = day_after(first.tz_convert(zone)), last.tz_convert(zone).normalize()
    if last_year:
        first = max(first, last - YEAR)
    cut = energy[(energy.index >= first) & (energy.index < last)]
    if not len(cut):
        raise Insufficient("no energy is metered in this period while the weather is known")
    return replace(usage, energy=cut, end=last)


def _bills(usage: Usage, first: Any, last: Any, *, last_year: bool) -> Usage:
    starts = usage.energy.index
    ends = starts[1:].append(pd.DatetimeIndex([usage.end]))
    within = (starts >= first) & (ends <= last)
    if last_year and within.any():
        within &= starts >= ends[within][-1] - BILLS_YEAR
    if not within.any():
        raise Insufficient("no whole bill lies in this period while the weather is known")
    return replace(usage, energy=usage.energy[within], end=ends[within][-1])

"""Records to the energy by day, hour or bill that a model can be fitted to.

Pure: pandas in, pandas out. Each rule here stands against a trap of OpenDSM 1.2.7, named where it is.
"""

from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any, Literal

import numpy as np
import pandas as pd

from streams.meter.task import Columns, RunFailed, Trace, Weather

Kind = Literal["daily", "billing", "hourly"]
Series = Any
"""A pandas Series with an index of instants in a zone."""

HOUR, DAY = pd.Timedelta(hours=1), pd.DateOffset(days=1)

SUBDAILY = pd.Timedelta(hours=20)
"""Steps below this are summed to days."""

BILLING = pd.Timedelta(days=2)
"""Steps above this are bills."""

BILL_MAX_DAYS = 70
"""CalTRACK 2.2.3.1: estimated bills are joined to the next actual one up to this length."""

GAP_HOURS = 6
"""Gaps in the weather up to this length are filled by interpolation."""


class Insufficient(Exception):
    """No model can be had from this; args: one sentence for each reason."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The energy of one trace.

    Attributes:
        energy: by start of the day, hour or bill, in the zone whose days these are; NaN: not known.
        end: where the last one ends.
        zero_is_missing: OpenDSM's rule for electricity drawn; generation, net and gas really are 0 at times.
    """

    kind: Kind
    energy: Series
    end: Any
    zero_is_missing: bool


def usage(trace: Trace, zone: tzinfo, subdaily_model: str) -> Usage:
    """Prepare a trace for the model that fits its step.

    Args:
        trace: its records.
        zone: where the building stands.
        subdaily_model: "daily" or "hourly".

    Raises:
        Insufficient: there are no two records.
    """
    if len(trace.records) < 2:
        raise Insufficient(f"trace {trace.pk} has {len(trace.records)} records; two make one reading")
    values = series(trace.records, zone)
    steps = values.index.to_series().diff().dropna()
    step = steps.median()
    zero_is_missing = trace.interpretation in ("E_C_S", "E_C_T")
    if step > BILLING:
        bills = _to_zone_of_days(values, zone)
        shared = share_estimated(bills, trace.records.estimated)
        return Usage("billing", shared[:-1], bills.index[-1], zero_is_missing)
    if step >= SUBDAILY:
        days = _to_zone_of_days(values, zone)
        return Usage("daily", days[:-1], days.index[-1], zero_is_missing)
    hourly = subdaily_model == "hourly" and step <= HOUR and not trace.interpretation.startswith("E_OSG")
    return Usage("hourly" if hourly else "daily", summed(values, by_hour=hourly), values.index[-1], zero_is_missing)


def series(records: Columns, zone: tzinfo) -> Series:
    """Records as values by instant."""
    index = pd.DatetimeIndex(pd.to_datetime(records.start_us, unit="us", utc=True)).as_unit("ns").tz_convert(zone)
    return pd.Series(records.value, index=index, name="observed")


def summed(values: Series, *, by_hour: bool) -> Series:
    """Sum readings to local days or to hours; readings of half its time make a day, scaled up (CalTRACK 2.2.2.1).

    OpenDSM's daily class does not scale over gaps: 2 % are lost with one hour in 50. Its hourly class, given readings
    every 15 minutes, keeps those of the full hour and drops three quarters of the energy without a word.

    Args:
        values: readings by start, the last one only closing the series.
        by_hour: to hours rather than days.
    """
    starts = values.index
    cells = _hours(starts) if by_hour else starts.normalize()
    length_s = _seconds(cells + HOUR - cells) if by_hour else _seconds(cells + DAY - cells)
    gaps = np.diff(starts.asi8) / 1e9
    after, before = np.append(gaps, gaps[-1:]), np.append(gaps[:1], gaps)
    covers_s = np.minimum(np.minimum(after, before), length_s)  # beside a gap, a reading covers no more than on its other side
    table = pd.DataFrame({"energy": values.to_numpy(), "covered": covers_s, "length": length_s}, index=cells)[:-1].dropna()
    total = table.groupby(level=0, sort=True).agg({"energy": "sum", "covered": "sum", "length": "first"})
    scale = total["length"] / total["covered"]
    found = (total["energy"] * scale.clip(lower=1.0)).where(scale <= 2)
    first, last = cells[0], cells[-2] if len(cells) > 1 else cells[0]
    grid = pd.date_range(first, last, freq="h" if by_hour else "D")
    return found.reindex(grid).rename("observed")


def share_estimated(bills: Series, estimated: Any) -> Series:
    """Share the energy of estimated bills and the actual one behind them by days over the same bills.

    OpenDSM 1.2.7 takes no notice of the flag. Bills joined into one would be "off-cycle" to it, and disqualified.
    """
    days = np.append(np.diff(bills.index.asi8) / 86_400e9, 0.0)
    group = np.concatenate([[0], np.cumsum(~np.asarray(estimated)[:-1])])
    table = pd.DataFrame({"value": bills.to_numpy(), "days": days}, index=bills.index)
    parts = table.groupby(group)
    total, span = parts["value"].transform(lambda v: v.sum(skipna=False)), parts["days"].transform("sum")
    alone = parts["value"].transform("size") == 1
    shared = (total * table["days"] / span).where(span <= BILL_MAX_DAYS)
    return table["value"].where(alone, shared).rename("observed")


def temperatures(weather: Weather, zone: tzinfo, *, normal: bool = False) -> Series:
    """Hourly degrees Fahrenheit on a grid without holes: an hour without a reading is NaN, not absent.

    OpenDSM takes a day for whole whose only hour of weather is one; where hours stand that are NaN it counts them.
    """
    readings = series(weather.normal if normal else weather.observed, zone).dropna().rename("temperature")
    if readings.empty:
        return readings
    if weather.unit == "DEGC":
        readings = readings * 1.8 + 32
    hourly = readings.groupby(_hours(readings.index)).mean()
    hourly = hourly.reindex(pd.date_range(hourly.index[0], hourly.index[-1], freq="h"))
    missing = hourly.isna()
    run = (missing != missing.shift()).cumsum()
    short = missing.groupby(run).transform("sum") <= GAP_HOURS
    return hourly.where(~(missing & short), hourly.interpolate(method="time")).rename("temperature")


def zone_of(timezone_name: str | None, weather: Weather | None) -> tuple[tzinfo, str | None]:
    """The zone whose days are the building's, and what to tell when nobody named one.

    Raises:
        RunFailed: there is no such zone.
    """
    name = timezone_name or (weather.timezone if weather is not None else "")
    if name and name != "UTC":
        try:
            # Not a ZoneInfo: pandas 2 converts with its own kind all at once, with that one instant after the other.
            zone: tzinfo = pd.Timestamp(0, tz=name).tz
        except Exception as error:  # it raises what the reader of zones of the day raises
            raise RunFailed(f"time zone {name!r} is not known here; expected a name as America/Chicago") from error
        return zone, None
    return UTC, "neither the project nor its station names a time zone: its days are UTC days; set the project's timezone"


def day_after(instant: Any) -> Any:
    """The first midnight of its zone that is not before an instant."""
    midnight = instant.normalize()
    return midnight if midnight == instant else (midnight + DAY)


def _to_zone_of_days(values: Series, zone: tzinfo) -> Series:
    """Days and bills as they were metered: in the zone in which they start at midnight.

    Days read at UTC midnight and put beside local weather are hours off it, and another form of model comes out.
    """
    local = values.index
    if (local == local.normalize()).mean() > 0.5:
        found = local
    else:
        utc = local.tz_convert("UTC")
        after_midnight = utc - utc.normalize()
        usual = after_midnight.to_series().mode().iloc[0]
        shift = -usual if usual <= pd.Timedelta(hours=12) else pd.Timedelta(days=1) - usual
        found = utc.tz_convert(UTC if not shift else timezone(timedelta(seconds=int(shift.total_seconds()))))
        if (found == found.normalize()).mean() <= 0.5:
            found = local  # no time of day is usual
    nearest = (found + pd.Timedelta(hours=12)).normalize()
    moved = pd.Series(values.to_numpy(), index=nearest, name="observed")
    return moved if nearest.is_unique else values


def _hours(index: Any) -> Any:
    """The local hour each instant lies in; through UTC, because an hour in autumn has its name twice."""
    offset = pd.Timedelta(seconds=index[0].utcoffset().total_seconds() % 3600)
    return ((index.tz_convert("UTC") + offset).floor("h") - offset).tz_convert(index.tz)


def _seconds(lengths: Any) -> Any:
    return lengths.total_seconds().to_numpy()

"""The development seed: made-up records whose shape the datastore's contract fixes, and weather to go with them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from schemas.record_part import ESTIMATED, RECORD, Records

Int64s = npt.NDArray[np.int64]

PROJECT, ZIPCODE = "ABC", "91104"
BASELINE_END_US = int(datetime(2012, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
REPORTING_START_US = int(datetime(2012, 2, 1, tzinfo=UTC).timestamp()) * 1_000_000

STATION, STATION_ZONE = "seed-91104", "America/Los_Angeles"
WEATHER_FIRST, WEATHER_END = date(2009, 12, 31), date(2015, 1, 2)
"""2010 to 2014 in any time zone."""

_MARKS_END = 140_160
"""Index from which no record is null or estimated any more."""


@dataclass(frozen=True, slots=True)
class SeedTrace:
    """One trace of the seed.

    Attributes:
        first: day of the first record.
        last: day of the last record, at midnight UTC.
        step: as numpy names it.
        null_every: of how many records one is null, from the first on.
        estimated_every: of how many one is estimated, from the fourth on.
        marks_end: index from which there are neither.
    """

    interpretation: Literal["NG_C_S", "E_C_S", "E_OSG_U"]
    unit: Literal["THM", "KWH"]
    first: str
    last: str
    step: tuple[int, Literal["M", "D", "h", "m"]]
    value: float
    null_every: int = 200
    estimated_every: int = 150
    marks_end: int = _MARKS_END


TRACES = (
    SeedTrace("NG_C_S", "THM", "2010-01-01", "2014-12-01", (1, "M"), 1.0, 20, 15, 60),
    SeedTrace("NG_C_S", "THM", "2011-09-01", "2014-12-31", (1, "D"), 2.0, 20, 15, 1000),
    SeedTrace("E_C_S", "KWH", "2011-01-01", "2014-12-31", (15, "m"), 0.04),
    SeedTrace("E_C_S", "KWH", "2011-01-01", "2014-12-31", (1, "h"), 0.4),
    SeedTrace("E_OSG_U", "KWH", "2012-01-15", "2014-12-31", (1, "h"), 0.3),
    SeedTrace("E_OSG_U", "KWH", "2010-01-01", "2014-12-31", (30, "m"), 0.1),
)


def records_of(trace: SeedTrace, series: int) -> Records:
    """The records of one of the seed's traces, by rising start.

    Args:
        series: the trace's primary key.
    """
    count, unit = trace.step
    starts: Any = np.arange(np.datetime64(trace.first, unit), np.datetime64(trace.last, unit) + 1, np.timedelta64(count, unit))
    records = _records(series, starts.astype("datetime64[us]").astype(np.int64))
    records["value"] = trace.value
    end = min(len(records), trace.marks_end)
    records["value"][0 : end : trace.null_every] = np.nan
    records["flags"][3 : end : trace.estimated_every] = ESTIMATED
    return records


def weather_of(series: int) -> Records:
    """Hourly temperatures in degrees C of a mild climate: a year's and a day's wave, and spells of some days.

    Args:
        series: as schemas.record_part.weather_series gives it.
    """
    hours = np.arange(np.datetime64(WEATHER_FIRST, "h"), np.datetime64(WEATHER_END, "h"), np.timedelta64(1, "h"))
    day = hours.astype(np.int64) / 24.0  # since 1970, UTC; the coldest hour is about 6 o'clock in California
    year_wave = -6.0 * np.cos(2 * np.pi * (day - 20) / 365.25)
    day_wave = -5.5 * np.cos(2 * np.pi * (day - 14 / 24))
    spells = 2.0 * np.sin(2 * np.pi * day / 11.3) + 1.5 * np.sin(2 * np.pi * day / 4.7 + 1) + np.sin(2 * np.pi * day / 29.1 + 2)
    records = _records(series, hours.astype("datetime64[us]").astype(np.int64))
    records["value"] = np.round(17.5 + year_wave + day_wave + spells, 1)
    return records


def _records(series: int, starts_us: Int64s) -> Records:
    records = np.zeros(len(starts_us), RECORD)
    records["series"], records["start_us"] = series, starts_us
    return records

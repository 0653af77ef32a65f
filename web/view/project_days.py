"""A trace's records and a station's temperatures as days of a plot. Pure.

What was metered is shown as it was metered: a day of which half is known shows half its energy, and its coverage says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

DAY_S = 86_400
SUBDAILY_S = 20 * 3600
"""Records closer than this are summed to days; others are shown as they are, spread over their days."""

EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Series:
    """n records by rising start: shape (n,) each; a record ends where the next begins, the last one only closes.

    Attributes:
        start_us: microseconds since 1970, UTC.
        value: NaN: null.
    """

    start_us: Int64s
    value: Floats


@dataclass(frozen=True, slots=True)
class Usage:
    """Days, or bills, of which something is known: shape (n,) each.

    Attributes:
        start_s, end_s: UTC seconds.
        energy: metered in it, in the trace's unit.
        coverage: 0 to 1.
    """

    start_s: Int64s
    end_s: Int64s
    energy: Floats
    coverage: Floats

    @property
    def days(self) -> Floats:
        """How many days each is long; one whose clocks change is one day."""
        return np.maximum(1.0, np.rint((self.end_s - self.start_s) / DAY_S))


def usage(records: Series, zone: str) -> Usage:
    """Records as days of a zone; records at least a day apart as they are."""
    start_s = records.start_us // 1_000_000
    if len(start_s) < 2:
        return Usage(start_s[:0], start_s[:0], np.zeros(0), np.zeros(0))
    length = np.diff(start_s)
    value = records.value[:-1]
    known = ~np.isnan(value)
    if np.median(length) >= SUBDAILY_S:
        return Usage(start_s[:-1][known], start_s[1:][known], value[known], np.ones(int(known.sum())))
    edges = midnights(int(start_s[0]), int(start_s[-1]), zone)
    cell = np.searchsorted(edges, start_s[:-1], "right") - 1
    # Beside a gap a record covers no more than on its other side.
    covers = np.minimum(length, np.concatenate([length[:1], length[:-1]]))[known]
    n = len(edges) - 1
    energy = np.bincount(cell[known], value[known], n)[:n].astype(np.float64)
    covered = np.bincount(cell[known], covers, n)[:n]
    some = covered > 0
    coverage = np.minimum(1.0, covered / np.diff(edges))
    return Usage(edges[:-1][some], edges[1:][some], energy[some], coverage[some])


def warmth(readings: Series, start_s: Int64s, end_s: Int64s) -> Floats:
    """Mean of the readings from each start up to its end; NaN: there is none."""
    known = ~np.isnan(readings.value)
    at_s, total = readings.start_us[known] // 1_000_000, np.concatenate([[0.0], np.cumsum(readings.value[known])])
    first, end = np.searchsorted(at_s, start_s), np.searchsorted(at_s, end_s)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(end > first, (total[end] - total[first]) / (end - first), np.nan), np.float64)


def midnights(first_s: int, last_s: int, zone: str) -> Int64s:
    """The midnights of a zone from the one before a moment to the one after another."""
    of = ZoneInfo(zone)
    first = datetime.fromtimestamp(first_s, of).date()
    last = datetime.fromtimestamp(last_s, of).date() + timedelta(days=1)
    days = range(first.toordinal(), last.toordinal() + 1)
    return np.array([int(datetime.combine(date.fromordinal(day), time(), of).timestamp()) for day in days], np.int64)


def date_of(at_s: float, zone: str) -> date:
    """The date in a zone of a day that begins then; one that is not from midnight to midnight is that of its noon."""
    return datetime.fromtimestamp(at_s + DAY_S / 2, ZoneInfo(zone)).date()


def axis_ms(at_s: Sequence[float] | Int64s | Floats, zone: str) -> Floats:
    """Where moments stand on an axis of local time."""
    of = ZoneInfo(zone)
    offsets = [datetime.fromtimestamp(float(at), of).replace(tzinfo=UTC).timestamp() for at in at_s]
    return np.array(offsets, np.float64) * 1000


def line(temperature: Floats, predicted: Floats, width: float) -> tuple[Floats, Floats]:
    """A model over temperature: the mean of what it says of the days of each step of temperature.

    Args:
        width: of a step, in the temperatures' unit.
    """
    known = ~(np.isnan(temperature) | np.isnan(predicted))
    if not known.any():
        return np.zeros(0), np.zeros(0)
    step = np.floor(temperature[known] / width).astype(np.int64)
    _, which = np.unique(step, return_inverse=True)
    count = np.bincount(which)
    return np.bincount(which, temperature[known]) / count, np.bincount(which, predicted[known]) / count


def column(curve: Mapping[str, list[float | None]], name: str) -> Floats:
    """A column of a model's curve; None becomes NaN."""
    return np.array([np.nan if one is None else one for one in curve.get(name, [])], np.float64)


def broken(at_s: Floats, *columns: Floats) -> list[Floats]:
    """Days with one without values wherever some are missing between two, so that a line breaks there."""
    holes = np.flatnonzero(np.diff(at_s) > 1.5 * DAY_S) + 1
    return [np.insert(at_s, holes, at_s[holes - 1] + DAY_S), *(np.insert(one, holes, np.nan) for one in columns)]


def to_unit(temperature_f: Floats, unit: str) -> Floats:
    """Degrees Fahrenheit in the unit of a station."""
    return (temperature_f - 32) / 1.8 if unit == "DEGC" else temperature_f

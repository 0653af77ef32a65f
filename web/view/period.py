"""Spans of local time that a page zooms through: year, month, week, day, hour, minute. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from streams.core import energy
from streams.core.energy import HOUR_S, QUARTER_S

ZOOMS = ("year", "month", "week", "day", "hour", "minute")
INSIDE = {"year": "month", "month": "day", "week": "day", "day": "hour", "hour": "minute", "minute": "second"}
"""What the bars, or points, of each are."""

AROUND = {"month": "year", "week": "month", "day": "month", "hour": "day", "minute": "hour"}
EARLIEST, LATEST = date(2000, 1, 1), date(2099, 12, 31)


@dataclass(frozen=True, slots=True)
class Period:
    """One of them, [start_s, end_s) in UTC seconds."""

    zoom: str
    zone: str
    start_s: int
    end_s: int

    def holds(self, at_s: float) -> bool:
        return self.start_s <= at_s < self.end_s

    @property
    def at(self) -> str:
        """As in an address: 2026, 2026-11, 2026-11-21 (of a week its Monday), or the moment an hour or minute begins, in UTC."""
        if self.zoom in ("hour", "minute"):
            return f"{datetime.fromtimestamp(self.start_s, UTC):%Y-%m-%dT%H:%MZ}"
        day = energy.local_day(self.zone, self.start_s)
        return day.isoformat()[: {"year": 4, "month": 7}.get(self.zoom, 10)]


def around(zoom: str, zone: str, at_s: float) -> Period:
    """The period that holds a moment."""
    if zoom in ("hour", "minute"):
        length = HOUR_S if zoom == "hour" else 60
        offset = datetime.fromtimestamp(at_s, ZoneInfo(zone)).utcoffset() or timedelta()
        shift = int(offset.total_seconds())
        start = int(at_s + shift) // length * length - shift
        return Period(zoom, zone, start, start + length)
    day = energy.local_day(zone, at_s)
    if zoom == "year":
        first, end = day.replace(month=1, day=1), day.replace(year=day.year + 1, month=1, day=1)
    elif zoom == "month":
        first, end = day.replace(day=1), energy.next_month(day)
    elif zoom == "week":
        first = day - timedelta(day.weekday())
        end = first + timedelta(7)
    else:
        first, end = day, day + timedelta(1)
    return Period(zoom, zone, energy.midnight(zone, first), energy.midnight(zone, end))


def before(one: Period) -> Period:
    """The period that ends where this one begins."""
    return around(one.zoom, one.zone, one.start_s - 1)


def after(one: Period) -> Period:
    return around(one.zoom, one.zone, one.end_s)


def asked(zoom: str, at: str, zone: str, now_s: float) -> Period:
    """The period an address names; the one that is now when it names none."""
    zoom = zoom if zoom in ZOOMS else "day"
    now = around(zoom, zone, now_s)
    text = at.strip()
    if len(text) == 4 and text.isdecimal():
        text += "-01-01"
    elif len(text) == 7:
        text += "-01"
    try:
        moment = datetime.fromisoformat(text)
        if not EARLIEST <= moment.date() <= LATEST:
            return now
        at_s = moment.timestamp() if moment.tzinfo is not None else energy.midnight(zone, moment.date())
    except (ValueError, OverflowError):
        return now
    return around(zoom, zone, at_s)


def comparable(one: Period, now_s: float) -> tuple[int, int, int]:
    """Which of a period and of the one before can be compared: as much of both as is over.

    Returns:
        its end, and the start and end of the same length of the one before; whole quarter-hours.
    """
    past = before(one)
    end = min(one.end_s, int(now_s) // QUARTER_S * QUARTER_S)
    end = max(one.start_s, end)
    if end >= one.end_s:
        return one.end_s, past.start_s, past.end_s
    return end, past.start_s, min(past.end_s, past.start_s + end - one.start_s)


def edges(one: Period, step: str) -> list[int]:
    """Where what is inside begins, and the end: UTC seconds."""
    if step == "second":
        return list(range(one.start_s, one.end_s + 1))
    if step == "minute":
        return list(range(one.start_s, one.end_s + 1, 60))
    found: list[int] = energy.edges(one.zone, one.start_s, one.end_s, step).tolist()
    return found


def inner(one: Period, at_s: int) -> Period | None:
    """The period inside it that begins at a moment; None: there is nothing below."""
    zoom = INSIDE[one.zoom]
    return None if zoom == "second" else around(zoom, one.zone, at_s)

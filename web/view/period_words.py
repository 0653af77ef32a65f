"""What periods and figures are called: titles, ticks, numbers. Pure."""

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from web.view import period, quantity
from web.view.period import Period
from web.view.say import Number, Text, joined, moment, say


def label(one: Period, step: str, start_s: int) -> Text:
    """What stands under a bar: a month, a day of the month or week, an hour, a quarter."""
    at = _local(one, start_s)
    if step == "month":
        return moment(at, "short month")
    if step == "day":
        return moment(at, "weekday") if one.zoom == "week" else Number(at.day)
    if step == "second":
        return moment(at, "second")
    return moment(at, "minute") if one.zoom == "hour" or step == "quarter" else Number(f"{at:%H}")


def ticks(one: Period, step: str) -> list[tuple[int, Text]]:
    """Places of an axis and what stands there: under bars their middle, of lines a moment. A page leaves out what has no room."""
    if one.zoom in ("hour", "minute"):
        every = 300 if one.zoom == "hour" else 10
        return [
            ((at - one.start_s) * 1000, label(one, "minute" if one.zoom == "hour" else "second", at))
            for at in range(one.start_s, one.end_s + 1, every)
        ]
    shown = "hour" if step == "quarter" else step
    edges = period.edges(one, shown)
    return [
        ((a + b - 2 * one.start_s) * 500 if step != "quarter" else (a - one.start_s) * 1000, label(one, shown, a))
        for a, b in itertools.pairwise(edges)
    ]


def named(one: Period, step: str, start_s: int, end_s: int) -> Text:
    """A period inside, in full."""
    at = _local(one, start_s)
    if step == "month":
        return moment(at, "month")
    if step == "day":
        return moment(at, "weekday and day")
    return hours(one, start_s, end_s)


def hours(one: Period, start_s: int, end_s: int) -> Text:
    """A stretch of a day; with the zone's abbreviation where the clocks change."""
    at, end = _local(one, start_s), _local(one, end_s)
    zone = "" if at.utcoffset() == end.utcoffset() else f" {end:%Z}"
    return say("{start} to {end}", start=moment(at, "minute"), end=joined("", [moment(end, "minute"), zone]))


def title(one: Period) -> Text:
    """A period in full."""
    at = _local(one, one.start_s)
    if one.zoom == "year":
        return Number(at.year)
    if one.zoom == "month":
        return moment(at, "month")
    if one.zoom == "week":
        last = _local(one, one.end_s - 1)
        return say("{start} to {end}", start=moment(at, "day"), end=moment(last, "full date"))
    day = moment(at, "full date")
    return day if one.zoom == "day" else joined(", ", [day, hours(one, one.start_s, one.end_s)])


def crumbs(one: Period) -> list[Period]:
    """The periods around it, the widest first, and itself."""
    found = [one]
    while (zoom := period.AROUND.get(found[0].zoom)) is not None:
        found.insert(0, period.around(zoom, one.zone, found[0].start_s))
    return found


def short(one: Period) -> Text:
    """A period's name in a path of them."""
    at = _local(one, one.start_s)
    if one.zoom == "week":
        return say("week of {day}", day=moment(at, "day"))
    if one.zoom == "year":
        return Number(at.year)
    return moment(at, {"month": "month", "day": "day"}.get(one.zoom, "minute"))


def moment_of(zone: str, at_s: float) -> Text:
    """A local date and time."""
    return moment(datetime.fromtimestamp(at_s, ZoneInfo(zone)), "date minute")


def clock(zone: str, at_s: float) -> Text:
    """Local time as 14:05."""
    return moment(datetime.fromtimestamp(at_s, ZoneInfo(zone)), "minute")


def iso_ms(at_ms: float) -> str:
    """UTC, as 2026-03-02T09:00:00.050Z."""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{round(at_ms % 1000):03d}Z"


def number(value: float | None, digits: int | None = None) -> Text:
    """A number with thousands apart and three digits that count; a dash for none."""
    if value is None:
        return Text(quantity.DASH)
    size = abs(value)
    if digits is None:
        digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.995 or size == 0 else 3
    text = f"{size:,.{digits}f}".replace(",", "\u202f")
    return Number(f"\u2212{text}" if value < 0 and text.strip("0.\u202f") else text)


def pct(share: float | None) -> Text:
    """A share of 1 in percent: never 100 of what was not whole, nor 0 of what was something."""
    if share is None:
        return Text(quantity.DASH)
    value = round(100 * share, 1)
    value = 99.9 if value >= 100 > 100 * share else 0.1 if value <= 0 < share else value
    return joined("\u00a0", [Number(f"{value:.1f}".removesuffix(".0")), "%"])


def signed_pct(value: float | None) -> Text:
    """More or less, in whole percent."""
    if value is None:
        return Text(quantity.DASH)
    whole = round(value)
    sign = "+" if whole > 0 else "\u2212" if whole < 0 else "\u00b1"
    return joined("", [sign, number(abs(whole), 0), "\u00a0%"])


def _local(one: Period, at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, ZoneInfo(one.zone))

"""Quiet times: spans of the week in a receiver's own time zone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = f"(?:{'|'.join(DAYS)})"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00"
PATTERN = rf"\A(?:(?P<days>{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*) )?(?P<begin>{_CLOCK})-(?P<end>{_CLOCK})\Z"
"""`22:00-07:00` each day, or with days before it: `sat,sun 00:00-24:00`, `mon-fri 20:00-06:30`."""

_FORM = re.compile(PATTERN)


@dataclass(frozen=True, slots=True)
class Span:
    """One quiet time.

    Attributes:
        days: 0 = Monday, on which it begins.
        begin, end: minutes of the day; an end that is not after the begin is on the next day.
    """

    days: frozenset[int]
    begin: int
    end: int

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Read it as people write it.

        Raises:
            ValueError: it is none.
        """
        found = _FORM.search(text)
        if found is None or found["begin"] == "24:00":
            raise ValueError(f"{text[:40]!r} came; expected a quiet time as 22:00-07:00 or sat,sun 00:00-24:00")
        days = frozenset(day for part in (found["days"] or "mon-sun").split(",") for day in _days(part))
        return cls(days, _minutes(found["begin"]), _minutes(found["end"]))


def quiet_until(spans: Iterable[Span], zone: ZoneInfo, now_s: float) -> float | None:
    """When the quiet that holds now ends, UTC seconds; None when it is not quiet.

    Spans that follow each other without a gap are one. Where the clock is set forward over an edge, the edge is at the
    jump; where it is set back, an edge that comes twice counts the first time as a begin, the second as an end.
    """
    known, end_s = list(spans), now_s
    for _ in range(2 * 7 + 2):  # quiet all week long ends with the search
        later = max((edge for span in known for edge in _ends(span, zone, end_s)), default=end_s)
        if later <= end_s:
            break
        end_s = later
    return end_s if end_s > now_s else None


def _ends(span: Span, zone: ZoneInfo, at_s: float) -> Iterable[float]:
    """The end of the span around a moment, if there is one."""
    today = datetime.fromtimestamp(at_s, zone).date()
    for first in (today - timedelta(days=1), today):
        if first.weekday() not in span.days:
            continue
        begin_s = _moment(first, span.begin, zone, fold=0)
        over = span.end <= span.begin
        end_s = _moment(first + timedelta(days=1) if over else first, span.end, zone, fold=1)
        if begin_s <= at_s < end_s:
            yield end_s


def _moment(day: date, minute: int, zone: ZoneInfo, fold: int) -> float:
    day, minute = (day + timedelta(days=1), 0) if minute == 24 * 60 else (day, minute)
    local = datetime.combine(day, time(*divmod(minute, 60)), zone).replace(fold=fold)
    at = local.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return at.timestamp()
    # A time that the clock jumps over: the jump itself, where the offset from UTC changes.
    before, after = (local.replace(fold=k).utcoffset() for k in (0, 1))
    assert before is not None
    assert after is not None
    low, high = sorted(((local.replace(tzinfo=None) - offset).replace(tzinfo=UTC).timestamp()) for offset in (before, after))
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def _days(part: str) -> Iterable[int]:
    first, _, last = part.partition("-")
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % 7 if last else 0
    return ((begin + k) % 7 for k in range(length + 1))


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)

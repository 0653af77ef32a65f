"""Horodates SAAMMJJhhmmss to UTC (54E 6.2.1.1)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

LAYOUT = re.compile(r"([HEhe ])([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})")
DEGRADED = ("h", "e")
CENTURY = 2000


@dataclass(frozen=True, slots=True)
class Offsets:
    """From the meter's local time to UTC.

    Attributes:
        winter_s, summer_s: how far local time is ahead of UTC under the letters H and E.
        zone: whose rules hold where there is no letter: the start and end of mobile peaks.
    """

    winter_s: int
    summer_s: int
    zone: str


FRANCE = Offsets(winter_s=3600, summer_s=7200, zone="Europe/Paris")


def is_degraded(horodate: str) -> bool:
    """Whether the meter says that its clock lost the time and was not set again: a small season letter."""
    return horodate[:1] in DEGRADED


def utc_s(horodate: str, offsets: Offsets = FRANCE) -> int | None:
    """Seconds since 1970; None when the text is no horodate or no time (R8).

    The letter is trusted, not the calendar: it alone tells the two hours of an autumn night apart.
    """
    found = LAYOUT.fullmatch(horodate)
    if found is None:
        return None
    letter, year, *rest = found.groups()
    try:
        local = datetime(CENTURY + int(year), *map(int, rest), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None
    ahead_s = {"H": offsets.winter_s, "E": offsets.summer_s}.get(letter.upper())
    return int(local.timestamp()) - ahead_s if ahead_s is not None else _by_the_calendar(local, offsets)


def _by_the_calendar(local: datetime, offsets: Offsets) -> int | None:
    """Without a letter; of an hour that exists twice the first, of one that does not exist none."""
    moment = local.replace(tzinfo=ZoneInfo(offsets.zone), fold=0).astimezone(UTC)
    there = moment.astimezone(ZoneInfo(offsets.zone)).replace(tzinfo=UTC)
    return int(moment.timestamp()) if there == local else None


def iso(at_s: int) -> str:
    """As the contract writes it: 2025-12-28T05:25:42Z."""
    return f"{datetime(1970, 1, 1) + timedelta(seconds=at_s):%Y-%m-%dT%H:%M:%SZ}"  # noqa: DTZ001 - it is UTC, and says so

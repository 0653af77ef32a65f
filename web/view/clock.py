"""Local time of a sensor's zone. Plots take milliseconds already moved by one offset, so an axis never folds back."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from web.view.say import Text, moment

DEFAULT_ZONE = "UTC"


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone and its offset at the end of what is shown.

    Attributes:
        name: IANA name.
        offset_s: local time minus UTC.
    """

    name: str
    offset_s: int

    @property
    def label(self) -> str:
        """As "Asia/Seoul, UTC+09:00"."""
        if self.name == "UTC":
            return "UTC"
        sign = "+" if self.offset_s >= 0 else "\u2212"
        hours, rest = divmod(abs(self.offset_s), 3600)
        return f"{self.name}, UTC{sign}{hours:02d}:{rest // 60:02d}"

    def local_ms(self, at_s: float) -> float:
        """Where a moment stands on a plot's time axis."""
        return (at_s + self.offset_s) * 1000

    def date(self, at_s: float) -> date:
        """The local day of a moment."""
        return datetime.fromtimestamp(at_s + self.offset_s, UTC).date()

    def text(self, at_s: float, now_s: float) -> Text:
        """The moment as people say it: the time alone today, else with its date."""
        at = datetime.fromtimestamp(at_s + self.offset_s, UTC)
        return moment(at, "second" if at.date() == self.date(now_s) else "date second")


def zone_at(name: str | None, at_s: float) -> Zone:
    """The zone at one moment.

    Args:
        name: IANA name; None or unknown gives UTC.
        at_s: UTC seconds; daylight saving of this moment holds for the whole plot.
    """
    wanted = name or DEFAULT_ZONE
    try:
        offset = datetime.fromtimestamp(at_s, ZoneInfo(wanted)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return Zone(DEFAULT_ZONE, 0)
    return Zone(wanted, int(offset.total_seconds()) if offset is not None else 0)

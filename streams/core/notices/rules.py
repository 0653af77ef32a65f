"""What one receiver wants to hear, and when."""

from collections.abc import Collection
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from schemas.anomaly import NOTICE, SEVERE, WARNING
from schemas.notification import NotifiedAnomaly
from streams.core.notices.quiet import Span, quiet_until

SEVERITIES = (NOTICE, WARNING, SEVERE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source stands.

    Attributes:
        site, owner: empty where it has none.
        site_name: for people.
    """

    site: str = ""
    site_name: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one receiver; an empty collection stands for all.

    Attributes:
        rules: of anomalies.
        severity: the least that is told.
        sensors, sites: one of either is enough.
        quiet: when it wants to be left alone, in `zone`.
        severe_passes: what is severe is told in quiet times, too.
        per_hour: messages of an hour; beyond them come summaries.
        enabled: False: nothing is told.
        hold_s: what does not last so long in one state is not told: it flaps, or is withdrawn at once.
    """

    rules: Collection[str] = ()
    severity: str = NOTICE
    sensors: Collection[str] = ()
    sites: Collection[str] = ()
    quiet: tuple[Span, ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    severe_passes: bool = True
    per_hour: int = 30
    enabled: bool = True
    hold_s: float = 10.0

    def wants(self, anomaly: NotifiedAnomaly, place: Place) -> bool:
        """Whether an anomaly is for this receiver."""
        here = not (self.sensors or self.sites) or anomaly.source in self.sensors or place.site in self.sites
        return (
            self.enabled
            and (not self.rules or anomaly.rule in self.rules)
            and SEVERITIES.index(anomaly.severity) >= SEVERITIES.index(self.severity)
            and here
        )

    def quiet_until(self, now_s: float) -> float | None:
        """When the quiet of now ends, UTC seconds; None: it is not quiet."""
        return quiet_until(self.quiet, self.zone, now_s)

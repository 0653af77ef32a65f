"""What is said when a tariff or a contracted power is changed without a day: bills of months that are over change, too."""

from dataclasses import dataclass
from datetime import date

from streams.catalog import terms
from streams.catalog.state import Sensor
from streams.catalog.terms import Terms
from streams.core.energy import next_month


@dataclass(frozen=True, slots=True)
class Corrected:
    """The newest terms of a sensor, changed for days whose months are over.

    Attributes:
        was, now: before and after; both since the same day.
        next_month: its first day, YYYY-MM-DD: a day to begin on instead.
    """

    was: Terms
    now: Terms
    next_month: str

    def __str__(self) -> str:
        changed = []
        if self.was.tariff != self.now.tariff:
            changed.append(f"tariff {self.was.tariff} is now {self.now.tariff or 'none'}")
        if self.was.contracted_power_w != self.now.contracted_power_w:
            changed.append(f"contracted power {self.was.contracted_power_w:g} W is now {self.now.contracted_power_w:g} W")
        days = f"all days since {self.was.since}" if self.was.since else "all days"
        return f"{' and '.join(changed)} for {days}: bills of months that are over change, too"


def corrected(before: Sensor, after: Sensor, today: date) -> Corrected | None:
    """What a change without a day did to bills of earlier months; None: nothing.

    Args:
        today: in the sensor's zone.
    """
    was, now = terms.every(before)[-1], terms.every(after)[-1]
    month = f"{today:%Y-%m}"
    if was == now or was.since != now.since or was.since[:7] >= month or not was.tariff:
        return None
    return Corrected(was, now, next_month(today.replace(day=1)).isoformat())

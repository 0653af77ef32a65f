"""What counts as unlike a habit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HabitLimits:
    """What counts for one sensor.

    Attributes:
        mads: so many median absolute deviations (as those of a normal distribution) from the median …
        share: … and at least this part of it, 0 to 1 …
        floor_mw: … and at least this.
        least_min: minutes until it counts.
        weeks: so many weeks of this hour must be known.
        zone: IANA name; hours are those of the place.
    """

    mads: float = 4.0
    share: float = 0.5
    floor_mw: int = 500_000
    least_min: int = 20
    weeks: int = 3
    zone: str = "UTC"

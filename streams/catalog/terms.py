"""What a sensor is billed by, day by day: a tariff and a contracted power hold from a day on, until the next such day."""

from dataclasses import dataclass, replace
from itertools import pairwise

from streams.catalog.state import Sensor

TERMS_MOST = 100
"""Of one sensor."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A tariff and a contracted power.

    Attributes:
        since: first day, YYYY-MM-DD; empty: since ever.
    """

    since: str
    tariff: str
    contracted_power_w: float


def every(sensor: Sensor) -> tuple[Terms, ...]:
    """All of a sensor's, oldest first; the first since ever."""
    ends = [until for until, _, _ in sensor.earlier]
    said = [*((tariff, power_w) for _, tariff, power_w in sensor.earlier), (sensor.tariff, sensor.contracted_power_w)]
    return tuple(Terms(since, tariff, power_w) for since, (tariff, power_w) in zip(["", *ends], said, strict=True))


def on(sensor: Sensor, day: str) -> Terms:
    """Those of a day, YYYY-MM-DD in the sensor's zone."""
    return next(one for one in reversed(every(sensor)) if one.since <= day)


def changed(sensor: Sensor, since: str, tariff: str | None, contracted_power_w: float | None) -> Sensor:
    """The sensor with other terms from a day on, until the next day on which some begin; None: as on the day before.

    The same day again takes the place of what was said.
    """
    known = {one.since: one for one in every(sensor)}
    before = on(sensor, since)
    known[since] = Terms(
        since,
        before.tariff if tariff is None else tariff,
        before.contracted_power_w if contracted_power_w is None else contracted_power_w,
    )
    kept = [known[day] for day in sorted(known)]
    earlier = tuple((after.since, one.tariff, one.contracted_power_w) for one, after in pairwise(kept))
    return replace(sensor, earlier=earlier, tariff=kept[-1].tariff, contracted_power_w=kept[-1].contracted_power_w)

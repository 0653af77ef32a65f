"""Thresholds of anomalies, as the catalog has them."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

from infra.errors import PartUnavailable
from schemas.units import MINUTE_S
from streams.catalog import terms
from streams.catalog.state import Sensor, State
from streams.catalog.view import CatalogView
from streams.core.anomaly.limits import Limits
from streams.core.energy import midnight


@dataclass(frozen=True, slots=True)
class CatalogLimits:
    """Thresholds as the catalog has them now."""

    view: CatalogView

    @property
    def version(self) -> int:
        """The newest command that was applied."""
        return self.view.offset

    def known(self) -> "CatalogLimits":
        """Itself, once the catalog was read.

        Raises:
            PartUnavailable: it was not yet.
        """
        if not self.view.caught_up:
            raise PartUnavailable("the catalog is still being read; thresholds are not known yet")
        return self

    def of(self, sensor_id: str) -> Limits:
        """What counts for a sensor; one that is not registered has the defaults."""
        sensor = self.view.state.sensors.get(sensor_id)
        return Limits() if sensor is None else limits_of(self.view.state, sensor)


def limits_of(state: State, sensor: Sensor) -> Limits:
    """What counts for a registered sensor, at each time."""
    zone = state.zone_of(sensor)
    earlier = _earlier(sensor, zone) if sensor.earlier else ()
    return Limits(sensor.nominal_voltage_v, sensor.contracted_power_w, sensor.thresholds, zone, earlier)


def _earlier(sensor: Sensor, zone: str) -> tuple[tuple[int, float], ...]:
    """Until when which contracted power held, where the next one was another."""
    return tuple(
        (_begin_s(zone, after.since), before.contracted_power_w)
        for before, after in pairwise(terms.every(sensor))
        if before.contracted_power_w != after.contracted_power_w
    )


@lru_cache(maxsize=4096)
def _begin_s(zone: str, day: str) -> int:
    return midnight(zone, date.fromisoformat(day)) // MINUTE_S * MINUTE_S

"""Thresholds of anomalies, as the catalog has them."""

from dataclasses import dataclass

from infra.errors import PartUnavailable
from streams.catalog.view import CatalogView
from streams.core.anomaly.limits import Limits


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
        if sensor is None:
            return Limits()
        return Limits(sensor.nominal_voltage_v, sensor.contracted_power_w, sensor.thresholds, self.view.state.zone_of(sensor))

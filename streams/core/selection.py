"""Which sensor-minutes a replay is about: decided for whole batches."""

from dataclasses import dataclass, field

import numpy as np

from schemas.columns import Bools, Int64s
from schemas.units import MINUTE_S


@dataclass(slots=True)
class Selection:
    """A range of event time, some sensors, or both.

    Attributes:
        from_s, to_s: UTC seconds, whole minutes; minutes that start in [from_s, to_s) are wanted, None: no bound.
        sensors: ids; empty: all of them.
    """

    from_s: int | None = None
    to_s: int | None = None
    sensors: frozenset[str] = frozenset()
    _of_code: Bools = field(default_factory=lambda: np.zeros(0, np.bool_), compare=False, repr=False)

    def wanted(self, names: list[str], sensor: Int64s, minute: Int64s) -> Bools:
        """Which readings are wanted, shape (n,).

        Args:
            names: the vocabulary that `sensor` indexes; it only grows.
            sensor: shape (n,), code of each reading's sensor.
            minute: shape (n,), minute number (UTC seconds // 60) of each.
        """
        chosen = np.ones(len(sensor), np.bool_)
        if self.from_s is not None:
            chosen &= minute >= self.from_s // MINUTE_S
        if self.to_s is not None:
            chosen &= minute < self.to_s // MINUTE_S
        if self.sensors:
            if len(names) > len(self._of_code):
                self._of_code = np.array([name in self.sensors for name in names], np.bool_)
            chosen &= self._of_code[sensor]
        return chosen

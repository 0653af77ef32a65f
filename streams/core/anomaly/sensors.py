"""The sensors of one partition as rows of slabs: what the rules remember of each, for good and for the time being."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from schemas.columns import Int64s
from streams.core.anomaly import seconds
from streams.core.anomaly.habit_limits import HabitLimits
from streams.core.anomaly.limits import ROW, Limits, row_of


class LimitsOf(Protocol):
    """Where thresholds come from; the version changes when any of them may have."""

    @property
    def version(self) -> int: ...
    def of(self, sensor_id: str, /) -> Limits: ...


@dataclass(frozen=True, slots=True)
class Defaults:
    """The defaults for everybody."""

    version: int = 0

    def of(self, _: str, /) -> Limits:
        """The same limits."""
        return Limits()


class Sensors:
    """Rows, in order of first appearance.

    Args:
        limits_of: the thresholds.

    Attributes:
        names: by row.
        final, now: memories, shape (rows, seconds.WIDTH): up to the last closed minute; and up to the newest second.
        limits: shape (rows, len(ROW)). nominal_mv: shape (rows,). habits: of the learned rule, by row.
        newest_s, arrived_ms: shape (rows,): the newest second that came; when anything came last, by the log's clock.
    """

    def __init__(self, limits_of: LimitsOf) -> None:
        self.names: list[str] = []
        self.final, self.now = seconds.fresh(0), seconds.fresh(0)
        self.limits = np.zeros((0, len(ROW)), np.int64)
        self.nominal_mv = np.zeros(0, np.int64)
        self.habits: list[HabitLimits] = []
        self.newest_s, self.arrived_ms = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._limits_of, self._version = limits_of, limits_of.version
        self._rows: dict[str, int] = {}
        self._row_of = np.zeros(0, np.int64)

    def rows(self, names: list[str], codes: Int64s) -> Int64s:
        """The row of each sensor code; new ones are made.

        Args:
            names: the vocabulary that codes index; it only grows.
        """
        if len(self._row_of) < len(names):
            self._row_of = np.concatenate((self._row_of, np.full(len(names) - len(self._row_of), -1)))
        found = self._row_of[codes]
        if (found < 0).any():
            for code in np.unique(codes[found < 0]).tolist():
                self._row_of[code] = self.row(names[code])
            found = self._row_of[codes]
        return found

    def row(self, name: str) -> int:
        """The row of one sensor; new if it was never seen."""
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = len(self.names)
            self.names.append(name)
            self.habits.append(HabitLimits())
            if row == len(self.newest_s):
                self._grow(max(row, 64))
            self._limit(row)
        return row

    def refreshed(self) -> list[int]:
        """Take changed thresholds over; the rows whose are others now."""
        if self._limits_of.version == self._version:
            return []
        self._version = self._limits_of.version
        return [row for row in range(len(self.names)) if self._limit(row)]

    def _limit(self, row: int) -> bool:
        limits = self._limits_of.of(self.names[row])
        wanted, before = row_of(limits), self.limits[row].copy()
        self.limits[row], self.nominal_mv[row] = wanted, round(limits.nominal_voltage_v * 1000)
        self.habits[row] = limits.habit()
        return not np.array_equal(before, wanted)

    def _grow(self, more: int) -> None:
        def longer(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.concatenate((values, np.zeros((more, *values.shape[1:]), values.dtype)))

        fresh = seconds.fresh(more)
        self.final, self.now = np.concatenate((self.final, fresh)), np.concatenate((self.now, fresh))
        self.limits, self.nominal_mv = longer(self.limits), longer(self.nominal_mv)
        self.newest_s, self.arrived_ms = longer(self.newest_s), longer(self.arrived_ms)

"""The sensors of one partition as rows of slabs: what the rules remember of each, for good and for the time being."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from schemas.columns import Int64s
from streams.core.anomaly import seconds
from streams.core.anomaly.habit_limits import HabitLimits
from streams.core.anomaly.limits import ROW, Limits, rows_of

_FROM_S, _BEFORE = ROW.index("from_s"), ROW.index("before")


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
        limits: shape (rows, len(ROW)): the newest ones. dated: those of before, of the few that have some; a row's column
            `before` says which of them came before it. nominal_mv: shape (rows,). habits: of the learned rule, by row.
        newest_s, arrived_ms: shape (rows,): the newest second that came; when anything came last, by the log's clock.
    """

    def __init__(self, limits_of: LimitsOf) -> None:
        self.names: list[str] = []
        self.final, self.now = seconds.fresh(0), seconds.fresh(0)
        self.limits, self.dated = np.zeros((0, len(ROW)), np.int64), np.zeros((0, len(ROW)), np.int64)
        self.nominal_mv = np.zeros(0, np.int64)
        self.habits: list[HabitLimits] = []
        self.newest_s, self.arrived_ms = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._limits_of, self._version = limits_of, limits_of.version
        self._rows: dict[str, int] = {}
        self._row_of = np.zeros(0, np.int64)
        self._known: list[tuple[Int64s, ...]] = []
        self._places: dict[int, list[int]] = {}
        self._dated = 0

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
            self._known.append(())
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

    def limits_at(self, row: int, at_s: int) -> Int64s:
        """The limits of one sensor that hold at a second (UTC); as `seconds` finds them."""
        found: Int64s = self.limits[row]
        while at_s < found[_FROM_S]:
            found = self.dated[found[_BEFORE]]
        return found

    def _limit(self, row: int) -> bool:
        limits = self._limits_of.of(self.names[row])
        self.nominal_mv[row], self.habits[row] = round(limits.nominal_voltage_v * 1000), limits.habit()
        wanted, known = rows_of(limits), self._known[row]
        if wanted is known:
            return False
        self._known[row] = wanted
        if len(wanted) == len(known) and all(map(np.array_equal, wanted, known)):
            return False
        places = self._places_of(row, len(wanted) - 1) if len(wanted) > 1 else []
        self.limits[row] = wanted[0]
        for place, values in zip(places, wanted[1:], strict=True):
            self.dated[place] = values
        chain = [self.limits[row], *(self.dated[place] for place in places)]
        for later, place in zip(chain, places, strict=False):
            later[_BEFORE] = place
        return True

    def _places_of(self, row: int, count: int) -> list[int]:
        """Places for so many of a sensor's earlier limits; those it has had stay its own."""
        places = self._places.setdefault(row, [])
        more = count - len(places)
        if more > 0:
            places += range(self._dated, self._dated + more)
            self._dated += more
        if self._dated > len(self.dated):
            room = np.zeros((max(self._dated, 64), len(ROW)), np.int64)
            self.dated = np.concatenate((self.dated, room))
        return places[:count]

    def _grow(self, more: int) -> None:
        def longer(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.concatenate((values, np.zeros((more, *values.shape[1:]), values.dtype)))

        fresh = seconds.fresh(more)
        self.final, self.now = np.concatenate((self.final, fresh)), np.concatenate((self.now, fresh))
        self.limits, self.nominal_mv = longer(self.limits), longer(self.nominal_mv)
        self.newest_s, self.arrived_ms = longer(self.newest_s), longer(self.arrived_ms)

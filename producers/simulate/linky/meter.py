"""A meter's registers at any moment, as a function of (contract, time): indexes that integrate the power exactly.

A minute's mean power times 60 s is its energy, because what the seconds wander adds up to nothing over it. So the
indexes of any minute are sums from the day the meter was installed, and a simulator that is started again goes on
where the last one stopped.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from producers.simulate.linky import hours
from producers.simulate.linky.contract import Contract
from producers.simulate.linky.load import TANGENT, minutes, powers, wander_w
from producers.simulate.noise import Floats, Int64s, chance

INSTALLED_MINUTE = 28_928_160
"""2025-01-01T00:00:00Z."""
DAY = hours.DAY
_DAYS_BEFORE = 3
"""A window begins so long before its last day: yesterday's maxima, by local time, and what the filter remembers."""
_CHUNK = 30 * DAY
_WH = 3600
_FILTER = 0.008
"""B of the maxima's filter, for each second (54E 6.2.3.11, 7)."""
CURVE_MIN, MEAN_MIN = 30, 10

Stamped = tuple[int, int]
"""A value and when it was so, in UTC seconds."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Since the installation.

    Attributes:
        drawn_ws, injected_ws: energy, in W·s.
        supplier_wh: shape (10,); grid_wh: shape (4,).
    """

    drawn_ws: int
    injected_ws: int
    supplier_wh: Int64s
    grid_wh: Int64s


@dataclass(frozen=True, slots=True)
class Window:
    """Some days, minute by minute; sums have one entry more than minutes.

    Attributes:
        begin: first minute.
        drawn_ws, injected_ws: since the installation, at each minute's beginning.
        supplier_wh, grid_wh: the same by index; shapes (n + 1, 10) and (n + 1, 4).
        supplier, grid: index in force, from 1.
        filtered_va: shape (n + 1, 2 + phases): drawn, injected, each phase.
    """

    begin: int
    local: Int64s
    power_w: Int64s
    voltage_v: Int64s
    drawn_ws: Int64s
    injected_ws: Int64s
    supplier_wh: Int64s
    grid_wh: Int64s
    supplier: Int64s
    grid: Int64s
    filtered_va: Floats

    def totals(self, minute: int) -> Totals:
        """At the beginning of a minute."""
        k = minute - self.begin
        return Totals(int(self.drawn_ws[k]), int(self.injected_ws[k]), self.supplier_wh[k], self.grid_wh[k])


@dataclass(frozen=True, slots=True)
class Slow:
    """What changes with the minute at most."""

    today: list[Stamped]
    yesterday: list[Stamped]
    """Maxima: drawn, injected, each phase."""
    curve: list[Stamped]
    curve_injected: list[Stamped]
    """The last two points of the load curve, the newer first."""
    mean_v: list[Stamped]
    calendar: hours.Calendar


@dataclass(frozen=True, slots=True)
class Reading:
    """One second of a meter; powers in W and VA, by phase with sign: below 0 is injected."""

    at_s: int
    supplier: int
    grid: int
    drawn_wh: int
    injected_wh: int
    supplier_wh: list[int]
    grid_wh: list[int]
    power_w: list[int]
    voltage_v: list[int]
    slow: Slow

    @property
    def phases_va(self) -> list[int]:
        return [round(power * TANGENT) for power in self.power_w]

    @property
    def current_a(self) -> list[int]:
        return [round(abs(va) / volts) for va, volts in zip(self.phases_va, self.voltage_v, strict=True)]

    @property
    def drawn_va(self) -> int:
        return max(sum(self.phases_va), 0)

    @property
    def injected_va(self) -> int:
        return max(-sum(self.phases_va), 0)


class Meter:
    """One meter.

    Args:
        contract: who it is.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._window: Window | None = None
        self._slow = lru_cache(4)(self._slow_at)
        self._wander = lru_cache(4)(self._wander_of)

    def at(self, at_s: int) -> Reading:
        """What it would say in this second.

        Raises:
            ValueError: it was not installed then.
        """
        minute, second = divmod(at_s, 60)
        w = self._window_of(minute)
        k = minute - w.begin
        wander = self._wander(minute)
        phases_w = w.power_w[k].tolist()
        spent_ws = second * sum(phases_w) + sum(map(sum, wander[:second]))
        before, drawn_ws = int(w.drawn_ws[k]), int(w.drawn_ws[k]) + max(spent_ws, 0)
        pulses = drawn_ws // _WH - before // _WH
        supplier, grid = int(w.supplier[k]), int(w.grid[k])
        supplier_wh, grid_wh = w.supplier_wh[k].tolist(), w.grid_wh[k].tolist()
        supplier_wh[supplier - 1] += pulses
        grid_wh[grid - 1] += pulses
        return Reading(
            at_s,
            supplier,
            grid,
            drawn_ws // _WH,
            (int(w.injected_ws[k]) + max(-spent_ws, 0)) // _WH,
            supplier_wh,
            grid_wh,
            [power + extra for power, extra in zip(phases_w, wander[second], strict=True)],
            [volts + round(2 * chance(self.contract.seed, 317, at_s, p) - 1) for p, volts in enumerate(w.voltage_v[k].tolist())],
            self._slow(minute),
        )

    def _window_of(self, minute: int) -> Window:
        begin = (minute // DAY - _DAYS_BEFORE) * DAY
        if begin < INSTALLED_MINUTE:
            raise ValueError(
                f"minute {minute} came; a simulated meter was installed on 2025-01-01 and tells from the fourth day on"
            )
        if self._window is None or begin < self._window.begin or begin > self._window.begin + _DAYS_BEFORE * DAY:
            self._window = _window(self.contract, begin, _since_installed(self.contract, begin))
        elif begin > self._window.begin:
            self._window = _window(self.contract, begin, self._window.totals(begin))
        return self._window

    def _wander_of(self, minute: int) -> list[list[int]]:
        w = self._window_of(minute)
        power_w = w.power_w[minute - w.begin].tolist()
        return [wander_w(self.contract, minute, second, power_w) for second in range(60)]

    def _slow_at(self, minute: int) -> Slow:
        w = self._window_of(minute)
        k = minute - w.begin
        local = int(w.local[k])
        # Sums and maxima stand at a minute's beginning; that of 00:00 belongs to the new day.
        midnight = int(np.searchsorted(w.local[: k + 1] // DAY, local // DAY))
        day_before = int(np.searchsorted(w.local[: k + 1] // DAY, local // DAY - 1))
        half, ten = k - local % CURVE_MIN, k - local % MEAN_MIN
        return Slow(
            [_highest(w, column, midnight, k + 1) for column in range(w.filtered_va.shape[1])],
            [_highest(w, column, day_before, midnight) for column in range(w.filtered_va.shape[1])],
            [_mean_w(w, w.drawn_ws, end) for end in (half, half - CURVE_MIN)],
            [_mean_w(w, w.injected_ws, end) for end in (half, half - CURVE_MIN)],
            [(round(float(v)), 60 * (w.begin + ten)) for v in w.voltage_v[ten - MEAN_MIN : ten].mean(axis=0)],
            hours.calendar(self.contract, local),
        )


def _highest(w: Window, column: int, begin: int, end: int) -> Stamped:
    where = begin + int(np.argmax(w.filtered_va[begin:end, column]))
    return round(float(w.filtered_va[where, column])), 60 * (w.begin + where)


def _mean_w(w: Window, energy_ws: Int64s, end: int) -> Stamped:
    return int(energy_ws[end] - energy_ws[end - CURVE_MIN]) // (60 * CURVE_MIN), 60 * (w.begin + end)


@lru_cache(64)
def _since_installed(contract: Contract, begin: int) -> Totals:
    """The totals at a minute, summed up from the installation; the first indexes tell of another life."""
    first = 1_000_000 + int(4_000_000 * chance(contract.seed, 318, contract.index))
    supplier_wh, grid_wh = np.zeros(10, np.int64), np.zeros(4, np.int64)
    supplier_wh[0] = grid_wh[0] = first
    drawn_ws, injected_ws = first * _WH, 0
    for at in range(INSTALLED_MINUTE, begin, _CHUNK):
        minute = np.arange(at, min(at + _CHUNK, begin))
        local = hours.local_minutes(minute)
        sum_w = powers(contract, minute, local).sum(axis=1)
        drawn = _sums(drawn_ws, 60 * np.maximum(sum_w, 0))
        pulses = np.diff(drawn // _WH)
        np.add.at(supplier_wh, hours.indexes(contract, local) - 1, pulses)
        np.add.at(grid_wh, hours.grid_indexes(local) - 1, pulses)
        drawn_ws, injected_ws = int(drawn[-1]), injected_ws + 60 * int(np.maximum(-sum_w, 0).sum())
    return Totals(drawn_ws, injected_ws, supplier_wh, grid_wh)


def _window(contract: Contract, begin: int, totals: Totals) -> Window:
    made = minutes(contract, np.arange(begin, begin + (_DAYS_BEFORE + 1) * DAY))
    sum_w = made.power_w.sum(axis=1)
    drawn_ws = _sums(totals.drawn_ws, 60 * np.maximum(sum_w, 0))
    supplier, grid = hours.indexes(contract, made.local), hours.grid_indexes(made.local)
    pulses = np.diff(drawn_ws // _WH)
    return Window(
        begin,
        made.local,
        made.power_w,
        made.voltage_v,
        drawn_ws,
        _sums(totals.injected_ws, 60 * np.maximum(-sum_w, 0)),
        _by_index(totals.supplier_wh, supplier, pulses),
        _by_index(totals.grid_wh, grid, pulses),
        supplier,
        grid,
        _filtered(made.power_w),
    )


def _sums(first: int, added: Int64s) -> Int64s:
    sums: Int64s = first + np.concatenate(([0], np.cumsum(added)))
    return sums


def _by_index(first: Int64s, index: Int64s, pulses: Int64s) -> Int64s:
    added = np.where(index[:, None] == np.arange(1, len(first) + 1), pulses[:, None], 0)
    sums: Int64s = first + np.concatenate((np.zeros((1, len(first)), np.int64), np.cumsum(added, axis=0)))
    return sums


def _filtered(power_w: Int64s) -> Floats:
    """y(n)^2 = B x(n)^2 + (1 - B) y(n-1)^2 for each second, over minutes of one power each."""
    total = power_w.sum(axis=1)
    x = TANGENT * np.column_stack((np.maximum(total, 0), np.maximum(-total, 0), np.abs(power_w)))
    kept = (1 - _FILTER) ** 60
    out = np.empty((len(x) + 1, x.shape[1]))
    for column in range(x.shape[1]):
        squares = (x[:, column] ** 2).tolist()
        y = squares[0]
        levels = [y]
        for square in squares:
            y = square + (y - square) * kept
            levels.append(y)
        out[:, column] = np.sqrt(levels)
    return out

"""What a home draws and its panels give, minute by minute, as a function of (contract, minute)."""

from dataclasses import dataclass

import numpy as np

from producers.simulate.linky import hours
from producers.simulate.linky.contract import Contract
from producers.simulate.noise import Floats, Int64s, chance, drift, hashed, mixed, uniform
from producers.simulate.sites import HOME, sun, use

NOMINAL_V = 230
TANGENT = 1.04
"""Apparent over active power."""
_SLOT = 20
"""Minutes for which an appliance may run; some of them."""
_OVERLOAD_SLOT = 180
_OVERLOAD_CHANCE = 0.5
_SHARES = {1: np.array([1.0]), 3: np.array([0.42, 0.33, 0.25])}


@dataclass(frozen=True, slots=True)
class Minutes:
    """n minutes of a meter.

    Attributes:
        local: local time in minutes since 1970; shape (n,).
        power_w: mean active power by phase, below 0 while the home injects; shape (n, phases).
        voltage_v: shape (n, phases).
    """

    local: Int64s
    power_w: Int64s
    voltage_v: Int64s


def minutes(contract: Contract, minute: Int64s) -> Minutes:
    """Make minutes, in any order.

    Args:
        minute: UTC, in minutes since 1970; shape (n,).
    """
    seed, index = contract.seed, contract.index
    local = hours.local_minutes(minute)
    power_w = powers(contract, minute, local)
    load = power_w * contract.phases * TANGENT / (1000 * contract.power_kva)
    volts = NOMINAL_V + 4 * drift(hashed(seed, 312, index, np.arange(contract.phases)), minute[:, None], 11)
    return Minutes(local, power_w, np.rint(volts - 6 * load).astype(np.int64))


def powers(contract: Contract, minute: Int64s, local: Int64s) -> Int64s:
    """Mean active power of each minute and phase; shape (n, phases).

    Args:
        minute: UTC; local: the same in local time.
    """
    seed, index = contract.seed, contract.index
    limit_w = 1000 * contract.power_kva / TANGENT
    drawn_w = np.minimum(_usual(contract, minute, local) * limit_w, 0.93 * limit_w)
    over = _overload(seed, index, minute)
    drawn_w = np.where(over > 0, over * limit_w, drawn_w)
    share = _SHARES[contract.phases] * (
        1 + 0.1 * drift(hashed(seed, 310, index, np.arange(contract.phases)), minute[:, None], 45)
    )
    phases_w = drawn_w[:, None] * share / share.sum(axis=1)[:, None]
    if contract.producer:
        cloud = 0.6 + 0.4 * drift(hashed(seed, 311, index), minute, 9)
        phases_w = phases_w - (0.5 * limit_w * sun(60 * local) * cloud)[:, None] / contract.phases
    power_w: Int64s = np.floor(phases_w).astype(np.int64)
    return power_w


def _usual(contract: Contract, minute: Int64s, local: Int64s) -> Floats:
    """Share of the contract's power: what is always on, the day's curve, appliances, hot water at night."""
    seed, index = contract.seed, contract.index
    style = np.full(len(minute), HOME, np.int64)
    curve = 0.03 + 0.32 * use(style, 60 * local) * (1 + 0.25 * drift(hashed(seed, 313, index), minute, 7))
    slot, into = np.divmod(minute, _SLOT)
    state = mixed(hashed(seed, 314, index), slot)
    appliance = 0.25 * (uniform(state) < 0.3) * (into < 3 + 15 * uniform(mixed(state, 1)))
    night = local % hours.DAY
    water = 0.22 * ((night >= hours.HC_BEGIN) | (night < 60))
    share: Floats = curve + appliance + water
    return share


def _overload(seed: int, index: int, minute: Int64s) -> Floats:
    """Share of the contract's power in an overload; 0 when there is none."""
    slot, into = np.divmod(minute, _OVERLOAD_SLOT)
    state = mixed(hashed(seed, 315, index), slot)
    begin = np.floor(150 * uniform(mixed(state, 1)))
    runs = (uniform(state) < _OVERLOAD_CHANCE) & (into >= begin) & (into < begin + 3)
    over: Floats = np.where(runs, 1.2 + 0.08 * uniform(mixed(state, 2)), 0.0)
    return over


def wander_w(contract: Contract, minute: int, second: int, phases_w: list[int]) -> list[int]:
    """How far each phase's power is from its minute's mean in one second; adds up to nothing over the minute.

    Small enough that neither a phase nor the sum ever changes sign.
    """
    mirrored = min(second, 59 - second)
    sign = 1 if second < 30 else -1
    room = abs(sum(phases_w))
    return [
        sign
        * round((2 * chance(contract.seed, 316, contract.index, phase, minute, mirrored) - 1) * (min(abs(power), room) // 10))
        for phase, power in enumerate(phases_w)
    ]

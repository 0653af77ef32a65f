"""What is wired to each sensor: its site's habits, machines, solar panels, and how the sensor reports."""

from dataclasses import dataclass

import numpy as np

from producers.simulate.noise import Bools, Floats, Int64s, between, hashed, uniform

HOME, OFFICE, SHOP, FACTORY = range(4)
MACHINES = 4

# Share of a site's swing that is in use at each full hour, 0..24, local time: working day, then weekend.
_CURVES = (
    np.array(
        [
            [
                [10, 6, 4, 4, 4, 8, 30, 62, 55, 30, 22, 22, 30, 28, 22, 22, 30, 48, 75, 95, 100, 85, 55, 28, 10],
                [10, 8, 5, 4, 4, 6, 12, 28, 50, 62, 58, 52, 60, 58, 48, 44, 48, 58, 78, 95, 98, 85, 60, 34, 10],
            ],
            [
                [6, 5, 5, 5, 5, 8, 18, 45, 80, 96, 100, 97, 82, 90, 98, 97, 92, 80, 52, 32, 22, 15, 10, 8, 6],
                [6, 5, 5, 5, 5, 5, 6, 8, 12, 15, 16, 16, 15, 15, 15, 14, 12, 10, 8, 7, 7, 6, 6, 6, 6],
            ],
            [
                [8, 7, 7, 7, 7, 9, 12, 20, 35, 62, 82, 90, 96, 92, 86, 85, 88, 95, 100, 98, 88, 62, 28, 12, 8],
                [8, 7, 7, 7, 7, 8, 10, 15, 28, 55, 82, 95, 100, 98, 95, 95, 96, 98, 96, 90, 78, 50, 22, 10, 8],
            ],
            [
                [18, 18, 18, 18, 20, 28, 55, 88, 98, 100, 98, 95, 70, 92, 100, 98, 95, 82, 58, 48, 45, 42, 30, 20, 18],
                [18, 17, 16, 16, 16, 16, 18, 22, 26, 28, 28, 26, 22, 24, 25, 24, 22, 20, 18, 18, 18, 18, 18, 18, 18],
            ],
        ]
    )
    / 100.0
)


@dataclass(frozen=True, slots=True)
class Sites:
    """Fixed properties of n sensors.

    Attributes:
        style: HOME, OFFICE, SHOP or FACTORY.
        base_w, swing_w: load that is always on, and what the day curve adds at most; shape (n,).
        share: of the base and the swing on each phase; shape (n, 3).
        tangent: reactive over active power of that load; shape (n,).
        machine_w, machine_tangent, machine_slot_s: motors; shape (n, MACHINES).
        contract_w: contract power; normal load stays below; shape (n,).
        solar_w: what the panels give at noon without a cloud, 0 = none; shape (n,).
        offset: of the voltage as a share of the nominal; shape (n, 3).
        sag: share of the voltage lost when a phase carries its third of the contract; shape (n,).
        rogowski, voltage_as_one: how each probe reports; shape (n, 3).
        signs_pf: whether pf goes negative with export; shape (n,).
    """

    style: Int64s
    base_w: Floats
    swing_w: Floats
    share: Floats
    tangent: Floats
    machine_w: Floats
    machine_tangent: Floats
    machine_slot_s: Int64s
    contract_w: Floats
    solar_w: Floats
    offset: Floats
    sag: Floats
    rogowski: Bools
    voltage_as_one: Bools
    signs_pf: Bools


def sites(seed: int, count: int) -> Sites:
    """The sites of sensors 0..count-1; a sensor's site does not depend on count.

    The first three are the same for every seed: current transformers with listed voltage; Rogowski coils with
    the voltage as one number; solar panels, with everything mixed.
    """
    who = np.arange(count, dtype=np.int64)
    phase, machine = np.arange(3), np.arange(MACHINES)

    def draw(salt: int, low: float, high: float) -> Floats:
        return between(hashed(seed, salt, who), low, high)

    def draw_each(salt: int, each: Int64s, low: float, high: float) -> Floats:
        return between(hashed(seed, salt, who[:, None], each[None, :]), low, high)

    style = (uniform(hashed(seed, 1, who)) * 4).astype(np.int64)
    scale = np.array([1.0, 4.0, 3.0, 8.0])[style] * draw(2, 0.7, 1.6)
    base_w, swing_w = 350.0 * scale * draw(3, 0.7, 1.3), 3200.0 * scale
    share = draw_each(4, phase, 0.93, 1.07)
    share /= (share[:, 0] + share[:, 1] + share[:, 2])[:, None]
    machine_w = draw_each(5, machine, 0.05, 0.13) * swing_w[:, None]
    most_w = base_w + 1.1 * swing_w + machine_w[:, 0] + machine_w[:, 1] + machine_w[:, 2] + machine_w[:, 3]

    solar = (uniform(hashed(seed, 6, who)) < 0.2) & (who > 1) | (who == 2)
    reports = (uniform(hashed(seed, 7, who)) * 4).astype(np.int64)
    reports[:3] = (0, 1, 2)[:count]
    mixed = hashed(seed, 8, who[:, None], phase[None, :])
    mixed_rogowski = np.where(who[:, None] == 2, phase == 1, uniform(mixed) < 0.5)
    mixed_as_one = np.where(who[:, None] == 2, phase == 2, uniform(hashed(seed, 9, who[:, None], phase[None, :])) < 0.5)
    # 0: CT, listed voltage   1: Rogowski, voltage as one   2: everything mixed   3: CT, voltage as one
    style_of = reports[:, None]
    rogowski = np.where(style_of == 2, mixed_rogowski, style_of == 1)
    voltage_as_one = np.where(style_of == 2, mixed_as_one, (style_of == 1) | (style_of == 3))
    return Sites(
        style=style,
        base_w=base_w,
        swing_w=swing_w,
        share=share,
        tangent=draw(10, 0.12, 0.25),
        machine_w=machine_w,
        machine_tangent=draw_each(11, machine, 0.48, 0.62),
        machine_slot_s=draw_each(12, machine, 180, 1500).astype(np.int64),
        contract_w=1.15 * most_w,
        solar_w=np.where(solar, draw(13, 1.2, 1.9) * swing_w, 0.0),
        offset=draw(14, -0.008, 0.008)[:, None] + draw_each(15, phase, -0.003, 0.003),
        sag=draw(16, 0.01, 0.025),
        rogowski=rogowski,
        voltage_as_one=voltage_as_one,
        signs_pf=uniform(hashed(seed, 17, who)) < 0.3,
    )


def use(style: Int64s, local_s: Int64s) -> Floats:
    """Share of the swing in use; shape (n,).

    Args:
        style: of each site.
        local_s: local time in seconds since 1970.
    """
    day, second = np.divmod(local_s, 86_400)
    weekend = ((day + 3) % 7 >= 5).astype(np.int64)  # 1970-01-01 was a Thursday
    hour, rest = np.divmod(second, 3600)
    part = rest / 3600.0
    here, there = _CURVES[style, weekend, hour], _CURVES[style, weekend, hour + 1]
    share: Floats = here + (there - here) * part
    return share


def sun(local_s: Int64s) -> Floats:
    """Share of the panels' noon power on a clear day; shape (n,); 0 at night."""
    hours = (local_s % 86_400) / 3600.0
    from_noon = (hours - 12.5) / 6.3
    shine: Floats = np.maximum(0.0, 1.0 - from_noon * from_noon)
    return shine

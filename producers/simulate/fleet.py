"""A fleet of 3-phase sensors as a function of (seed, sensor, second).

Any second can be made again at any time, alone or in any company, and is the same to the last integer: so what
a stack stored can be compared with what was sent without keeping it.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from producers.simulate import events
from producers.simulate.events import Event, Schedule
from producers.simulate.noise import Bools, Floats, Hashes, Int64s, drift, hashed, mixed, uniform
from producers.simulate.sites import MACHINES, Sites, sites, sun, use

FORMAT_VERSION = "221013"
NOMINAL_SAMPLES = 20
MOST_SAMPLES = 21
ODD_SAMPLES = 1 / 200
"""Share of the seconds that hold 19 or 21 samples, as a sampling clock that drifts gives now and then."""

PROBE_TYPES = ("CT", "rogow_coil")
PHASES = np.arange(3)
LOW_W = 25.0
"""Below this a probe's power factor is noise."""

_PREFIX = re.compile(r"[A-Za-z]{1,58}")
_FIELD = (1 << 21) - 1

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Sensors that differ, and are the same for the same seed.

    Attributes:
        seed: of everything random.
        sensor_ids: their names, lower case; the sensor's index is its place here.
        sites: what is wired to each.
        nominal_v: 220 (Korea) or 230 (France).
        zone_offset_s: local time minus UTC, for the day curve.
        event_chance: share of the half hours of a sensor that hold a planted event.
        more: further events, planted by hand.
        kinds: of planted events, as places in events.KINDS.
    """

    seed: int
    sensor_ids: list[str]
    sites: Sites
    nominal_v: int
    zone_offset_s: int
    event_chance: float
    more: tuple[Event, ...] = ()
    kinds: tuple[int, ...] = events.COMMON


@dataclass(frozen=True, slots=True)
class Seconds:
    """n sensor-seconds; samples beyond `samples` mean nothing.

    Attributes:
        silent: shape (n,), True where the device is off and sends nothing.
        samples: shape (n,), 19..21.
        power_mw, pf_pct, voltage_mv: shape (n, 3, MOST_SAMPLES).
        voltage_rms_mv: shape (n, 3), what a probe sends that reports one voltage a second.
    """

    silent: Bools
    samples: Int64s
    power_mw: Int64s
    pf_pct: Int64s
    voltage_mv: Int64s
    voltage_rms_mv: Int64s


def fleet(
    seed: int,
    count: int,
    *,
    prefix: str = "gresystem",
    nominal_v: int = 220,
    zone_offset_s: int = 9 * 3600,
    event_chance: float = 0.25,
    kinds: tuple[int, ...] = events.COMMON,
) -> Fleet:
    """Make a fleet.

    Raises:
        ValueError: a prefix or a count from which no sensor ids can be made.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"prefix {prefix!r}: a sensor id is 1 to 58 Latin letters, then six digits")
    if not 1 <= count <= 999_999:
        raise ValueError(f"{count} sensors: six digits number 1 to 999999")
    ids = [f"{prefix.lower()}{n:06d}" for n in range(1, count + 1)]
    return Fleet(seed, ids, sites(seed, count), nominal_v, zone_offset_s, event_chance, kinds=kinds)


def second(fleet: Fleet, index: int, timestamp_s: int) -> Body | None:
    """The body of one sensor's post, without token; None while the device is silent."""
    return bodies(fleet, np.array([index]), np.array([timestamp_s]))[0]


def truth(fleet: Fleet, index: int, start_s: int, end_s: int) -> list[Event]:
    """The planted events of one sensor that touch [start_s, end_s)."""
    drawn = events.truth(fleet.seed, index, start_s, end_s, fleet.event_chance, fleet.kinds)
    more = [one for one in fleet.more if one.index == index and one.start_ms < end_s * 1000 and one.end_ms > start_s * 1000]
    return sorted([*drawn, *more], key=lambda one: one.start_ms)


def struck(fleet: Fleet, index: Int64s, timestamp_s: Int64s) -> Schedule:
    """The event that touches each (sensor, second) pair; shape (n,)."""
    drawn = events.at(fleet.seed, index, timestamp_s, fleet.event_chance, fleet.kinds)
    return events.with_more(drawn, index, timestamp_s, fleet.more)


def bodies(fleet: Fleet, index: Int64s, timestamp_s: Int64s) -> list[Body | None]:
    """The bodies of n posts, without tokens; None while a device is silent.

    Args:
        index, timestamp_s: shape (n,); any sensors at any seconds.
    """
    made = seconds(fleet, index, timestamp_s)
    counts = made.samples.tolist()
    nominal = slice(0, NOMINAL_SAMPLES)
    power, pf, voltage = (a[:, :, nominal].tolist() for a in (made.power_mw, made.pf_pct, made.voltage_mv))
    for row in np.flatnonzero(made.samples != NOMINAL_SAMPLES).tolist():
        part = slice(0, counts[row])
        power[row], pf[row] = made.power_mw[row, :, part].tolist(), made.pf_pct[row, :, part].tolist()
        voltage[row] = made.voltage_mv[row, :, part].tolist()
    for row, phase in np.argwhere(fleet.sites.voltage_as_one[index]).tolist():
        voltage[row][phase] = int(made.voltage_rms_mv[row, phase])
    kinds = fleet.sites.rogowski[index].astype(int).tolist()
    ids = fleet.sensor_ids
    made_bodies: list[Body | None] = [
        None
        if silent
        else {
            "version": FORMAT_VERSION,
            "sensor_id": ids[sensor],
            "timestamp": at_s,
            "data": [
                {"probe_id": 1, "probe_type": PROBE_TYPES[k[0]], "power": p[0], "pf": f[0], "voltage": v[0]},
                {"probe_id": 2, "probe_type": PROBE_TYPES[k[1]], "power": p[1], "pf": f[1], "voltage": v[1]},
                {"probe_id": 3, "probe_type": PROBE_TYPES[k[2]], "power": p[2], "pf": f[2], "voltage": v[2]},
            ],
        }
        for sensor, at_s, silent, k, p, f, v in zip(
            index.tolist(), timestamp_s.tolist(), made.silent.tolist(), kinds, power, pf, voltage, strict=True
        )
    ]
    if events.PHASE_MISSING in fleet.kinds:
        plan = struck(fleet, index, timestamp_s)
        for row in np.flatnonzero(plan.of(events.PHASE_MISSING)).tolist():
            body = made_bodies[row]
            if body is not None:
                del body["data"][int(plan.phase[row])]
    return made_bodies


def seconds(fleet: Fleet, index: Int64s, timestamp_s: Int64s) -> Seconds:
    """The samples of n sensor-seconds; see `bodies`."""
    plan = struck(fleet, index, timestamp_s)
    # A stuck device repeats the second in which it got stuck.
    made_for_s = np.where(plan.of(events.STUCK), plan.start_ms // 1000, timestamp_s)
    power_w, pf = _loads(fleet, index, made_for_s, plan)
    volts = _volts(fleet, index, made_for_s, power_w)
    uneven = plan.of(events.VOLTAGE_IMBALANCE)[:, None] & (PHASES[None, :] == plan.phase[:, None])
    volts = np.where(uneven, volts * (1.0 - plan.size[:, None]), volts)

    state = hashed(fleet.seed, 30, index, made_for_s)
    odd = uniform(state)
    samples = NOMINAL_SAMPLES + np.where(odd < ODD_SAMPLES, np.where(odd < ODD_SAMPLES / 2, -1, 1), 0)
    power_noise, pf_noise, volt_noise = _sample_noise(mixed(state[:, None], PHASES[None, :]))
    power_mw = 1000.0 * power_w[:, :, None] * (1.0 + 0.015 * power_noise) + 3000.0 * power_noise
    pf_pct = 100.0 * pf[:, :, None] + pf_noise
    idle = np.abs(power_w) < LOW_W
    if idle.any():
        pf_pct[idle] = 30.0 + 25.0 * pf_noise[idle]
    exporting = (power_w < 0) & fleet.sites.signs_pf[index][:, None]
    pf_pct[exporting] = -pf_pct[exporting]
    voltage_mv = 1000.0 * volts[:, :, None] + 200.0 * volt_noise
    _strike(fleet, plan, timestamp_s, samples, power_mw, voltage_mv)
    _interrupt(fleet, plan, timestamp_s, samples, power_mw, voltage_mv)
    volt = np.rint(voltage_mv).astype(np.int64)
    return Seconds(
        silent=plan.of(events.SILENCE),
        samples=samples,
        power_mw=np.rint(power_mw).astype(np.int64),
        pf_pct=np.clip(np.rint(pf_pct), -100, 100).astype(np.int64),
        voltage_mv=volt,
        voltage_rms_mv=_rms(volt, samples),
    )


def _loads(fleet: Fleet, index: Int64s, at_s: Int64s, plan: Schedule) -> tuple[Floats, Floats]:
    """Mean power of each phase in W (negative = export) and its power factor; shape (n, 3) each."""
    s, seed, local_s = fleet.sites, fleet.seed, at_s + fleet.zone_offset_s
    share, contract_w = s.share[index], s.contract_w[index]
    in_use = use(s.style[index], local_s)
    wander = drift(hashed(seed, 21, index), at_s, 600)
    steady_w = s.base_w[index] * (1.0 + 0.05 * wander) + s.swing_w[index] * in_use * (1.0 + 0.08 * wander)
    active_w, reactive_var = steady_w, steady_w * s.tangent[index]
    slot_s, machine_w, tangent = s.machine_slot_s[index], s.machine_w[index], s.machine_tangent[index]
    slot, into = np.divmod(at_s[:, None], slot_s)
    machines = mixed(hashed(seed, 22, index)[:, None], np.arange(MACHINES)[None, :])
    duty = 0.15 + 0.55 * in_use[:, None]
    runs = uniform(mixed(machines, slot)) < duty
    starts = runs & (into == 0) & (uniform(mixed(machines, slot - 1)) >= duty)
    drawn_w = np.where(runs, machine_w, 0.0) * np.where(starts, 2.2, 1.0)
    for k in range(MACHINES):
        active_w = active_w + drawn_w[:, k]
        reactive_var = reactive_var + drawn_w[:, k] * tangent[:, k]
    pf = active_w / np.sqrt(active_w * active_w + reactive_var * reactive_var)

    overload = plan.of(events.OVERLOAD) | plan.of(events.OVERLOAD_QUARTER)
    low_pf, imbalance = plan.of(events.LOW_PF), plan.of(events.IMBALANCE)
    active_w = np.where(overload, contract_w * plan.size, active_w)
    active_w = np.where(low_pf | imbalance, active_w + 0.12 * contract_w, active_w)
    third = (1.0 + 0.02 * drift(mixed(hashed(seed, 23, index)[:, None], PHASES[None, :]), at_s[:, None], 420)) * share
    strong = np.where(PHASES[None, :] == plan.phase[:, None], 1.0 + plan.size[:, None], 1.0 - plan.size[:, None] / 2.0) / 3.0
    power_w = active_w[:, None] * np.where(imbalance[:, None], strong, third)

    cloud = 0.62 + 0.38 * drift(hashed(seed, 24, index), at_s, 300)
    solar_w = s.solar_w[index] * sun(local_s) * cloud
    solar_w = np.where(overload | low_pf | imbalance, 0.0, solar_w)
    power_w = power_w - solar_w[:, None] * share
    power_w = np.where(plan.of(events.REVERSE_POWER)[:, None], -(plan.size * contract_w)[:, None] * share, power_w)
    pf_each = pf[:, None] + 0.01 * drift(mixed(hashed(seed, 25, index)[:, None], PHASES[None, :]), at_s[:, None], 180)
    return power_w, np.minimum(np.where(low_pf[:, None], plan.size[:, None], pf_each), 0.995)


def _volts(fleet: Fleet, index: Int64s, at_s: Int64s, power_w: Floats) -> Floats:
    """Mean voltage of each phase in V: the grid's slow drift, less what the load pulls down; shape (n, 3)."""
    s, seed = fleet.sites, fleet.seed
    grid = 0.009 * drift(hashed(seed, 26, index), at_s, 900)
    own = 0.002 * drift(mixed(hashed(seed, 27, index)[:, None], PHASES[None, :]), at_s[:, None], 240)
    pulled = s.sag[index][:, None] * power_w / (s.contract_w[index][:, None] / 3.0)
    return fleet.nominal_v * (1.0 + s.offset[index] + grid[:, None] + own - pulled)


def _sample_noise(state: Hashes) -> tuple[Floats, Floats, Floats]:
    """Three numbers in [-1, 1) for each sample, out of one hash; (n, 3) to (n, 3, MOST_SAMPLES) each."""
    drawn = mixed(state[:, :, None], np.arange(MOST_SAMPLES)[None, None, :])
    scale = 2.0 / (1 << 21)
    first, second_, third = (
        ((drawn >> np.uint64(shift)) & np.uint64(_FIELD)).astype(np.float64) * scale - 1.0 for shift in (0, 21, 42)
    )
    return first, second_, third


def _strike(fleet: Fleet, plan: Schedule, at_s: Int64s, samples: Int64s, power_mw: Floats, voltage_mv: Floats) -> None:
    """Write sags and swells into the samples they touch, in place."""
    rows = np.flatnonzero(plan.of(events.SAG) | plan.of(events.SWELL))
    for row, phase in zip(rows.tolist(), plan.phase[rows].tolist(), strict=True):
        at_ms = at_s[row] * 1000 + np.arange(MOST_SAMPLES) * 1000 // samples[row]
        hit = (plan.start_ms[row] <= at_ms) & (at_ms < plan.end_ms[row])
        normal = voltage_mv[row, phase, hit]
        struck = 1000.0 * fleet.nominal_v * plan.size[row] + (normal - 1000.0 * fleet.nominal_v) * 0.1
        voltage_mv[row, phase, hit] = struck
        power_mw[row, phase, hit] *= struck / normal


def _interrupt(fleet: Fleet, plan: Schedule, at_s: Int64s, samples: Int64s, power_mw: Floats, voltage_mv: Floats) -> None:
    """Write interruptions into the samples of all phases, in place."""
    for row in np.flatnonzero(plan.of(events.INTERRUPTION)).tolist():
        at_ms = at_s[row] * 1000 + np.arange(MOST_SAMPLES) * 1000 // samples[row]
        hit = (plan.start_ms[row] <= at_ms) & (at_ms < plan.end_ms[row])
        voltage_mv[row][:, hit] = 1000.0 * fleet.nominal_v * plan.size[row]
        power_mw[row][:, hit] = 0.0


def _rms(voltage_mv: Int64s, samples: Int64s) -> Int64s:
    """Root of the mean square of each probe-second: (n, 3, MOST_SAMPLES) to (n, 3). The sum is exact."""
    squares = voltage_mv * voltage_mv
    inside = np.arange(MOST_SAMPLES)[None, :] < samples[:, None]
    total = (squares * inside[:, None, :]).sum(axis=2)
    rms: Int64s = np.rint(np.sqrt(total / samples[:, None])).astype(np.int64)
    return rms

"""Planted events: what goes wrong at which sensor and when, known beforehand.

Time is cut into blocks; each block of a sensor holds at most one event, drawn from (seed, sensor, block), so
any second can be judged without looking at another one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from producers.simulate.noise import Bools, Floats, Int64s, hashed, uniform

BLOCK_S = 1800
MARGIN_S = 60
"""Quiet seconds at both ends of a block, so that two events never touch."""

SALT = 7001


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event.

    Attributes:
        shortest_ms, longest_ms: how long it lasts.
        grain_ms: start and length are whole multiples of this.
        least, most: its size. sag, swell: voltage as a share of the nominal; overload: total power as a share of
            the contract; low_pf: power factor; imbalance: (strongest phase - mean) / mean; interruption: what is left of the
            voltage; overload_quarter: as overload; voltage_imbalance: by how much a phase is lower; reverse_power: power fed
            back as a share of the contract; clock: seconds behind; the others: none.
        one_phase: whether it strikes a single phase.
    """

    name: str
    shortest_ms: int
    longest_ms: int
    grain_ms: int
    least: float
    most: float
    one_phase: bool


KINDS = (
    Kind("sag", 200, 8_000, 50, 0.60, 0.85, True),
    Kind("swell", 200, 5_000, 50, 1.12, 1.18, True),
    Kind("overload", 120_000, 360_000, 1000, 1.15, 1.40, False),
    Kind("low_pf", 360_000, 600_000, 1000, 0.60, 0.80, False),
    Kind("imbalance", 360_000, 600_000, 1000, 0.45, 0.80, True),
    Kind("silence", 10_000, 300_000, 1000, 0.0, 0.0, False),
    Kind("stuck", 15_000, 60_000, 1000, 0.0, 0.0, False),
    Kind("interruption", 3_000, 60_000, 50, 0.0, 0.02, False),
    Kind("overload_quarter", 1_500_000, 1_620_000, 1000, 1.5, 1.8, False),
    Kind("voltage_imbalance", 360_000, 600_000, 1000, 0.04, 0.055, True),
    Kind("reverse_power", 120_000, 600_000, 1000, 0.1, 0.3, False),
    Kind("phase_missing", 10_000, 300_000, 1000, 0.0, 0.0, True),
    Kind("clock", 120_000, 600_000, 1000, 8.0, 30.0, False),
    Kind("conflict", 1_000, 60_000, 1000, 0.0, 0.0, False),
)
NAMES = tuple(kind.name for kind in KINDS)
SAG, SWELL, OVERLOAD, LOW_PF, IMBALANCE, SILENCE, STUCK = range(7)
INTERRUPTION, OVERLOAD_QUARTER, VOLTAGE_IMBALANCE, REVERSE_POWER, PHASE_MISSING, CLOCK, CONFLICT = range(7, len(KINDS))
COMMON = tuple(range(7))
"""What a fleet has when nothing else is asked for."""
RARE = tuple(range(7, len(KINDS)))
"""What must be asked for. A second's content says nothing of the last two: whoever sends it is behind, or sends it twice."""
NONE = -1


@dataclass(frozen=True, slots=True)
class Event:
    """One planted event, for people and checks.

    Attributes:
        index: the sensor's place in its fleet.
        phase: 1..3, or 0 for all.
        start_ms, end_ms: UTC milliseconds, end not included.
        size: see Kind.
    """

    index: int
    kind: str
    phase: int
    start_ms: int
    end_ms: int
    size: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """The event of each of n (sensor, second) pairs; shape (n,) each.

    Attributes:
        kind: index into KINDS, or NONE where the second is quiet.
        phase: 0..2; means nothing for kinds that strike all phases.
        start_ms, end_ms: UTC milliseconds, end not included.
    """

    kind: Int64s
    phase: Int64s
    start_ms: Int64s
    end_ms: Int64s
    size: Floats

    def of(self, kind: int) -> Bools:
        struck: Bools = self.kind == kind
        return struck


_SHORTEST = np.array([k.shortest_ms for k in KINDS], np.int64)
_LONGEST = np.array([k.longest_ms for k in KINDS], np.int64)
_GRAIN = np.array([k.grain_ms for k in KINDS], np.int64)
_LEAST = np.array([k.least for k in KINDS])
_MOST = np.array([k.most for k in KINDS])


def planted(seed: int, index: Int64s, block: Int64s, chance: float, kinds: tuple[int, ...] = COMMON) -> Schedule:
    """The event of each (sensor, block) pair, of one of these kinds; shape (n,)."""
    state = hashed(seed, SALT, index, block)
    happens = uniform(state) < chance
    kind = np.array(kinds)[(uniform(hashed(seed, SALT + 1, index, block)) * len(kinds)).astype(np.int64)]
    grain = _GRAIN[kind]
    length = _SHORTEST[kind] + (uniform(hashed(seed, SALT + 2, index, block)) * (_LONGEST - _SHORTEST)[kind]).astype(np.int64)
    length = np.maximum(length // grain, 1) * grain
    room = (BLOCK_S - 2 * MARGIN_S) * 1000 - length
    start = MARGIN_S * 1000 + (uniform(hashed(seed, SALT + 3, index, block)) * room).astype(np.int64) // grain * grain
    start = block * (BLOCK_S * 1000) + start
    size = _LEAST[kind] + uniform(hashed(seed, SALT + 4, index, block)) * (_MOST - _LEAST)[kind]
    phase = (uniform(hashed(seed, SALT + 5, index, block)) * 3).astype(np.int64)
    return Schedule(np.where(happens, kind, NONE), phase, start, start + length, size)


def at(seed: int, index: Int64s, timestamp_s: Int64s, chance: float, kinds: tuple[int, ...] = COMMON) -> Schedule:
    """The event that touches each (sensor, second) pair; shape (n,), kind NONE where none does."""
    found = planted(seed, index, timestamp_s // BLOCK_S, chance, kinds)
    touches = (found.start_ms < timestamp_s * 1000 + 1000) & (timestamp_s * 1000 < found.end_ms)
    return Schedule(np.where(touches, found.kind, NONE), found.phase, found.start_ms, found.end_ms, found.size)


def with_more(found: Schedule, index: Int64s, timestamp_s: Int64s, more: Iterable[Event]) -> Schedule:
    """The schedule of (sensor, second) pairs with further events, which come before those drawn."""
    for one in more:
        at_ms = timestamp_s * 1000
        mine = (index == one.index) & (one.start_ms < at_ms + 1000) & (at_ms < one.end_ms)
        if mine.any():
            values = (NAMES.index(one.kind), max(one.phase - 1, 0), one.start_ms, one.end_ms, one.size)
            columns = (found.kind, found.phase, found.start_ms, found.end_ms, found.size)
            found = Schedule(*(np.where(mine, value, column) for value, column in zip(values, columns, strict=True)))
    return found


def shown(start_s: int, sensors: int) -> tuple[Event, ...]:
    """What a demo shows soon after its start: a deep dip, a rise, a stuck sensor and a silence, each at another sensor."""
    plan = (("sag", 2, 45_350, 400, 0.62), ("swell", 1, 70_000, 2000, 1.15), ("stuck", 0, 80_000, 20_000, 0.0),
            ("silence", 0, 90_000, 45_000, 0.0))  # fmt: skip
    start_ms = start_s * 1000
    return tuple(
        Event(at, kind, phase, start_ms + after, start_ms + after + length, size)
        for at, (kind, phase, after, length, size) in enumerate(plan)
        if at < sensors
    )


def truth(seed: int, index: int, start_s: int, end_s: int, chance: float, kinds: tuple[int, ...] = COMMON) -> list[Event]:
    """Every event of one sensor that touches [start_s, end_s), in order."""
    blocks = np.arange(start_s // BLOCK_S, (end_s - 1) // BLOCK_S + 1)
    found = planted(seed, np.full(len(blocks), index, np.int64), blocks, chance, kinds)
    return [
        Event(
            index,
            KINDS[found.kind[k]].name,
            int(found.phase[k]) + 1 if KINDS[found.kind[k]].one_phase else 0,
            int(found.start_ms[k]),
            int(found.end_ms[k]),
            float(found.size[k]),
        )
        for k in np.flatnonzero((found.kind != NONE) & (found.start_ms < end_s * 1000) & (found.end_ms > start_s * 1000)).tolist()
    ]

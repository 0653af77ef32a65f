"""One minute of a Linky: a pure function of its distinct frames and those of the minute before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.columns import Bools, Int64s
from schemas.tic_facts import (
    AT,
    BAD,
    BOOT,
    CHARACTERS,
    COLOURS,
    COLUMN,
    COUNTER,
    COVERS,
    DEGRADED,
    DISCARDED,
    NAME,
    OFFSET,
    OVER_POWER,
    REJECTED,
    TARIFF,
    TODAY,
    TOMORROW,
    WH,
    Facts,
)
from schemas.tic_minute import TicIndex, TicMinute, TicPhase
from schemas.units import MINUTE_S
from streams.core.tic_integrity import METER_MAX_VA, SUPPLIER
from streams.core.tic_judge import broken, contracts_va, moves

FRAMES_MAX = 1_000
"""Frames of one minute that are used, the first in the log: a line sends at most 93. More are a clock that stands still."""

GAP_S = 10
"""Between frames further apart nothing is known of the energy's minute."""

_ABSENT = -1
_HISTORIC = WH[WH.index("BASE") : WH.index("EAIT")]
_APPARENT = [COLUMN[label] for label in ("SINSTS", "PAPP", "SINST1")]
_VOLTAGES = [[COLUMN[f"URMS{phase}"]] for phase in (1, 2, 3)]
_CURRENTS = [
    [COLUMN[label] for label in labels] for labels in (("IRMS1", "IINST1", "IINST"), ("IRMS2", "IINST2"), ("IRMS3", "IINST3"))
]


@dataclass(frozen=True, slots=True)
class Folded:
    """A minute, and what did not count.

    Attributes:
        row: None when the minute itself has no frame.
        refused: offset and reason of each frame of the minute that breaks a rule.
    """

    row: TicMinute | None
    refused: list[tuple[int, str]]


def fold(meter_id: str, minute_s: int, frames: Facts, before: Facts | None) -> Folded:
    """Fold one minute.

    Args:
        frames: the distinct frames of the minute, in any order.
        before: those of the minute before; None: there are none.
    """
    if not len(frames.table):
        return Folded(None, [])
    table, boots, names = _successive(minute_s, frames, before)
    reasons = broken(table)
    counts = np.ones(len(table), np.bool_)
    counts[list(reasons)] = False
    own = (table[:, AT] >= minute_s) & (table[:, AT] < minute_s + MINUTE_S)
    good, of_own = table[counts], table[own]
    mine = own[counts]
    indexes, energies = _energies(good, mine)
    watts = _first_of(good[mine], _APPARENT)
    injected = _values(good[mine], COLUMN["SINSTI"])
    row = TicMinute(
        meter_id=meter_id,
        minute_s=minute_s,
        version=int(table[:, OFFSET].max()),
        frames=int(mine.sum()),
        seconds_mask=_covered(good, minute_s),
        apparent_frames=len(watts),
        apparent_sum_va=int(watts.sum()),
        apparent_min_va=int(watts.min()) if len(watts) else None,
        apparent_max_va=int(watts.max()) if len(watts) else None,
        injected_max_va=int(injected.max()) if len(injected) else None,
        voltages=_phases(good[mine], _VOLTAGES),
        currents=_phases(good[mine], _CURRENTS),
        tariff=min(max(_last(good[:, TARIFF]), 0), 255),
        tariff_name=names[_last(good[:, NAME])],
        indexes=indexes,
        drawn_wh=_drawn(energies),
        injected_wh=energies.get("EAIT", 0),
        contract_va=min(max(_last(contracts_va(good)), 0), (1 << 32) - 1),
        tempo_today=COLOURS[max(_last(good[:, TODAY]), 0)],
        tempo_tomorrow=COLOURS[max(_last(good[:, TOMORROW]), 0)],
        over_power=bool((good[mine, OVER_POWER] == 1).any()),
        clock_degraded=bool((of_own[:, DEGRADED] == 1).any()),
        characters=int(of_own[:, CHARACTERS].sum()),
        bad_characters=int(of_own[:, BAD].sum()),
        rejected_groups=int(of_own[:, REJECTED].sum()),
        discarded_frames=int(of_own[:, DISCARDED].sum()),
        lost_frames=_lost(table, own, len(boots)),
        quarantined=int((own & ~counts).sum()),
    )
    return Folded(row, [(int(table[at, OFFSET]), reason) for at, reason in reasons.items() if own[at]])


def first_in_log(table: Int64s) -> Int64s:
    """The frames of a minute that are used, of all its distinct ones."""
    return table if len(table) <= FRAMES_MAX else table[np.argsort(table[:, OFFSET], kind="stable")[:FRAMES_MAX]]


def _successive(minute_s: int, frames: Facts, before: Facts | None) -> tuple[Int64s, list[str], list[str]]:
    """The frames of both minutes in the order in which they were sent, with one vocabulary; names end with an empty one."""
    parts = [part for part in (before, frames) if part is not None]
    used = [np.unique(part.table[:, BOOT], return_inverse=True) for part in parts]
    theirs = [[part.boots[code] for code in codes.tolist()] for part, (codes, _) in zip(parts, used, strict=True)]
    boots = sorted({boot for some in theirs for boot in some})
    rank = {boot: at for at, boot in enumerate(boots)}
    names: list[str] = []
    tables = []
    for part, some, (_, place) in zip(parts, theirs, used, strict=True):
        table = part.table.copy()
        table[:, BOOT] = np.array([rank[boot] for boot in some], np.int64)[place]
        table[:, NAME] = np.where(table[:, NAME] >= 0, table[:, NAME] + len(names), _ABSENT)
        names += part.names
        tables.append(table)
    table = np.concatenate(tables)
    return table[np.lexsort((table[:, COUNTER], table[:, BOOT], table[:, AT]))], boots, [*names, ""]


def _values(table: Int64s, column: int) -> Int64s:
    found = table[:, column]
    return found[found >= 0]


def _first_of(table: Int64s, columns: Sequence[int]) -> Int64s:
    """Of every frame the first of these labels that it has."""
    found = np.full(len(table), _ABSENT)
    for column in columns:
        found = np.where(found >= 0, found, table[:, column])
    return found[found >= 0]


def _last(column: Int64s) -> int:
    """What was sent last; -1: never. A short frame, which does not send it, erases nothing."""
    at = np.flatnonzero(column >= 0)
    return int(column[at[-1]]) if len(at) else _ABSENT


def _phases(table: Int64s, columns: Sequence[Sequence[int]]) -> list[TicPhase]:
    """Figures of each phase up to the last that was sent."""
    found = [_first_of(table, of_phase) for of_phase in columns]
    while found and not len(found[-1]):
        found.pop()
    return [TicPhase(len(v), int(v.sum()), int(v.min()) if len(v) else None, int(v.max()) if len(v) else None) for v in found]


def _energies(table: Int64s, mine: Bools) -> tuple[list[TicIndex], dict[str, int]]:
    """What each index that the minute's frames sent grew by, from the last value before it where no gap lies between."""
    own = np.flatnonzero(mine)
    if not len(own):
        return [], {}
    gaps = np.flatnonzero(np.diff(table[: own[0] + 1, AT]) > GAP_S)
    stretch = table[gaps[-1] + 1 if len(gaps) else 0 : own[-1] + 1]
    first_own = len(stretch) - len(own)
    contract = contracts_va(stretch)
    contract = np.where(contract < 0, METER_MAX_VA, contract)
    found, energies = [], {}
    for label in WH:
        column = stretch[:, COLUMN[label]]
        at = np.flatnonzero(column >= 0)
        start = int(np.searchsorted(at, first_own))
        if start == len(at):
            continue
        at = at[max(start - 1, 0) :]
        power = np.full(len(at), METER_MAX_VA) if label == "EAIT" else contract[at]
        moved, possible = moves(column[at], stretch[at, AT], power)
        energies[label] = int(moved[possible].sum())
        found.append(TicIndex(label, int(column[at[0]]), int(column[at[-1]]), energies[label]))
    return found, energies


def _drawn(energies: dict[str, int]) -> int:
    if "EAST" in energies:
        return energies["EAST"]
    parts = SUPPLIER if any(label in energies for label in SUPPLIER) else _HISTORIC
    return sum(energies.get(label, 0) for label in parts)


def _covered(table: Int64s, minute_s: int) -> int:
    """The seconds of the minute in which a frame was being sent, as bits."""
    mask = 0
    for at_s, covers in {(int(at_s), int(covers)) for at_s, covers in table[:, [AT, COVERS]].tolist()}:
        start = at_s - minute_s
        bits = (1 << covers) - 1
        mask |= bits << start if start >= 0 else bits >> -start
    return mask & ((1 << MINUTE_S) - 1)


def _lost(table: Int64s, own: Bools, boots: int) -> int:
    """Numbers that the reader gave between frames, each as near as it is known, and that are not there."""
    lost = 0
    for boot in range(boots):
        of_boot = table[:, BOOT] == boot
        order = np.argsort(table[of_boot, COUNTER], kind="stable")
        counter, mine = table[of_boot, COUNTER][order], own[of_boot][order]
        lost += int((np.maximum(counter[1:] - counter[:-1] - 1, 0))[mine[1:]].sum())
    return lost

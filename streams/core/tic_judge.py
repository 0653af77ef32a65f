"""Which frames of a stretch break a rule of `tic_integrity`: all at once when none does, one by one when some do."""

import numpy as np

from schemas.columns import Bools, Int64s
from schemas.tic_facts import AT, COLUMN, FIRST_NUMBER, NUMBERS, STATUS_INDEX
from streams.core.tic_integrity import (
    DRAWN,
    HISTORIC_V,
    METER_MAX_VA,
    OTHERS,
    OVER,
    S_PER_H,
    SLACK_S,
    SUPPLIER,
    Broken,
    Indexes,
    Mark,
    judge,
    possible,
)

_DRAWN = np.array([COLUMN[label] for label in DRAWN])
_OTHERS = np.array([COLUMN[label] for label in OTHERS])
_COLUMNS = {label: COLUMN[label] for label in (*DRAWN, *OTHERS)}
_SUPPLIER = [COLUMN[label] for label in SUPPLIER]
_EAST, _NTARF = COLUMN["EAST"], COLUMN["NTARF"]
_PREF, _PCOUP, _ISOUSC, _IINST1 = (COLUMN[label] for label in ("PREF", "PCOUP", "ISOUSC", "IINST1"))

Reasons = dict[int, str]
"""Why frames do not count, by their place."""


def broken(table: Int64s) -> Reasons:
    """Frames that break a rule, each with its first reason.

    Args:
        table: facts of successive frames, shape (n, FACTS).
    """
    if clean(table):
        return {}
    _, found = one_by_one(Indexes(), table)
    return {at: f"{rules[0].rule}: {rules[0].label} {rules[0].reason}" for at, rules in found.items()}


def one_by_one(known: Indexes, table: Int64s) -> tuple[Indexes, dict[int, list[Broken]]]:
    """`tic_integrity.judge` on successive frames: what is known afterwards, and what those break that break a rule."""
    found: dict[int, list[Broken]] = {}
    for at, row in enumerate(table.tolist()):
        numbers = {label: value for label, value in zip(NUMBERS, row[FIRST_NUMBER:], strict=True) if value >= 0}
        known, rules = judge(known, numbers, row[STATUS_INDEX] if row[STATUS_INDEX] >= 0 else None, row[AT])
        if rules:
            found[at] = rules
    return known, found


def successive(known: Indexes, table: Int64s) -> tuple[Indexes, dict[int, list[Broken]]]:
    """`one_by_one`, quick where no frame breaks a rule."""
    if known.suspect or not len(table) or not clean(table):
        return one_by_one(known, table)
    contract = contracts_va(table)
    trusted = dict(known.trusted)
    for label, column in _COLUMNS.items():
        at = np.flatnonzero(table[:, column] >= 0)
        if not len(at):
            continue
        first, last = at[0], at[-1]
        power = METER_MAX_VA if label in OTHERS or contract[first] < 0 else contract[first]
        mark = Mark(int(table[first, column]), float(table[first, AT]))
        if possible(label, known.trusted.get(label), mark, float(power)) is not None:
            return one_by_one(known, table)
        trusted[label] = Mark(int(table[last, column]), float(table[last, AT]))
    return Indexes(trusted, {}), {}


def contracts_va(table: Int64s) -> Int64s:
    """`tic_integrity.contract_va` of every row; -1 where the frame does not tell."""
    by_pref = np.maximum(np.maximum(table[:, _PREF], 0), table[:, _PCOUP])
    told = (table[:, _PREF] >= 0) | (table[:, _PCOUP] >= 0)
    phases = np.where(table[:, _IINST1] >= 0, 3, 1)
    by_current = np.where(table[:, _ISOUSC] >= 0, table[:, _ISOUSC] * HISTORIC_V * phases, -1)
    return np.where(told, by_pref * 1000, by_current)


def moves(value: Int64s, at_s: Int64s, power_va: Int64s) -> tuple[Int64s, Bools]:
    """What an index moved by from each of its values to the next, and whether it could; shape (n - 1,) each."""
    moved = value[1:] - value[:-1]
    limit = power_va[1:] * OVER * (np.maximum(at_s[1:] - at_s[:-1], 0) + SLACK_S) / S_PER_H + 1
    return moved, (moved >= 0) & (moved <= limit)


def clean(table: Int64s) -> bool:
    """Whether no rule is broken by any frame: then each value is trusted, and the measure of the next."""
    contract = contracts_va(table)
    contract = np.where(contract < 0, METER_MAX_VA, contract)
    meter = np.full(len(table), METER_MAX_VA)
    return (
        _possible(table, _DRAWN, contract)
        and _possible(table, _OTHERS, meter)
        and _sums(table, contract)
        and not ((table[:, STATUS_INDEX] >= 0) & (table[:, _NTARF] >= 0) & (table[:, STATUS_INDEX] != table[:, _NTARF])).any()
    )


def _possible(table: Int64s, columns: Int64s, power_va: Int64s) -> bool:
    values, at_s = table[:, columns], table[:, AT]
    sent = values >= 0
    here = sent.any(axis=0)
    if not here.all():
        values, sent = values[:, here], sent[:, here]
    if not sent.size:
        return True
    rows = np.where(sent, np.arange(len(table))[:, None], -1)
    last = np.maximum.accumulate(rows, axis=0)[:-1]  # the row of each label's last value before rows 1, 2, …
    known = sent[1:] & (last >= 0)
    before = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    moved = values[1:] - before
    elapsed = at_s[1:, None] - at_s[np.maximum(last, 0)]
    limit = power_va[1:, None] * OVER * (np.maximum(elapsed, 0) + SLACK_S) / S_PER_H + 1
    return not (known & ((moved < 0) | (moved > limit))).any()


def _sums(table: Int64s, contract: Int64s) -> bool:
    parts, east = table[:, _SUPPLIER], table[:, _EAST]
    whole = (east >= 0) & (parts >= 0).all(axis=1)
    limit = contract * OVER * SLACK_S / S_PER_H + 1
    return not (whole & (np.abs(parts.sum(axis=1) - east) > limit)).any()

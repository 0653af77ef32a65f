"""Is what a Linky says possible? Rules over successive frames, beyond parity, checksum, digits and length.

A frame that breaks a rule is put aside, not repaired. A value that seems impossible is not the measure of the next ones
until a second frame agrees with it: else one damaged value that got through would condemn all right ones after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.tic_frame import TicFrame

SUPPLIER = tuple(f"EASF{index:02}" for index in range(1, 11))
DRAWN = (
    *("EAST", *SUPPLIER, *(f"EASD{index:02}" for index in range(1, 5))),
    *("BASE", "HCHC", "HCHP", "EJPHN", "EJPHPM", "BBRHCJB", "BBRHPJB", "BBRHCJW", "BBRHPJW", "BBRHCJR", "BBRHPJR"),
)
"""Indexes of energy drawn, in Wh: the contract's power bounds them."""
OTHERS = ("EAIT", "ERQ1", "ERQ2", "ERQ3", "ERQ4")
"""Indexes of energy injected and reactive energy: only the meter's own limit bounds them."""
METER_MAX_VA = 36_000
"""The largest contract a Linky serves."""
OVER = 1.3
"""The breaker lets more than the contract pass for a while."""
SLACK_S = 5
"""A value is up to one frame period old (54E 6.2.1.5), times are whole seconds, and an overload may be short."""
HISTORIC_V = 200
"""ISOUSC = PREF / 200 V (54E 6.1)."""
S_PER_H = 3600


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a frame breaks.

    Attributes:
        rule: index_back, index_slope, sum_easf, tariff.
        label: whose value.
        reason: what came and what was expected.
        amount_wh, limit_wh: by how much an index moved or a sum is off, and the most that is possible.
    """

    rule: str
    label: str
    reason: str
    amount_wh: int = 0
    limit_wh: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """An index and when it was read."""

    value_wh: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Indexes:
    """What is known of one meter's indexes.

    Attributes:
        trusted: the last possible value by label.
        suspect: a value that was not, to be confirmed by the next.
    """

    trusted: Mapping[str, Mark] = field(default_factory=dict)
    suspect: Mapping[str, Mark] = field(default_factory=dict)


def check(before: Indexes, frame: TicFrame, at_s: float) -> tuple[Indexes, list[Broken]]:
    """All rules on one frame.

    Args:
        before: what the frames of this meter before this one told; `Indexes()` at the start.
        frame: the next one.
        at_s: its own time in UTC seconds.

    Returns:
        what is known afterwards, and the broken rules; none for a frame that may count.
    """
    numbers = {one.label: one.value for one in frame.labels if isinstance(one.value, int)}
    return judge(before, numbers, None if frame.status is None else frame.status.supplier_index, at_s)


def judge(before: Indexes, numbers: Mapping[str, int], supplier_index: int | None, at_s: float) -> tuple[Indexes, list[Broken]]:
    """`check` on the numbers of a frame by label, and the index that STGE names (None: not sent)."""
    after, broken = _successive(before, numbers, at_s)
    return after, broken + sum_of_easf(numbers) + tariff(supplier_index, numbers)


def allowed_wh(power_va: float, elapsed_s: float) -> float:
    """How far an index may move: power for the time, and one for what was cut off its last digit."""
    return power_va * OVER * (max(elapsed_s, 0) + SLACK_S) / S_PER_H + 1


def contract_va(numbers: Mapping[str, int]) -> int:
    """The contract's apparent power as the frame tells it; the largest there is when it does not."""
    if "PREF" in numbers or "PCOUP" in numbers:
        return 1000 * max(numbers.get("PREF", 0), numbers.get("PCOUP", 0))
    phases = 3 if "IINST1" in numbers else 1
    return numbers["ISOUSC"] * HISTORIC_V * phases if "ISOUSC" in numbers else METER_MAX_VA


def sum_of_easf(numbers: Mapping[str, int]) -> list[Broken]:
    """The ten supplier indexes add up to EAST, but for what is drawn while the frame is sent."""
    if not all(label in numbers for label in ("EAST", *SUPPLIER)):
        return []
    total, east = sum(numbers[label] for label in SUPPLIER), numbers["EAST"]
    limit = allowed_wh(contract_va(numbers), 0)
    if abs(total - east) <= limit:
        return []
    reason = f"EAST is {east} Wh and EASF01 to EASF10 add up to {total} Wh; expected the same"
    return [Broken("sum_easf", "EAST", reason, total - east, int(limit))]


def tariff(supplier_index: int | None, numbers: Mapping[str, int]) -> list[Broken]:
    """NTARF is the index that STGE names (54E 6.2.3.14)."""
    if supplier_index is None or "NTARF" not in numbers or numbers["NTARF"] == supplier_index:
        return []
    reason = f"NTARF is {numbers['NTARF']} and STGE says index {supplier_index}; expected the same"
    return [Broken("tariff", "NTARF", reason)]


def _successive(before: Indexes, numbers: Mapping[str, int], at_s: float) -> tuple[Indexes, list[Broken]]:
    trusted, suspect, broken = dict(before.trusted), dict(before.suspect), []
    contract = contract_va(numbers)
    for label, power_va in [*((label, contract) for label in DRAWN), *((label, METER_MAX_VA) for label in OTHERS)]:
        if label not in numbers:
            continue
        mark = Mark(numbers[label], at_s)
        wrong = possible(label, trusted.get(label), mark, power_va)
        claimed = suspect.pop(label, None)
        if wrong is None or (claimed is not None and possible(label, claimed, mark, power_va) is None):
            trusted[label] = mark
            continue
        suspect[label] = mark
        broken.append(wrong)
    return Indexes(trusted, suspect), broken


def possible(label: str, last: Mark | None, mark: Mark, power_va: float) -> Broken | None:
    """What is wrong when an index has this value after that one; None: nothing."""
    if last is None:
        return None
    moved, elapsed_s = mark.value_wh - last.value_wh, mark.at_s - last.at_s
    limit = allowed_wh(power_va, elapsed_s)
    if moved < 0:
        reason = f"{mark.value_wh} came after {last.value_wh}; expected an index that never falls"
        return Broken("index_back", label, reason, moved, int(limit))
    if moved > limit:
        reason = f"grew by {moved} in {elapsed_s:.0f} s; expected at most {limit:.0f}, as {power_va:.0f} VA give"
        return Broken("index_slope", label, reason, moved, int(limit))
    return None

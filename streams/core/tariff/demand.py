"""Billing demand: one quarter-hour may cost for a year."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from streams.core.tariff.document import Document

Month = tuple[int, int]
"""Year and month."""


@dataclass(frozen=True, slots=True)
class BillingDemand:
    """What the base fee is asked for.

    Attributes:
        kw: the greatest of what counts.
        of: the month it comes from; None: it is the share of contract power that is asked for at least, or contract power.
        missing: months that count and of which nothing is known.
    """

    kw: Fraction
    of: Month | None
    missing: tuple[Month, ...]


def counting(rule: Document, month: Month) -> list[Month]:
    """The months whose peaks count for the bill of a month, the oldest first."""
    year, number = month
    ordinal = year * 12 + number - 1
    window = [divmod(at, 12) for at in range(ordinal - int(rule["window_months"]) + 1, ordinal + 1)]
    months = [(y, m + 1) for y, m in window]
    return [one for one in months if one[1] in rule["months"] or (one == month and rule["plus_current_month"])]


def billing_demand(rule: Document, month: Month, peaks_kw: Mapping[Month, Fraction], contract_kw: Fraction) -> BillingDemand:
    """The largest quarter-hour among the months that count, and not under a share of contract power.

    Args:
        rule: `demand` of the tariff's document.
        peaks_kw: of each month of which something is known, the largest mean of a quarter-hour outside light-load hours.
        contract_kw: 0: not known.
    """
    months = counting(rule, month)
    known = {one: peaks_kw[one] for one in months if one in peaks_kw}
    missing = tuple(one for one in months if one not in known)
    floor = contract_kw * Fraction(rule["floor_share_of_contract"])
    best = max(known, key=lambda one: (known[one], one), default=None)
    if best is None or known[best] < floor:
        return BillingDemand(floor, None, missing)
    return BillingDemand(known[best], best, missing)

"""A bill, and how its amounts are rounded: each line to a hundredth, half up, so that the lines add up on paper."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from schemas.units import MWS_PER_KWH, UNITS

Hours = Mapping[tuple[date, int], int]
"""Energy by local day and hour (0..23), in mW s / UNITS. An hour that the clock goes through twice is one."""

KWH = UNITS * MWS_PER_KWH
"""mW s / UNITS in a kWh."""

HUNDREDTH = Decimal("0.01")


class NoPrice(Exception):
    """The tariff does not say what is needed; the sentence tells what and what to do."""


class Sentence(str):
    """English that can be said in another language: it keeps what it was made of.

    Attributes:
        code: stable, for programs.
        message: the sentence with {names} in it.
        values: what stands for them.
    """

    code: str
    message: str
    values: Mapping[str, str | int]

    def __new__(cls, code: str, message: str, **values: str | int) -> "Sentence":
        made = super().__new__(cls, message.format(**values))
        made.code, made.message, made.values = code, message, values
        return made


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill.

    Attributes:
        kind: base, energy, discount, climate, fuel, power_factor, subscription, vat or fund.
        text: for people; its code is the kind, or begins with it.
        quantity: in `unit`; None where there is none.
        unit: kWh, kW, % or empty.
        price: of one unit.
        amount: in the bill's currency.
        band, season, since: of energy: which price it is, and the first day of its version.
        estimate: whether it is made of something that is not metered as the supplier meters it.
    """

    kind: str
    text: Sentence
    quantity: Decimal | None
    unit: str
    price: Decimal | None
    amount: Decimal
    band: str = ""
    season: str = ""
    since: str = ""
    estimate: bool = False


@dataclass(frozen=True, slots=True)
class Bill:
    """What a span costs.

    Attributes:
        lines: all that is added, taxes last.
        charge: the sum before taxes.
        total: what is to be paid.
        notes: what somebody should know before money depends on it.
    """

    currency: str
    lines: tuple[Line, ...]
    charge: Decimal
    total: Decimal
    notes: tuple[Sentence, ...] = ()

    def sum(self, kind: str) -> Decimal:
        """The amounts of one kind together."""
        return sum((line.amount for line in self.lines if line.kind == kind), Decimal(0))


def kwh(units: int) -> Fraction:
    """mW s / UNITS in kWh."""
    return Fraction(units, KWH)


def rounded(value: Fraction | Decimal | int, step: Decimal = HUNDREDTH) -> Decimal:
    """The nearest multiple of a step, halves away from zero.

    Args:
        step: a power of ten.
    """
    exact = Fraction(value) / Fraction(step)
    whole = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return (Decimal(whole if exact >= 0 else -whole) * step).quantize(step, ROUND_HALF_UP)


def cut(value: Fraction | Decimal, step: int) -> Decimal:
    """The multiple of a step next to it in the direction of zero."""
    exact = Fraction(value) / step
    whole = abs(exact.numerator) // exact.denominator
    return Decimal((whole if exact >= 0 else -whole) * step)


def total(lines: Iterable[Line]) -> Decimal:
    return sum((line.amount for line in lines), Decimal(0))

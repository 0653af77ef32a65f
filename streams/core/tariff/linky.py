"""The French tariff by a Linky's own indexes: the meter splits the energy itself. Shape: streams/tariffs/linky.json."""

import calendar
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from streams.core.tariff.bill import Bill, Line, NoPrice, Sentence, rounded, total
from streams.core.tariff.document import Document, decimal

Indexes = Mapping[tuple[date, int], int]
"""Wh drawn by local day and number of the index, 1 to 10."""

_QUANTITY = Decimal("0.001")
_PREVIOUS = {"base": {"1": "base"}, "hchp": {"1": "hc", "2": "hp"}}
_VAT = Decimal("1.2")
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a document.

    Attributes:
        kva: of the contract; None: not known.

    Raises:
        NoPrice: the document has no such option.
    """

    document: Document
    name: str
    kva: Decimal | None = None

    def __post_init__(self) -> None:
        if self.name not in self.document["options"]:
            raise NoPrice(f"the tariff has no option {self.name}; expected one of {', '.join(self.document['options'])}")

    @property
    def zone(self) -> str:
        return str(self.document["timezone"])

    @property
    def currency(self) -> str:
        return str(self.document["currency"])

    @property
    def indexes(self) -> dict[int, str]:
        """The name of each index, by its number."""
        return {int(number): str(one["name"]) for number, one in self.document["options"][self.name]["indexes"].items()}

    def index_of(self, label: str) -> int | None:
        """The number of the index that a label of the meter counts; None for one of another option."""
        for number, one in self.document["options"][self.name]["indexes"].items():
            if label in (one["label"], one.get("historic")):
                return int(number)
        return None

    def price(self, index: int, day: date) -> Decimal:
        """Euros per kWh, taxes in.

        Raises:
            NoPrice: the option has no such index, or had no known price that day.
        """
        one = self.document["options"][self.name]["indexes"].get(str(index))
        if one is None:
            raise NoPrice(f"option {self.name} has no index {index}; name it in a tariff of your own: `powermon tariffs put`")
        text = day.isoformat()
        if text >= self.document["as_of"]:
            return self._of_power(one["eur_per_kwh"])
        earlier = [past for past in self.document.get("previous", ()) if past["as_of"] <= text]
        name = _PREVIOUS.get(self.name, {}).get(str(index), "")
        if earlier and name in (newest := max(earlier, key=lambda past: str(past["as_of"]))):
            return decimal(newest[name])
        raise NoPrice(
            f"the price of index {index} of option {self.name} on {text} is not known; the first is of {self.document['as_of']}; "
            "`powermon tariffs put` adds an earlier one"
        )

    def subscription(self) -> Decimal | None:
        """Euros a year before tax; None: not known for this power."""
        found = self.document.get("subscription_eur_per_year_before_tax", {})
        tables = [table for key, table in found.items() if key.endswith("_by_kva") and self.name in key.split("_")]
        if self.kva is None or not tables:
            return None
        price = tables[0].get(f"{self.kva.normalize():f}")
        return None if price is None else decimal(price)

    def _of_power(self, price: object) -> Decimal:
        if not isinstance(price, dict):
            return decimal(price)
        for span, one in price.items():
            low, _, high = str(span).removesuffix(" kVA").partition("-")
            if self.kva is not None and Decimal(low) <= self.kva <= Decimal(high):
                return decimal(one)
        came = "an unknown contract power" if self.kva is None else f"{self.kva} kVA"
        raise NoPrice(f"{came} came; the price depends on it: {', '.join(price)}; set the meter's contracted power")


OptionOn = Callable[[date], Option]


def bill(option_on: OptionOn, last_day: date, drawn: Indexes, *, subscribed: bool = True) -> Bill:
    """What was drawn costs, with a month's subscription: one line for each that held in the month, by its share of the days.

    Args:
        last_day: of the span.
        drawn: in the span.
        subscribed: False: energy alone; True: the span is the month of its last day.

    Raises:
        NoPrice: the tariff does not say what an index costs.
    """
    used: dict[tuple[int, str, Decimal], int] = defaultdict(int)
    for (day, index), wh in sorted(drawn.items()):
        if wh:
            option = option_on(day)
            used[index, option.indexes.get(index, f"index {index}"), option.price(index, day)] += wh
    option = option_on(last_day)
    lines = [
        Line(
            "energy",
            Sentence("energy_index", "energy, {index}", index=name),
            rounded(Fraction(wh, 1000), _QUANTITY),
            "kWh",
            price,
            rounded(Fraction(wh, 1000) * Fraction(price)),
            band=str(index),
        )
        for (index, name, price), wh in sorted(used.items())
    ]
    notes = [Sentence("taxes_in", "prices have all taxes in")]
    if subscribed:
        fees, told = _subscriptions(option_on, last_day)
        lines += fees
        notes += told
    charge = total(lines)
    return Bill(option.currency, tuple(lines), charge, charge, tuple(notes))


def _subscriptions(option_on: OptionOn, last_day: date) -> tuple[list[Line], list[Sentence]]:
    days = [last_day.replace(day=number) for number in range(1, calendar.monthrange(last_day.year, last_day.month)[1] + 1)]
    prices: dict[Decimal | None, int] = defaultdict(int)
    for day in days:
        prices[option_on(day).subscription()] += 1
    lines, notes = [], []
    for year, count in prices.items():
        if year is None:
            notes.append(
                Sentence(
                    "no_subscription", "without the subscription: the tariff does not say what it is for this option and power"
                )
            )
            continue
        text = Sentence("subscription", "subscription, a month with VAT")
        if len(prices) > 1:
            text = Sentence("subscription_days", "subscription with VAT, {days} of {of} days", days=count, of=len(days))
        amount = rounded(Fraction(year) * Fraction(_VAT) / MONTHS * Fraction(count, len(days)))
        lines.append(Line("subscription", text, None, "", None, amount))
    if lines:
        notes.append(Sentence("no_cta", "the CTA levy on the subscription is not in it"))
    return lines, notes

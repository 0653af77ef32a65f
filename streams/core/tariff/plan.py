"""What a sensor is billed by: the name of a tariff, and which of its prices."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from streams.core.tariff.bill import NoPrice
from streams.core.tariff.document import KEPCO, LINKY, Document, read
from streams.core.tariff.kepco import Contract, contracts
from streams.core.tariff.linky import Option

TextOn = Callable[[str, str], str | None]
"""The text of a tariff (its id) on a day (YYYY-MM-DD); None: there is none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """As `kepco/industrial_b/high_a/II` or `linky/hchp`.

    Attributes:
        kva: contracted power, in kVA of a Linky and in kW of others; None: not known.
    """

    name: str
    text_on: TextOn
    kva: Decimal | None = None

    @property
    def tariff_id(self) -> str:
        return self.name.partition("/")[0]

    def schema(self, day: date) -> str:
        """KEPCO or LINKY.

        Raises:
            NoPrice: there is no such tariff, or bills cannot be made of it.
        """
        return schema_of(self._document(day), self.tariff_id)

    def contract(self, day: date) -> Contract:
        """What holds on a day, of a tariff of the Korean shape.

        Raises:
            NoPrice: there is no such tariff, class, voltage or option.
        """
        _, *rest = self.name.split("/")
        if len(rest) != 3:
            raise NoPrice(f"{self.name} came; expected {self.tariff_id}/CLASS/VOLTAGE/OPTION, as kepco/general_b/high_a/I")
        return Contract(self._document(day), *rest)

    def option(self, day: date) -> Option:
        """What holds on a day, of a tariff of the French shape.

        Raises:
            NoPrice: there is no such tariff or option.
        """
        _, *rest = self.name.split("/")
        if len(rest) != 1:
            raise NoPrice(f"{self.name} came; expected {self.tariff_id}/OPTION, as linky/base")
        return Option(self._document(day), rest[0], self.kva)

    def _document(self, day: date) -> Document:
        text = self.text_on(self.tariff_id, day.isoformat())
        if text is None:
            raise NoPrice(
                f"there is no tariff {self.tariff_id} on {day.isoformat()}; `powermon tariffs list` shows those there are"
            )
        return read(text)


@dataclass(frozen=True, slots=True)
class DatedPlans:
    """What a sensor is billed by, day by day.

    Attributes:
        parts: (first day as YYYY-MM-DD, plan), oldest first; the first day of the first is empty: since ever.
        nothing: what to say of a day for which no plan is named.
    """

    parts: tuple[tuple[str, Plan], ...]
    nothing: str = "no plan is named for this day"

    @property
    def name(self) -> str:
        """Of the newest."""
        return self.parts[-1][1].name

    def on(self, day: date) -> Plan:
        """The plan of a day.

        Raises:
            NoPrice: none is named.
        """
        found = next(plan for since, plan in reversed(self.parts) if since <= day.isoformat())
        if not found.name:
            raise NoPrice(self.nothing)
        return found

    def changes(self, first: date, last: date) -> list[date]:
        """The days in a span, its first apart, from which on another plan or contracted power holds."""
        days = [date.fromisoformat(since) for since, _ in self.parts if since]
        return [day for day in days if first < day <= last]

    def schema(self, day: date) -> str:
        """As Plan."""
        return self.on(day).schema(day)

    def contract(self, day: date) -> Contract:
        """As Plan."""
        return self.on(day).contract(day)

    def option(self, day: date) -> Option:
        """As Plan."""
        return self.on(day).option(day)


def schema_of(document: Document, tariff_id: str) -> str:
    """KEPCO or LINKY.

    Raises:
        NoPrice: the document has another shape.
    """
    found = document.get("schema")
    if found not in (KEPCO, LINKY):
        raise NoPrice(f"tariff {tariff_id} has the schema {found!r}; bills are made of {KEPCO} and {LINKY}")
    return str(found)


def plans(tariff_id: str, text: str) -> list[str]:
    """The names of all plans of a document; none of a shape that bills are not made of."""
    document = read(text)
    if document.get("schema") == KEPCO:
        return ["/".join((tariff_id, *one)) for one in contracts(document)]
    if document.get("schema") == LINKY:
        return [f"{tariff_id}/{name}" for name in sorted(document["options"])]
    return []

"""Whether bills can be made of a document: told when it is put, not when the month is over."""

from datetime import date, timedelta
from fractions import Fraction

from streams.core.tariff.bill import NoPrice
from streams.core.tariff.demand import billing_demand
from streams.core.tariff.document import KEPCO, LINKY, Document, decimal, read
from streams.core.tariff.kepco import Contract

_YEAR = 365
_STEP = 5
"""Days between those that are tried: every month and every day of the week comes."""


def fault(text: str) -> str | None:
    """What is wrong with a document of one of the shapes that bills are made of; None: nothing, or it has another shape."""
    document = read(text)
    shapes = {KEPCO: _kepco, LINKY: _linky}
    shape = str(document.get("schema"))
    if shape not in shapes:
        return None
    try:
        shapes[shape](document)
    except NoPrice as error:
        return str(error)
    except (KeyError, IndexError, StopIteration) as error:
        return f"a {shape} document lacks {str(error) or 'a month in its seasons'}"
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        return f"a {shape} document has a member of another kind than expected: {error}"
    return None


def _kepco(document: Document) -> None:
    for klass, one in document["classes"].items():
        for version in one["versions"]:
            first = date.fromisoformat(version["from"])
            end = date.fromisoformat(version["to"]) if version["to"] else first + timedelta(_YEAR)
            days = [first + timedelta(d) for d in range(0, min((end - first).days + 1, _YEAR), _STEP)]
            for voltage, options in version["rates"].items():
                for option in options:
                    contract = Contract(document, klass, voltage, option)
                    for day in days:
                        contract.rates(day), contract.base(day)
                        contract.demand_hours(day)
                        contract.fund_rate(day)
    contract.vat_rate(), contract.power_factor_rule()["lagging_standard"]
    billing_demand(document["demand"], (2026, 1), {}, Fraction(1))


def _linky(document: Document) -> None:
    date.fromisoformat(document["as_of"])
    str(document["timezone"]), str(document["currency"])
    for name, option in document["options"].items():
        for number, one in option["indexes"].items():
            prices = one["eur_per_kwh"]
            for price in prices.values() if isinstance(prices, dict) else [prices]:
                decimal(price)
            if not 1 <= int(number) <= 10:
                raise ValueError(f"index {number} of option {name}; expected 1 to 10")
            str(one["name"]), str(one["label"])

"""Bills as a page shows them. Pure; amounts in the bill's currency."""

from collections.abc import Mapping, Sequence
from typing import Any

from web.view.energy import band_name, colour, order
from web.view.period_words import number
from web.view.say import Number, Text, joined, say

Row = Mapping[str, Any]

_DIGITS = {"KRW": 0}
_SIGNS = {"KRW": "₩", "EUR": "€"}
KINDS = {
    "base": say("Base fee"),
    "energy": say("Energy"),
    "discount": say("Discounts"),
    "climate": say("Climate levy"),
    "fuel": say("Fuel cost adjustment"),
    "power_factor": say("Power factor"),
    "subscription": say("Subscription"),
    "excise": say("Excise"),
    "vat": say("Value added tax"),
    "fund": say("Fund"),
}


def money(amount: float | None, currency: str) -> Text:
    """An amount with its currency: won without decimals, euros with two."""
    if amount is None:
        return number(None)
    figure = number(abs(round(amount, 2)), _DIGITS.get(currency, 2))
    sign = _SIGNS.get(currency, currency)
    minus = "\u2212" if figure.strip("0.") and amount < 0 else ""
    return joined("", [minus, sign, figure]) if currency == "KRW" else joined("", [minus, figure, "\u00a0", sign])


def told(one: Row) -> dict[str, Any]:
    """What a span cost, its bands in order with their share of the energy."""
    bands = sorted(one["by_band"], key=lambda row: order(row["band"]))
    whole = sum(max(0.0, row["kwh"]) for row in bands)
    return {
        **one,
        "kwh": sum(row["kwh"] for row in bands),
        "bands": [
            {
                **row,
                "name": band_name(row["band"]) if row["band"] else say("Energy"),
                "colour": colour(row["band"]),
                "share": row["kwh"] / whole if whole else None,
                "width": f"{100 * max(0.0, row['kwh']) / whole if whole else 0:.2f}",
            }
            for row in bands
        ],
    }


def beside(day: dict[str, Any] | None, other: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Two spans as `told` by band: every band of either, in order, with its row of each, None where it has none."""
    rows = [{row["band"]: row for row in one["bands"]} if one else {} for one in (day, other)]
    bands = sorted(rows[0].keys() | rows[1].keys(), key=order)
    return [{"any": rows[0].get(band) or rows[1][band], "day": rows[0].get(band), "other": rows[1].get(band)} for band in bands]


def bill(one: Row, lines: Sequence[Row]) -> dict[str, Any]:
    """A bill with its lines, and the sums by kind of line."""
    sums: dict[str, float] = {}
    for line in lines:
        sums[line["kind"]] = sums.get(line["kind"], 0.0) + line["amount"]
    return {
        **told(one),
        "lines": [
            {
                **line,
                "quantity_text": None if line["quantity"] is None else joined("\u00a0", [number(line["quantity"]), line["unit"]]),
                "price_text": None if line["price"] is None else Number(f"{line['price']:,}".replace(",", "\u202f")),
            }
            for line in lines
        ],
        "sums": sums,
    }


def difference(mine: Row | None, other: Row | None) -> dict[str, Any] | None:
    """What another plan would have cost more or less, and by which kinds of line; None: there are not two to compare."""
    if mine is None or other is None or mine["currency"] != other["currency"]:
        return None
    amount = round(other["total"] - mine["total"], 2)
    kinds = [kind for kind in KINDS if kind in mine["sums"] or kind in other["sums"]]
    kinds += sorted((mine["sums"].keys() | other["sums"].keys()) - KINDS.keys())
    rows = [
        {"name": KINDS.get(kind, Text(kind)), "mine": mine["sums"].get(kind, 0.0), "other": other["sums"].get(kind, 0.0)}
        for kind in kinds
    ]
    return {
        "amount": amount,
        "more": amount > 0,
        "share": abs(amount) / abs(mine["total"]) if mine["total"] else None,
        "rows": rows,
    }

"""Bills as a page shows them. Pure; amounts in the bill's currency."""

from collections.abc import Mapping, Sequence
from typing import Any

from streams.core.tariff.bill import Sentence
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


WORDS = {
    **{f"{band} load": band_name(band) for band in ("light", "mid", "peak")},
    "all load": say("any hour"),
    "summer": say("summer"),
    "winter": say("winter"),
    "spring/fall": say("spring/fall"),
    "all hours": say("all hours"),
    "off-peak (heures creuses)": say("off-peak"),
    "peak (heures pleines)": say("peak"),
    "normal hours": say("normal hours"),
    "mobile peak hours": say("mobile peak"),
    "blue off-peak": say("blue off-peak"),
    "blue peak": say("blue peak"),
    "white off-peak": say("white off-peak"),
    "white peak": say("white peak"),
    "red off-peak": say("red off-peak"),
    "red peak": say("red peak"),
}
"""What stands in a bill's sentences."""

SENTENCES = (
    say("energy, {band}, {season}", band="", season=""),
    say("discount, {band}, {season}", band="", season=""),
    say("energy, {index}", index=""),
    say("base fee"),
    say("base fee, {days} of {of} days", days="", of=""),
    say("climate and environment fee"),
    say("fuel cost adjustment"),
    say("power factor, standard {percent} %", percent=""),
    say("value-added tax"),
    say("electricity industry fund"),
    say("subscription, a month with VAT"),
    say("subscription with VAT, {days} of {of} days", days="", of=""),
    say("energy alone: a month has its base fee besides"),
    say("from {day} on: {plan}, contracted power {power} kW", day="", plan="", power=""),
    say("the tariff lists no holidays of {year}: they count as weekdays", year=""),
    say("the base fee is for the least share of contract power that is asked for"),
    say("nothing was measured in {months}, whose peaks count too", months=""),
    say("the power factor is an estimate from its mean amount between 8 and 22 h; the sensor does not tell its sign"),
    say("prices have all taxes in"),
    say("without the subscription: the tariff does not say what it is for this option and power"),
    say("the CTA levy on the subscription is not in it"),
    say("sensor {sensor} has no tariff; name one, or set it: {command}", sensor="", command=""),
    say("the base fee of {plan} is by contract power; set it: {command}", plan="", command=""),
)
"""What bills say, for the catalogs of messages: a bill is made where nothing is known of languages."""


def words(said: str) -> Text:
    """A sentence of a bill, to be said in the reader's language."""
    if not isinstance(said, Sentence):
        return Text(said)
    return say(
        said.message,
        **{name: WORDS.get(value, value) if isinstance(value, str) else value for name, value in said.values.items()},
    )


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
        "notes": [words(note) for note in one["notes"]],
        "lines": [
            {
                **line,
                "text": words(line["text"]),
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

"""A bill of the Korean tariff: base fee, energy by band, power factor, levies, taxes."""

import calendar
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from streams.core.tariff.bill import Bill, Hours, Line, Sentence, cut, kwh, rounded, total
from streams.core.tariff.demand import BillingDemand
from streams.core.tariff.document import decimal
from streams.core.tariff.kepco import Contract, Rate

ContractOn = Callable[[date], Contract]
"""The contract as the tariff has it on a day; documents, and what a sensor is billed by, may change within a month."""

DemandOn = Callable[[date], BillingDemand]
"""What the base fee of a day is asked for."""

ENERGY, DISCOUNT = "energy, {band}, {season}", "discount, {band}, {season}"
ALONE = Sentence("energy_alone", "energy alone: a month has its base fee besides")

WON = Decimal(1)
_QUANTITY = Decimal("0.001")


def month_bill(contract_on: ContractOn, month: date, hours: Hours, demand_on: DemandOn, pf_pct: Fraction | None = None) -> Bill:
    """The bill of a month.

    Args:
        month: its first day.
        hours: energy drawn in the month.
        demand_on: what a day's share of the base fee is for; contract power where the class has no demand meter.
        pf_pct: mean of the day hours' power factor, 0 to 100; None: not known, then it costs and saves nothing.

    Raises:
        NoPrice: the tariff does not say what a day or kW costs.
    """
    days = [month + timedelta(d) for d in range(calendar.monthrange(month.year, month.month)[1])]
    last = contract_on(days[-1])
    base, notes = _base_lines(contract_on, days, demand_on), _notes(contract_on, days, demand_on, pf_pct)
    lines = [*(line for line, _ in base), *_energy_lines(contract_on, hours)]
    judged = [(line, contract) for line, contract in base if contract.high_voltage]
    if pf_pct is not None and judged:
        lines.append(_power_factor(judged[-1][1], pf_pct, total(line for line, _ in judged)))
    return taxed(last, days[-1], lines, tuple(notes))


def running_cost(contract_on: ContractOn, day: date, hours: Hours) -> Bill:
    """What energy alone cost in some days, with taxes: no base fee, no power factor.

    Args:
        day: the last of them, whose taxes hold.
    """
    return taxed(contract_on(day), day, _energy_lines(contract_on, hours), (ALONE,))


def taxed(contract: Contract, day: date, lines: list[Line], notes: tuple[Sentence, ...]) -> Bill:
    """The bill of these lines."""
    charge = total(lines)
    vat_rate, fund_rate = contract.vat_rate(), contract.fund_rate(day)
    vat = rounded(Fraction(charge) * Fraction(vat_rate), WON)
    fund = cut(Fraction(charge) * Fraction(fund_rate), 10)
    taxes = (
        Line("vat", Sentence("vat", "value-added tax"), _percent(vat_rate), "%", None, vat),
        Line("fund", Sentence("fund", "electricity industry fund"), _percent(fund_rate), "%", None, fund),
    )
    return Bill(contract.currency, (*lines, *taxes), charge, cut(charge + vat + fund, 10), notes)


def _base_lines(contract_on: ContractOn, days: list[date], demand_on: DemandOn) -> list[tuple[Line, Contract]]:
    """One line for each price that a kW had in the month and each demand it was asked for, by its share of the days."""
    parts: dict[tuple[Decimal, Fraction, bool], list[date]] = defaultdict(list)
    for day in days:
        contract = contract_on(day)
        parts[contract.base(day), demand_on(day).kw, contract.high_voltage].append(day)
    whole = Sentence("base", "base fee")
    return [
        (
            Line(
                "base",
                whole if len(parts) == 1 else Sentence("base_days", "base fee, {days} of {of} days", days=len(of), of=len(days)),
                rounded(kw, _QUANTITY),
                "kW",
                price,
                rounded(kw * Fraction(price) * Fraction(len(of), len(days))),
                since=contract_on(of[0]).since(of[0]),
            ),
            contract_on(of[-1]),
        )
        for (price, kw, _), of in parts.items()
    ]


def _energy_lines(contract_on: ContractOn, hours: Hours) -> list[Line]:
    by_rate: dict[Rate, int] = defaultdict(int)
    rates = {day: contract_on(day).rates(day) for day in {day for day, _ in hours}}
    for (day, hour), units in sorted(hours.items()):
        by_rate[rates[day][hour]] += units
    return [*_used(by_rate), *_discounts(by_rate), *_levy(by_rate, "climate"), *_levy(by_rate, "fuel")]


def _used(by_rate: dict[Rate, int]) -> list[Line]:
    """A discount does not part them: it is a line of its own."""
    merged: dict[tuple[str, str, str, Decimal], int] = defaultdict(int)
    for rate, units in by_rate.items():
        merged[rate.since, rate.season, rate.band, rate.price] += units
    return [
        _line("energy", _of_band("energy", ENERGY, band, season), units, price, band, season, since)
        for (since, season, band, price), units in sorted(merged.items())
    ]


def _discounts(by_rate: dict[Rate, int]) -> list[Line]:
    merged: dict[tuple[str, str, str, Decimal], int] = defaultdict(int)
    for rate, units in by_rate.items():
        if rate.discount:
            merged[rate.since, rate.season, rate.band, -rate.price * rate.discount] += units
    return [
        _line("discount", _of_band("discount", DISCOUNT, band, season), units, price, band, season, since)
        for (since, season, band, price), units in sorted(merged.items())
    ]


def _levy(by_rate: dict[Rate, int], kind: str) -> list[Line]:
    text = Sentence(kind, {"climate": "climate and environment fee", "fuel": "fuel cost adjustment"}[kind])
    merged: dict[Decimal, int] = defaultdict(int)
    for rate, units in by_rate.items():
        merged[rate.climate if kind == "climate" else rate.fuel] += units
    return [_line(kind, text, units, price) for price, units in sorted(merged.items())]


def _of_band(code: str, message: str, band: str, season: str) -> Sentence:
    return Sentence(code, message, band=f"{band} load", season=season.replace("_", "/"))


def _line(kind: str, text: Sentence, units: int, price: Decimal, band: str = "", season: str = "", since: str = "") -> Line:
    energy = kwh(units)
    return Line(kind, text, rounded(energy, _QUANTITY), "kWh", price, rounded(energy * Fraction(price)), band, season, since)


def _power_factor(contract: Contract, pf_pct: Fraction, base: Decimal) -> Line:
    """Percents, whole, that the power factor lacks; below the standard they cost, above it they save."""
    rule = contract.power_factor_rule()
    found = rounded(pf_pct, Decimal(1))
    lacks = rule["lagging_standard"] - min(max(found, Decimal(rule["lagging_floor"])), Decimal(rule["lagging_rebate_cap"]))
    share = Fraction(decimal(contract.document["power_factor"]["per_percent_of_base_fee"])) * Fraction(lacks)
    text = Sentence("power_factor", "power factor, standard {percent} %", percent=rule["lagging_standard"])
    return Line("power_factor", text, found, "%", None, rounded(share * Fraction(base)), estimate=True)


def _notes(contract_on: ContractOn, days: list[date], demand_on: DemandOn, pf_pct: Fraction | None) -> list[Sentence]:
    found: list[Sentence] = []
    last = contract_on(days[-1])
    if not last.holidays_known(days[-1]):
        message = "the tariff lists no holidays of {year}: they count as weekdays"
        found.append(Sentence("no_holidays", message, year=str(days[-1].year)))
    for day in days:
        if contract_on(day).on_contract:
            continue
        demand = demand_on(day)
        if demand.of is None:
            found.append(Sentence("least_demand", "the base fee is for the least share of contract power that is asked for"))
        if demand.missing:
            months = ", ".join(f"{y}-{m:02}" for y, m in demand.missing)
            found.append(Sentence("missing_peaks", "nothing was measured in {months}, whose peaks count too", months=months))
    if pf_pct is not None and any(contract_on(day).high_voltage for day in days):
        message = "the power factor is an estimate from its mean amount between 8 and 22 h; the sensor does not tell its sign"
        found.append(Sentence("power_factor_estimate", message))
    return list(dict.fromkeys(found))


def _percent(rate: Decimal) -> Decimal:
    return (rate * 100).normalize()

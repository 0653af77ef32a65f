"""Bills: the worked examples to the won, and each rule of the tariffs by itself."""

import calendar
import json
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import tariffs
from streams.core.tariff import kepco_bill, linky
from streams.core.tariff.bill import KWH, Hours, NoPrice, cut, rounded
from streams.core.tariff.check import fault
from streams.core.tariff.demand import BillingDemand, billing_demand, counting
from streams.core.tariff.document import read
from streams.core.tariff.kepco import Contract, contracts
from streams.core.tariff.linky import Option
from streams.core.tariff.plan import Plan, plans
from web.language import catalog, language
from web.view import cost

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "golden" / "tariff" / "examples.json").read_text())[
    "examples"
]
KEPCO, LINKY = read(tariffs.text("kepco")), read(tariffs.text("linky"))
RULE = KEPCO["demand"]


def days(month: date) -> list[date]:
    return [month + timedelta(d) for d in range(calendar.monthrange(month.year, month.month)[1])]


def constant(month: date, kw: int) -> Hours:
    return {(day, hour): kw * KWH for day in days(month) for hour in range(24)}


def contract(name: str) -> Contract:
    return Contract(KEPCO, *name.split("/"))


def demand(kw: int) -> BillingDemand:
    return BillingDemand(Fraction(kw), (2026, 1), ())


@pytest.mark.parametrize("worked", [pytest.param(e, id=f"{e['class']}-{e['option']}-{e['month']}") for e in EXAMPLES])
def test_a_worked_bill_is_the_same_to_the_won(worked: dict[str, Any]) -> None:
    found = contract(f"{worked['class']}/{worked['voltage']}/{worked['option']}")
    month, kw = date.fromisoformat(f"{worked['month']}-01"), worked["uniform_kw"]
    peaks = {(month.year, month.month): Fraction(kw)}
    billed = billing_demand(RULE, (month.year, month.month), peaks, Fraction(kw))
    bill = kepco_bill.month_bill(lambda _: found, month, constant(month, kw), lambda _: billed)

    by_band: dict[str, Decimal] = defaultdict(Decimal)
    for line in bill.lines:
        if line.kind == "energy" and line.quantity is not None:
            by_band[line.band] += line.quantity
    assert by_band == worked["kwh"]
    for kind in ("base", "energy", "climate", "fuel", "power_factor", "vat", "fund"):
        assert bill.sum(kind) == Decimal(str(worked[kind])), kind
    assert -bill.sum("discount") == Decimal(str(worked["discount"]))
    assert (bill.charge, bill.total) == (Decimal(str(worked["charge"])), worked["total"])
    assert bill.charge == sum(line.amount for line in bill.lines if line.kind not in ("vat", "fund"))


def test_a_month_that_spans_two_versions_names_both() -> None:
    month = date(2026, 4, 1)
    found = contract("industrial_b/high_a/II")
    bill = kepco_bill.month_bill(lambda _: found, month, constant(month, 100), lambda _: demand(100))
    assert {line.since for line in bill.lines if line.kind == "energy"} == {"2024-10-24", "2026-04-16"}


def test_a_document_that_changes_within_the_month_prices_each_day_by_its_own() -> None:
    cheap = json.loads(tariffs.text("kepco"))
    for version in cheap["classes"]["general_b"]["versions"]:
        version["rates"]["high_a"]["I"]["base_krw_per_kw"] = 3110
    old, new = contract("general_b/high_a/I"), Contract(read(json.dumps(cheap)), "general_b", "high_a", "I")
    month = date(2026, 9, 1)
    bill = kepco_bill.month_bill(lambda day: new if day.day > 20 else old, month, {}, lambda _: demand(300))
    assert [(line.price, line.amount) for line in bill.lines if line.kind == "base"] == [
        (7220, 300 * 7220 * Decimal(20) / 30),
        (3110, 300 * 3110 * Decimal(10) / 30),
    ]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        pytest.param("2026-09-24", "sunday_holiday", id="the day before Chuseok, a Thursday"),
        pytest.param("2026-08-17", "sunday_holiday", id="a substitute holiday"),
        pytest.param("2026-08-16", "sunday_holiday", id="a Sunday"),
        pytest.param("2026-10-03", "sunday_holiday", id="a holiday on a Saturday"),
        pytest.param("2026-08-22", "saturday", id="a Saturday"),
        pytest.param("2025-06-03", "weekday", id="a holiday by decree does not count"),
        pytest.param("2026-08-18", "weekday", id="a Tuesday"),
    ],
)
def test_type_of_a_day(day: str, expected: str) -> None:
    assert contract("general_b/high_a/I").day_type(date.fromisoformat(day)) == expected


def test_bands_change_with_the_version_and_the_season() -> None:
    found = contract("industrial_b/high_a/II")
    assert found.bands(date(2026, 4, 15))[11:15] == ("peak", "mid", "peak", "peak")
    assert found.bands(date(2026, 4, 16))[11:16] == ("mid", "mid", "mid", "mid", "peak")
    assert found.bands(date(2026, 12, 1))[9:13] == ("peak", "peak", "peak", "mid")
    assert set(found.bands(date(2026, 4, 18))) == {"light", "mid"}
    assert set(found.bands(date(2026, 4, 19))) == {"light"}
    assert contract("general_a1/low/single").bands(date(2026, 4, 15)) == ("all",) * 24


def test_every_contract_of_the_tariff_has_a_price_for_every_hour_of_a_year() -> None:
    for one in contracts(KEPCO):
        found = Contract(KEPCO, *one)
        for month in range(1, 13):
            for day in days(date(2026, month, 1)):
                try:
                    assert len(found.rates(day)) == 24
                except NoPrice:
                    assert day < date(2026, 6, 1), one  # an option that came later


def test_before_the_first_version_there_is_no_price() -> None:
    with pytest.raises(NoPrice, match=r"no price of general_b on 2020-01-01; its first is of 2023-05-16"):
        contract("general_b/high_a/I").rates(date(2020, 1, 1))
    with pytest.raises(NoPrice, match="general_b/low/I; expected one of general_a1"):
        contract("general_b/low/I")


@pytest.mark.parametrize(
    ("month", "expected"),
    [
        pytest.param((2026, 10), [1, 2, 7, 8, 9, 10, 12], id="October counts for itself"),
        pytest.param((2026, 7), [1, 2, 7, 8, 9, 12], id="July counts anyway"),
    ],
)
def test_months_whose_peaks_count(month: tuple[int, int], expected: list[int]) -> None:
    found = counting(RULE, month)
    assert sorted(m for _, m in found) == expected
    assert all((month[0] * 12 + month[1]) - (y * 12 + m) < 12 for y, m in found)


def test_one_summer_quarter_hour_costs_for_a_year() -> None:
    peaks = {(2025, 8): Fraction(500), (2026, 5): Fraction(900), (2026, 6): Fraction(100), (2026, 10): Fraction(120)}
    assert billing_demand(RULE, (2026, 6), peaks, Fraction(300)).kw == 500
    assert billing_demand(RULE, (2026, 7), peaks, Fraction(300)).of == (2025, 8)
    over = billing_demand(RULE, (2026, 10), peaks, Fraction(300))
    assert (over.kw, over.of) == (120, (2026, 10))
    assert (2026, 9) in over.missing
    assert billing_demand(RULE, (2026, 10), peaks, Fraction(1000)) == BillingDemand(Fraction(300), None, over.missing)


@pytest.mark.parametrize(
    ("pf", "share"),
    [
        pytest.param(92, "0", id="at the standard"),
        pytest.param(90, "0.004", id="two percent below"),
        pytest.param(97, "-0.01", id="five above"),
        pytest.param(100, "-0.01", id="no more than up to 97"),
        pytest.param(30, "0.064", id="no less than 60"),
        pytest.param(Fraction(905, 10), "0.002", id="rounded to a percent, half up"),
    ],
)
def test_power_factor(pf: Fraction, share: str) -> None:
    found = contract("general_b/high_a/I")
    bill = kepco_bill.month_bill(lambda _: found, date(2026, 9, 1), {}, lambda _: demand(1000), Fraction(pf))
    (line,) = [line for line in bill.lines if line.kind == "power_factor"]
    assert (line.amount, line.estimate) == (Decimal(share) * 7_220_000, True)


def test_low_voltage_has_no_power_factor_and_is_asked_for_contract_power() -> None:
    found = contract("general_a1/low/single")
    assert found.on_contract
    bill = kepco_bill.month_bill(lambda _: found, date(2026, 9, 1), {}, lambda _: demand(10), Fraction(60))
    assert [line.kind for line in bill.lines] == ["base", "vat", "fund"]


def test_holidays_that_the_tariff_does_not_know_are_told() -> None:
    found = contract("general_b/high_a/I")
    bill = kepco_bill.month_bill(lambda _: found, date(2031, 9, 1), {}, lambda _: demand(10))
    assert "the tariff lists no holidays of 2031: they count as weekdays" in bill.notes


@given(st.integers(0, 10**20), st.integers(0, 10**20))
def test_the_order_and_the_cut_of_energy_change_no_bill(first: int, second: int) -> None:
    found = contract("general_b/high_a/I")
    day = date(2026, 9, 1)
    one = kepco_bill.running_cost(lambda _: found, day, {(day, 10): first + second})
    other = {(day + timedelta(1), 10): first, (day, 10): second}
    assert kepco_bill.running_cost(lambda _: found, day, other) == one


@given(st.fractions(-(10**6), 10**6))
def test_rounding(value: Fraction) -> None:
    assert abs(Fraction(rounded(value)) - value) <= Fraction(1, 200)
    assert rounded(-value) == -rounded(value)
    assert 0 <= abs(value) - abs(Fraction(cut(value, 10))) < 10


def option(name: str, kva: int | None = 6) -> Option:
    return Option(LINKY, name, None if kva is None else Decimal(kva))


def test_a_linkys_energy_is_billed_by_its_indexes() -> None:
    day = date(2026, 3, 1)
    bill = linky.bill(lambda _: option("tempo"), day, {(day, 1): 100_000, (day, 6): 1_000}, subscribed=False)
    assert [(line.text, line.quantity, line.amount) for line in bill.lines] == [
        ("energy, blue off-peak", 100, Decimal("13.25")),
        ("energy, red peak", 1, Decimal("0.71")),
    ]
    assert bill.total == Decimal("13.96")


def test_off_peak_is_the_odd_index() -> None:
    found = option("hchp")
    assert (found.price(1, date(2026, 3, 1)), found.price(2, date(2026, 3, 1))) == (Decimal("0.1579"), Decimal("0.2065"))
    assert (found.index_of("HCHC"), found.index_of("EASF02"), found.index_of("BASE")) == (1, 2, None)


def test_the_base_price_depends_on_the_contract() -> None:
    assert option("base", 6).price(1, date(2026, 3, 1)) == Decimal("0.194")
    assert option("base", 12).price(1, date(2026, 3, 1)) == Decimal("0.1927")
    assert option("base", 6).price(1, date(2025, 9, 1)) == Decimal("0.1952")
    with pytest.raises(NoPrice, match="unknown contract power"):
        option("base", None).price(1, date(2026, 3, 1))
    with pytest.raises(NoPrice, match="is not known"):
        option("tempo").price(1, date(2025, 9, 1))


def test_ejp_and_the_subscription() -> None:
    day = date(2026, 3, 31)
    bill = linky.bill(lambda _: option("ejp"), day, {(day, 2): 10_000})
    assert (bill.total, [line.kind for line in bill.lines]) == (Decimal("3.44"), ["energy"])
    assert any("without the subscription" in note for note in bill.notes)
    (line,) = linky.bill(lambda _: option("base", 6), day, {}).lines
    assert line.amount == Decimal("14.16")
    assert linky.bill(lambda _: option("tempo", 6), day, {}).total == Decimal("14.10")


def test_a_plan_names_its_tariff_by_day() -> None:
    def text_on(tariff_id: str, _: str) -> str | None:
        return tariffs.text(tariff_id) if tariff_id in tariffs.BUILT_IN else None

    day = date(2026, 9, 1)
    assert Plan("kepco/general_b/high_a/I", text_on).contract(day).base(day) == 7220
    assert Plan("linky/hchp", text_on).option(day).currency == "EUR"
    with pytest.raises(NoPrice, match="there is no tariff none"):
        Plan("none/x", text_on).schema(day)
    with pytest.raises(NoPrice, match="expected kepco/CLASS/VOLTAGE/OPTION"):
        Plan("kepco/general_b", text_on).contract(day)
    assert "kepco/industrial_b/high_a/II" in plans("kepco", tariffs.text("kepco"))
    assert plans("linky", tariffs.text("linky")) == ["linky/base", "linky/ejp", "linky/hchp", "linky/tempo"]


def test_a_document_that_bills_cannot_be_made_of_is_told_when_it_is_put() -> None:
    assert fault(tariffs.text("kepco")) is None
    assert fault(tariffs.text("linky")) is None
    assert fault('{"price": 0.2}') is None
    broken = json.loads(tariffs.text("kepco"))
    del broken["classes"]["general_b"]["versions"][1]["rates"]["high_a"]["I"]["energy_krw_per_kwh"]["winter"]["peak"]
    assert fault(json.dumps(broken)) == "a tariff-kepco/1 document lacks 'peak'"
    other = json.loads(tariffs.text("linky"))
    other["options"]["base"]["indexes"]["1"]["eur_per_kwh"] = "dear"
    assert fault(json.dumps(other)) == "a tariff-linky/1 document has a member of another kind than expected: " + (
        "'dear' came where a number is expected"
    )


def test_another_plan_and_contract_within_a_month_share_the_base_fee_by_days() -> None:
    """Twenty days of 300 kW under one option, ten of 400 kW under another; each day's energy by its own prices."""
    one, two = (contract(f"general_b/high_a/{option}") for option in ("I", "II"))
    month, change = date(2026, 11, 1), date(2026, 11, 21)
    bill = kepco_bill.month_bill(
        lambda day: one if day < change else two,
        month,
        {(date(2026, 11, 20), 10): KWH, (change, 10): KWH},
        lambda day: demand(300) if day < change else demand(400),
    )
    first, last = (line for line in bill.lines if line.kind == "base")
    assert (first.text, last.text) == ("base fee, 20 of 30 days", "base fee, 10 of 30 days")
    assert first.amount == rounded(Fraction(one.base(month)) * 300 * 20 / 30)
    assert last.amount == rounded(Fraction(two.base(change)) * 400 * 10 / 30)
    prices = [line.price for line in bill.lines if line.kind == "energy"]
    assert sorted(map(str, prices)) == sorted(
        str(of.rates(day)[10].price) for of, day in ((one, date(2026, 11, 20)), (two, change))
    )


def test_a_subscription_that_changes_within_a_month_is_shared_by_days() -> None:
    low, high = option("base", 6), option("base", 9)
    bill = linky.bill(lambda day: low if day.day <= 10 else high, date(2026, 11, 30), {})
    assert [line.text for line in bill.lines] == [
        "subscription with VAT, 10 of 30 days",
        "subscription with VAT, 20 of 30 days",
    ]
    whole = [linky.bill(lambda _, of=of: of, date(2026, 11, 30), {}).total for of in (low, high)]  # type: ignore[misc]
    assert abs(bill.total - (whole[0] + 2 * whole[1]) / 3) < Decimal("0.02")


def test_every_sentence_of_a_bill_is_known_to_the_catalogs_of_messages() -> None:
    known = {code: {message.id for message in catalog(code) if message.string} for code in ("ko", "fr")}
    month, (old, new) = date(2031, 11, 1), (contract("general_b/high_a/I"), contract("general_a1/high_a/I"))
    bills = [
        kepco_bill.month_bill(
            lambda day: old if day.day > 20 else new,
            month,
            {(day, hour): KWH for day in days(month) for hour in range(24)},
            lambda _: BillingDemand(Fraction(3), None, ((2031, 1),)),
            Fraction(95),
        ),
        kepco_bill.running_cost(lambda _: old, month, {}),
        linky.bill(lambda day: option("base", 6 if day.day < 9 else 9), date(2026, 3, 31), {(date(2026, 3, 1), 1): 1000}),
        linky.bill(lambda _: option("ejp"), date(2026, 3, 31), {(date(2026, 3, 1), 1): 1000}),
    ]
    for name in LINKY["options"]:
        indexes = option(name).indexes
        bills.append(linky.bill(lambda _, of=name: option(of), date(2026, 3, 31), {(date(2026, 3, 1), i): 1 for i in indexes}))  # type: ignore[misc]
    for sentence in (sentence for bill in bills for sentence in (*(line.text for line in bill.lines), *bill.notes)):
        for code, messages in known.items():
            assert sentence.message in messages, (code, sentence)
            for name in ("band", "season", "index"):
                value = sentence.values.get(name, "")
                assert not value or value in cost.WORDS, (sentence, value)


def test_a_line_is_said_in_the_readers_language() -> None:
    text = cost.words(kepco_bill._of_band("energy", kepco_bill.ENERGY, "mid", "spring_fall"))
    assert text == "energy, mid load, spring/fall"
    assert text.of(language("ko")) != text != text.of(language("fr"))
    assert "printemps" in text.of(language("fr"))

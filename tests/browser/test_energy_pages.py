"""The pages of energy, demand and cost in a real browser, against what REST gives."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from infra.settings import Settings
from sinks import rollup
from sinks.quarter_sql import POWER
from streams.catalog.commands import RegisterSensor
from streams.core import energy
from tests.accessible import fits
from tests.browser_columns import column
from tests.fakes import house, website
from tests.fakes.website import Website
from tests.quarters import insert, steady
from web.view import period

OpenPage = Callable[..., Page]
SENSOR, PLAIN = "kwh000001", "kwh000002"
ZONE = "Asia/Seoul"
TODAY_S = energy.midnight(ZONE, energy.EPOCH.replace(year=2026, month=11, day=18))  # a Wednesday
NOW_S = float(TODAY_S + 10 * 3600 + 330)
HOLE = range(8 * 60, 9 * 60)
PEAK_MINUTES = range(11 * 60, 11 * 60 + 15)


def watts(day: int, minute: int) -> int:
    """What the house draws: 90 kW by day, and a quarter-hour yesterday above the contract."""
    if day == 1 and minute in PEAK_MINUTES:
        return 130_000
    return 90_000 if 480 <= minute < 1080 else 12_000


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    """Ten days of one sensor, yesterday without its hour from 8; the last two minutes sample by sample."""
    running = Website(make_settings(), lambda: NOW_S)
    plan = "kepco/industrial_b/high_a/II"
    running.catalog.add(
        RegisterSensor(sensor_id=SENSOR, secret_sha256="a" * 64, zone=ZONE, tariff=plan, contracted_power_w=100_000.0)
    )
    running.catalog.add(RegisterSensor(sensor_id=PLAIN, secret_sha256="a" * 64, zone=ZONE))
    minutes = []
    for day in range(10):
        for minute in range(1440 if day else 605):
            if not (day == 1 and minute in HOLE):
                at_s = TODAY_S - 86_400 * day + 60 * minute
                minutes.append(steady(SENSOR, at_s, watts(day, minute), at_s))
    insert(running.db, minutes)
    rollup.begin(running.db, POWER)
    house.fill(running.db, SENSOR, [s for s in range(int(NOW_S) - 90, int(NOW_S)) if not int(NOW_S) - 70 <= s < int(NOW_S) - 65])
    yield running
    running.close()


def rest(page: Page, site: Website, path: str) -> dict[str, Any]:
    answer = page.request.get(f"{site.url}/api/v1/{path}")
    assert answer.ok, answer.text()
    said: dict[str, Any] = answer.json()
    return said


def test_sign_in_and_see_the_energy_of_days_weeks_and_months(browser: Browser, site: Website) -> None:
    context = browser.new_context(locale="en")
    page = context.new_page()
    page.goto(f"{site.url}/energy")
    page.get_by_label("Name").fill("root")
    page.get_by_label("Password").fill(website.ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("body[data-ready]")
    expect(page.get_by_role("heading", level=1)).to_have_text(SENSOR)
    yesterday = page.locator("a.span", has_text="Yesterday")
    expect(yesterday).to_contain_text("95.8\u00a0% measured")
    expect(page.locator("a.span", has_text="Last week")).to_contain_text("100\u00a0% measured")
    expect(page.locator("#facts")).to_contain_text("both until 10:00")
    yesterday.click()
    expect(page.locator("#view-title")).to_have_text("Tuesday, 17 November 2026")
    expect(page.locator("#total")).to_have_text("988")
    context.close()


def test_zoom_from_year_to_second_without_a_reload(open_page: OpenPage) -> None:
    page = open_page(f"/energy?sensor={SENSOR}&zoom=year")
    page.evaluate("window.same = true")
    page.get_by_text("As a table").click()
    for inside, title in (
        ("November 2026", "November 2026"),
        ("Wed 18 November", "Wednesday, 18 November 2026"),
        ("10:00 to 11:00", "Wednesday, 18 November 2026, 10:00 to 11:00"),
        ("10:04", "Wednesday, 18 November 2026, 10:04 to 10:05"),
    ):
        link = page.locator("[data-part=rows] a", has_text=inside.replace("18 November", "18 Nov"))
        link.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#view-title")).to_have_text(title)
    assert page.evaluate("window.same")
    assert parse_qs(urlsplit(page.url).query)["at"] == ["2026-11-18T01:04Z"]
    powers = column(page, "lines", "mean_A")
    assert len(powers) > 500
    assert page.evaluate("powermon.model.gaps.data.x0.length") >= 1
    page.go_back()
    expect(page.locator("#view-title")).to_have_text("Wednesday, 18 November 2026, 10:00 to 11:00")
    again = open_page(urlsplit(page.url).path + "?" + urlsplit(page.url).query)
    expect(again.locator("#view-title")).to_have_text("Wednesday, 18 November 2026, 10:00 to 11:00")


def test_a_bar_opens_what_is_in_it_and_a_gap_has_none(open_page: OpenPage, site: Website) -> None:
    page = open_page(f"/energy?sensor={SENSOR}&zoom=day&at=2026-11-17")
    rows = rest(page, site, f"energy?sensor={SENSOR}&from=2026-11-17&to=2026-11-18&resolution=hour&bands=1")["rows"]
    assert column(page, "bars", "kwh") == pytest.approx([row["import_kwh"] for row in rows if row["seconds"]])
    assert page.evaluate("Array.from(powermon.model.gaps.data.x0)") == [8 * 3_600_000]
    assert len(column(page, "before", "value")) == 24
    box = page.locator("#plot-chart").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] - 30)
    expect(page.locator("#view-title")).to_contain_text("to 18:00")


def test_files_hold_what_rest_gives(open_page: OpenPage, site: Website) -> None:
    page = open_page(f"/energy?sensor={SENSOR}&zoom=day&at=2026-11-17&by=quarter")
    expected = rest(page, site, f"energy?sensor={SENSOR}&from=2026-11-17&to=2026-11-18&resolution=quarter&bands=1")["rows"]
    with page.expect_download() as begun:
        page.get_by_role("link", name="CSV").first.click()
    rows = list(csv.DictReader(io.StringIO(begun.value.path().read_text())))
    assert [(row["start"], float(row["import_kwh"]), row["band"]) for row in rows] == [
        (row["start"], row["import_kwh"], row["band"]) for row in expected
    ]
    address = page.get_by_role("link", name="Parquet").last.get_attribute("href")
    table = pq.read_table(io.BytesIO(page.request.get(f"{site.url}{address}").body()))
    assert table["coverage"].to_pylist() == [row["coverage"] for row in expected]


def test_demand_against_the_contract(open_page: OpenPage, site: Website) -> None:
    page = open_page(f"/demand?sensor={SENSOR}")
    said = rest(page, site, f"demand?sensor={SENSOR}")
    assert said["peak"]["kw"] == pytest.approx(130)
    expect(page.locator("#peak")).to_have_text("130 kW")
    expect(page.locator("#contract")).to_have_text("100 kW")
    expect(page.locator("main")).to_contain_text("2026-11-17 11:00")
    expect(page.locator("main")).to_contain_text("130\u00a0% of the contract")
    expect(page.locator("#forecast")).to_contain_text("87.0")  # of half a minute nothing was measured yet
    expect(page.locator("#largest tbody tr")).to_have_count(5)
    expect(page.locator("[data-part=why]")).to_contain_text("usual at that time of day this month: 90.0 kW (8 other days)")
    assert max(column(page, "bars", "top")) == pytest.approx(130)
    assert page.evaluate("[powermon.model.contract.visible, powermon.model.contract.location]") == [True, 100]
    page.get_by_role("link", name="2026-11-17 11:00").first.click()
    page.wait_for_selector("body[data-ready]")
    expect(page.locator("#view-title")).to_have_text("Tuesday, 17 November 2026, 11:00 to 12:00")


def test_cost_and_the_same_month_under_another_plan(open_page: OpenPage, site: Website) -> None:
    page = open_page(f"/cost?sensor={SENSOR}")
    cost = rest(page, site, f"cost?sensor={SENSOR}")
    expect(page.locator("#yesterday .number")).to_have_text(won(cost["yesterday"]["total"]))
    expect(page.locator("#by-band tbody tr")).to_have_count(len(cost["yesterday"]["by_band"]))
    other = "kepco/industrial_b/high_a/I"
    bill = rest(page, site, f"bill?sensor={SENSOR}&beside={other}")
    expect(page.locator("#bill tbody tr")).to_have_count(len(bill["lines"]))
    expect(page.locator("#bill tfoot")).to_contain_text(won(bill["total"]))
    page.evaluate("window.same = true")
    page.locator("#beside").select_option(other)
    expect(page.locator("#other tfoot")).to_contain_text(won(bill["beside"]["total"]))
    expect(page.locator("#difference")).to_contain_text(won(abs(bill["beside"]["total"] - bill["total"])))
    assert page.evaluate("window.same")
    assert parse_qs(urlsplit(page.url).query)["beside"] == [other]
    address = page.locator("#bill + .links a").first.get_attribute("href")
    rows = list(csv.DictReader(io.StringIO(page.request.get(f"{site.url}{address}").text())))
    assert [float(row["amount"]) for row in rows] == [line["amount"] for line in bill["lines"]]


def won(amount: float) -> str:
    return f"₩{round(amount):,}".replace(",", "\u202f")


def test_what_is_not_known_is_said(open_page: OpenPage) -> None:
    page = open_page(f"/energy?sensor={PLAIN}")
    expect(page.locator("main")).to_contain_text("Nothing was measured in this span.")
    expect(page.locator("main")).to_contain_text("Not parted by load band")
    page.locator("#language").select_option("fr")
    expect(page.locator("main")).to_contain_text(f"le capteur {PLAIN} n’a pas de tarif")
    page.locator("#language").select_option("en")
    page = open_page(f"/cost?sensor={PLAIN}")
    expect(page.locator("main")).to_contain_text("has no tariff")
    page = open_page("/demand?sensor=nobody", ready=False)
    expect(page.get_by_role("heading", level=1)).to_have_text("No sensor called nobody")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_only_down(open_page: OpenPage, scheme: str) -> None:
    other = "kepco/industrial_b/high_a/III"
    for path in (f"/energy?sensor={SENSOR}&zoom=month", f"/demand?sensor={SENSOR}", f"/cost?sensor={SENSOR}&beside={other}"):
        page = open_page(path, "phone", scheme)
        fits(page, 390)
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        for box in (one.bounding_box() for one in page.locator(".segments a:visible, select:visible, summary:visible").all()):
            assert box is not None
            assert box["height"] >= 40


def test_a_day_of_25_hours_has_as_many_bars() -> None:
    one = period.asked("day", "2026-10-25", "Europe/Paris", NOW_S)
    assert len(period.edges(one, "hour")) - 1 == 25

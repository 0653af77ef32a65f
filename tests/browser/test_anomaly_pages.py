"""Anomalies in a real browser: the timeline and its list, one of them with its samples, seen and noted by a person, live."""

import csv
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.settings import Settings
from schemas.anomaly import WITHDRAWN
from streams.catalog.commands import RegisterSensor
from tests.accessible import faults, fits
from tests.browser_columns import column
from tests.fakes import house, website
from tests.fakes.anomalies import anomaly, fill, sag
from tests.fakes.website import Website

OpenPage = Callable[..., Page]
NOW = int(time.time())
SAG = sag("gre000001", NOW - 7200)
OVER = anomaly("overload", "gre000001", NOW - 5400, 600, unit="mW", worst=34_210_000, limit=30_000_000, details={"seconds": 600})
SILENCE = anomaly("silence", "mill000001", NOW - 4000, None)
NONE = replace(anomaly("stuck", "mill000001", NOW - 9000, 20), state=WITHDRAWN)
OLD = replace(sag("mill000001", NOW - 5 * 86_400, phase=1), severity="warning")


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    running = Website(make_settings(anomalies=True))
    running.catalog.add(RegisterSensor(sensor_id="mill000001", secret_sha256="a" * 64, owner="Mill AG"))
    house.fill_minutes(running.db, "gre000001", [NOW // 60 * 60 - 60 * m for m in range(200)], until_s=NOW)
    fill(running.db, [SAG, OVER, SILENCE, NONE, OLD])
    yield running
    running.close()


@pytest.fixture
def operator(browser: Browser, site: Website) -> Iterator[Page]:
    """Somebody who may acknowledge."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(site.url)
    page.get_by_label("Name").fill("root")
    page.get_by_label("Password").fill(website.ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("nav.places")
    yield page
    context.close()


def whats(page: Page) -> list[str]:
    return page.locator("#list-of-anomalies tbody td b").all_inner_texts()


@pytest.mark.parametrize(
    "path", [pytest.param("/anomalies?span=week", id="list"), pytest.param(f"/anomalies?id={SAG.id}", id="one")]
)
def test_axe_finds_nothing_serious_and_a_phone_scrolls_only_down(open_page: OpenPage, path: str) -> None:
    for size, scheme, width in (("laptop", "light", 1400), ("phone", "dark", 390)):
        page = open_page(path, size=size, scheme=scheme)
        assert faults(page) == []
        fits(page, width)


def test_the_list_is_filtered_without_a_reload_and_its_address_reopens_it(open_page: OpenPage) -> None:
    page = open_page("/anomalies")
    assert whats(page) == ["Silence", "Overload", "Voltage dip, phase B"]
    expect(page.locator("#going")).to_have_text("1 goes on")
    page.evaluate("window.stays = 1")
    page.get_by_role("link", name="7 days").click()
    expect(page.locator("#list-of-anomalies tbody tr")).to_have_count(4)
    page.get_by_label("Rule").select_option("sag")
    expect(page.locator("#list-of-anomalies tbody tr")).to_have_count(2)
    page.get_by_label("Search").fill("mill ag")
    page.get_by_label("Search").press("Enter")
    expect(page.locator("#list-of-anomalies tbody tr")).to_have_count(1)
    assert whats(page) == ["Voltage dip, phase A"]
    assert "span=week" in page.url
    address = page.url
    page.get_by_label("Rule").select_option("clock")
    expect(page.locator("#none")).to_have_text("No anomalies in this time; 3 sensors are watched.")
    page.go_back()
    expect(page.locator("#list-of-anomalies tbody tr")).to_have_count(1)
    expect(page.get_by_label("Rule")).to_have_value("sag")
    assert page.evaluate("window.stays") == 1
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    assert whats(page) == ["Voltage dip, phase A"]
    page.goto(address.split("?")[0] + "?withdrawn=1&state=closed")
    assert "Stuck sensor" not in whats(page)
    page.goto(address.split("?")[0] + "?withdrawn=1")
    assert "Stuck sensor" in whats(page)


def test_a_mark_of_the_timeline_leads_to_its_anomaly(open_page: OpenPage) -> None:
    page = open_page("/anomalies")
    assert column(page, "bars_data", "id") == [SILENCE.id, OVER.id, SAG.id]
    assert column(page, "names_data", "text") == ["gre000001", "mill000001"]
    page.evaluate("powermon.model.bars_data.selected.indices = [2]")
    page.wait_for_url(f"**/anomalies?id={SAG.id}")
    expect(page.locator("#sentence")).to_contain_text("Phase B fell to 136.4")


def test_one_dip_with_its_samples_limit_and_length(open_page: OpenPage) -> None:
    page = open_page(f"/anomalies?id={SAG.id}")
    expect(page.locator("main")).to_contain_text("instantaneous")
    expect(page.locator("main")).to_contain_text("70–40 % left, 200–500 ms")
    volts = column(page, "B_data", "v")
    assert (len(volts), min(volts)) == (200, 136.4)
    mark, limit = page.evaluate("[[powermon.model.mark.left, powermon.model.mark.right], powermon.model.limit.location]")
    assert (mark, limit) == ([2350, 2750], 198)
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)  # a viewer
    page.get_by_role("link", name="Each sample of this minute").click()
    assert "/energy?sensor=gre000001&zoom=minute" in page.url


def test_what_has_no_samples_shows_its_minutes(open_page: OpenPage) -> None:
    page = open_page(f"/anomalies?id={OVER.id}")
    assert len(column(page, "total_data", "v")) > 20
    assert page.evaluate("powermon.model.limit.location") == 30
    expect(page.locator("#sentence")).to_contain_text("34.2 kW")


def test_somebody_acknowledges_it_with_a_note_changes_it_and_takes_it_back(site: Website, operator: Page) -> None:
    operator.goto(f"{site.url}/anomalies?id={OVER.id}")
    expect(operator.locator("#seen")).to_contain_text("Nobody")
    operator.get_by_role("button", name="Acknowledge").click()
    expect(operator.locator("#seen")).to_contain_text("root has seen it")
    operator.get_by_label("Note").fill("<b>two</b> ovens at once")
    operator.get_by_role("button", name="Acknowledge").click()
    expect(operator.locator("#seen .said")).to_have_text("<b>two</b> ovens at once")
    operator.goto(f"{site.url}/anomalies?acknowledged=1")
    expect(operator.locator("#list-of-anomalies tbody tr")).to_contain_text("root")
    operator.goto(f"{site.url}/anomalies?id={OVER.id}")
    expect(operator.get_by_label("Note")).to_have_value("<b>two</b> ovens at once")
    operator.get_by_role("button", name="Take it back").click()
    expect(operator.locator("#seen")).to_contain_text("Nobody")
    operator.get_by_text("What was said before").click()
    expect(operator.locator("#seen li")).to_have_count(2)


def test_the_file_is_what_the_list_shows(site: Website, open_page: OpenPage) -> None:
    page = open_page("/anomalies?rule=sag&span=week")
    address = page.get_by_role("link", name="CSV").first.get_attribute("href")
    rows = list(csv.DictReader(io.StringIO(page.request.get(f"{site.url}{address}").text())))
    assert [row["id"] for row in rows] == [SAG.id, OLD.id]
    expect(page.locator("#silent")).to_contain_text("mill000001")


def test_a_new_one_appears_and_is_marked_without_a_reload(site: Website, open_page: OpenPage) -> None:
    page, live = open_page("/anomalies"), open_page("/?sensor=gre000001")
    page.evaluate("window.stays = 1")
    expect(page.locator("#list-of-anomalies tbody tr").first).to_be_visible()
    now = time.time()
    fill(site.db, [anomaly("phase_missing", "gre000001", now - 20, None, phase=3)], first_offset=50)
    expect(page.locator("#list-of-anomalies tbody tr").first).to_contain_text("Phase missing, phase C")
    assert page.evaluate("window.stays") == 1
    expect(live.locator("#list li", has_text="gre000001").locator(".open")).to_have_text("1 anomaly")


def test_it_says_that_nothing_is_looked_for(site: Website, browser: Browser) -> None:
    site.stop()
    site.settings.anomalies = False
    site.start()
    context = browser.new_context(locale="fr-FR")
    try:
        context.request.get(f"{site.url}/signin?token={website.LINK}")
        page = context.new_page()
        page.goto(f"{site.url}/anomalies?rule=clock")
        expect(page.locator("#off")).to_contain_text("POWERMON_ANOMALIES=1")
        expect(page.locator("#none")).to_have_text("Aucune anomalie sur cette période.")
    finally:
        context.close()
        site.settings.anomalies = True

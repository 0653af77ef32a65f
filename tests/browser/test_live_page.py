"""The live page in a real browser."""

import math
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from streams.catalog.commands import ChangeSensor, RegisterSensor
from tests.accessible import fits
from tests.browser_columns import column
from tests.fakes import house, website
from tests.fakes.website import Website
from tests.waiting import until

SENSOR = "gre000001"
OpenPage = Callable[..., Page]


def feed(site: Website, sensor: str = SENSOR, *, last: int = 30, without: tuple[int, ...] = ()) -> int:
    """Insert the last seconds up to now; the newest."""
    now = int(time.time())
    house.fill(site.db, sensor, [now - s for s in range(last, -1, -1) if s not in without])
    return now


def test_sign_in_shows_the_page(browser: Browser, site: Website) -> None:
    feed(site)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/?sensor={SENSOR}&hours=6")
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    page.get_by_label("Password").fill(website.VIEWER_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(SENSOR)
    assert page.url == f"{site.url}/?sensor={SENSOR}&hours=6"
    page.wait_for_selector("body[data-ready]")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    context.close()


def test_the_page_shows_numbers_plots_and_the_list(site: Website, open_page: OpenPage) -> None:
    feed(site)
    page = open_page()
    feed(site, last=2)
    expect(page.locator("#state")).to_have_text("live")
    power = [page.locator(f'[data-number="power_{p}"]') for p in "ABC"]
    for number in power:
        expect(number).not_to_have_text("–")
    expect(page.locator('[data-unit="total"]')).to_have_text("kW")
    assert page.locator(".root canvas").count() >= 4 or page.evaluate("document.querySelectorAll('.root').length") == 5
    assert len([p for p in column(page, "points", "power_A") if not math.isnan(p)]) >= 20 * 25
    # One less when a minute ended between the rows and the page.
    assert sum(not math.isnan(v) for v in column(page, "minutes", "mean_B")) in (54, 55)
    expect(page.locator("#list a[aria-current]")).to_contain_text(SENSOR)
    expect(page.locator("#measured")).to_contain_text("% measured")


def test_a_new_second_is_seen_soon(site: Website, open_page: OpenPage) -> None:
    feed(site)
    page = open_page()
    for _ in range(3):
        newest = feed(site, last=1)
        until(lambda at=newest: column(page, "points", "t")[-1] >= (at + 9 * 3600) * 1000, "the new second", 10)  # type: ignore[misc]


def test_how_near_the_contract_is_stands_beside_the_power(site: Website, open_page: OpenPage) -> None:
    feed(site)
    page = open_page()
    expect(page.locator("#contract")).to_be_hidden()
    site.catalog.add(ChangeSensor(sensor_id=SENSOR, contracted_power_w=100_000.0))
    feed(site, last=2)
    expect(page.locator("#contract-text")).to_contain_text("of the contracted 100.0 kW")
    expect(page.locator("#contract-text")).to_have_attribute("href", f"/demand?sensor={SENSOR}")
    site.catalog.add(ChangeSensor(sensor_id=SENSOR, contracted_power_w=0.0))


def test_a_gap_is_a_gap(site: Website, open_page: OpenPage) -> None:
    sensor = "gap000001"
    newest = feed(site, sensor, last=40, without=(10, 11, 12))
    page = open_page(f"/?sensor={sensor}")
    times, values = column(page, "points", "t"), column(page, "points", "power_A")
    hole = [(t, v) for t, v in zip(times, values, strict=True) if (newest - 12) * 1000 <= t < (newest - 9) * 1000]
    assert len(hole) == 1
    assert math.isnan(hole[0][1])
    shaded = page.evaluate("powermon.model.now_gaps.data.x0.map((x, k) => [x, powermon.model.now_gaps.data.x1[k]])")
    assert [(newest - 12) * 1000, (newest - 9) * 1000] in shaded
    house.fill(site.db, sensor, [newest - 11])
    until(lambda: (newest - 11) * 1000 in column(page, "points", "t"), "the late second")


def test_silence_is_told(site: Website, open_page: OpenPage) -> None:
    sensor = "old000001"
    then = int(time.time()) - 7 * 86400
    house.fill(site.db, sensor, list(range(then - 59, then + 1)))
    house.fill_minutes(site.db, sensor, [then // 60 * 60])  # a whole minute, though its last seconds are not there
    page = open_page(f"/?sensor={sensor}")
    expect(page.locator("#state")).to_contain_text("silent since")
    expect(page.locator("#minute-span")).to_contain_text("the last minute received")
    expect(page.locator('[data-number="total"]')).to_have_text("–")
    assert len(column(page, "points", "t")) == 1200


def test_a_sensor_that_never_spoke_appears_with_its_first_post(site: Website, open_page: OpenPage) -> None:
    site.catalog.add(RegisterSensor(sensor_id="fresh000001", secret_sha256="a" * 64, zone="UTC"))
    page = open_page("/?sensor=fresh000001")
    expect(page.locator("#state")).to_have_text("nothing received yet")
    newest = feed(site, "fresh000001", last=3)
    until(lambda: newest * 1000 in column(page, "points", "t"), "its first seconds")


def test_another_sensor_and_other_hours_without_a_new_page(site: Website, open_page: OpenPage) -> None:
    feed(site)
    newest = feed(site, "two000002")
    page = open_page()
    page.evaluate("window.same = true")
    page.get_by_label("Search sensors by id").fill("two0")
    page.get_by_role("link", name="two000002").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("two000002")
    until(lambda: newest * 1000 in column(page, "points", "t"), "the other sensor's points")
    page.get_by_role("link", name="6 h").click()
    until(lambda: len(column(page, "minutes", "t")) == 360, "six hours")
    assert page.url == f"{site.url}/?sensor=two000002&hours=6"
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(SENSOR)
    until(lambda: len(column(page, "minutes", "t")) == 60, "one hour again")
    assert page.evaluate("window.same")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_only_down(site: Website, open_page: OpenPage, scheme: str) -> None:
    feed(site)
    page = open_page(size="phone", scheme=scheme)
    fits(page, 390)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    touched = ["button:visible", ".segments a", "summary"]
    for selector in touched:
        for box in (one.bounding_box() for one in page.locator(selector).all()):
            assert box is not None
            assert box["height"] >= 40, selector


def test_light_and_dark_are_the_readers_choice_and_kept(site: Website, open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    label = page.evaluate("powermon.model.power.left[0].major_label_text_color")
    assert label == page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--muted').trim()")


@pytest.mark.parametrize("part", website.PARTS)
def test_a_part_that_is_down_is_told_and_its_return_too(site: Website, open_page: OpenPage, part: str) -> None:
    page = open_page()
    site.stop_part(part)
    banner = page.locator(f'.banner[data-part="{part}"]')
    expect(banner).to_contain_text("does not answer", timeout=20_000)
    expect(banner).to_contain_text("Since")
    site.start_part(part)
    expect(banner).to_have_count(0, timeout=20_000)


def test_a_restart_of_the_server_is_survived(site: Website, open_page: OpenPage) -> None:
    feed(site)
    page = open_page()
    site.stop()
    expect(page.locator('.banner[data-part="web"]')).to_contain_text("does not answer", timeout=20_000)
    site.start()
    expect(page.locator(".banner")).to_have_count(0, timeout=20_000)
    page.wait_for_selector("body[data-ready]")
    newest = feed(site, last=1)
    until(lambda: column(page, "points", "t")[-1] >= (newest + 9 * 3600) * 1000, "data after the restart")


def test_no_sensors_yet_says_what_to_do(site: Website, open_page: OpenPage) -> None:
    page = open_page("/?sensor=nobody000001", ready=False)
    expect(page.get_by_role("heading", level=1)).to_have_text("No sensor called nobody000001")
    expect(page.locator("pre")).to_have_text("powermon sensors add nobody000001")

"""Pages that bring themselves up to date: nothing on them moves or disappears meanwhile."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import SENSOR
from tests.fakes import house
from tests.fakes.website import Website
from tests.waiting import until

OpenPage = Callable[..., Page]
TOTAL = "[data-number=total]"
UPDATES = 3
STILL = 0.01
"""Layout shift in all: a tenth of what browsers' makers call good; a number that gets a digit more moves its unit."""

WATCH = """
() => {
  const canvases = (root) => [...root.querySelectorAll("*")].flatMap((one) => [
    ...(one.tagName === "CANVAS" ? [one] : []), ...(one.shadowRoot ? canvases(one.shadowRoot) : [])])
  const seen = window.seen = { moved: [], empty: 0, canvases: canvases(document) }
  const banners = () => document.getElementById("banners").children.length
  let shown = banners()
  new PerformanceObserver((list) => {
    if (banners() !== shown) return void (shown = banners())  // what does not answer on a busy machine is said above the rest
    for (const one of list.getEntries())
      seen.moved.push([one.value, one.sources.map(({ node }) => node?.id || node?.className || node?.nodeName).join(" ")])
  }).observe({ type: "layout-shift", buffered: false })
  const main = document.querySelector("main")
  const frame = () => {
    if (!main.innerText.trim()) seen.empty += 1
    requestAnimationFrame(frame)
  }
  frame()
}
"""
"""Notes what a person would see: what the browser counts as moved, and frames with nothing on the page."""

FOUND = "({ moved: seen.moved, empty: seen.empty, gone: seen.canvases.filter((one) => !one.isConnected).length })"


@pytest.mark.parametrize("path", ["/", "/energy", "/demand", "/cost", "/anomalies", "/sensors", "/system"])
def test_a_page_brings_itself_up_to_date_without_flicker(open_page: OpenPage, site: Website, path: str) -> None:
    page = open_page(f"{path}?sensor={SENSOR}" if path not in ("/sensors", "/system") else path, ready=False)
    if path == "/":
        until(lambda: live(page, site) != "–", "a number")
    else:
        page.wait_for_load_state("networkidle")
    page.evaluate(WATCH)
    for _ in range(UPDATES):
        if path == "/":
            shown = page.locator(TOTAL).inner_text()
            until(lambda shown=shown: live(page, site) != shown, "another number")  # type: ignore[misc]
        else:
            with page.expect_response(
                lambda answer: answer.request.resource_type == "fetch" and urlsplit(answer.url).path == path
            ):
                grow(site)
                page.evaluate("window.powermon?.again?.()")  # as its timer would; the others are not waited for long
            page.wait_for_timeout(300)
    found = page.evaluate(FOUND)
    assert (found["empty"], found["gone"]) == (0, 0)
    assert sum(value for value, _ in found["moved"]) < STILL, found["moved"]


def live(page: Page, site: Website) -> str:
    """What the live page says a moment after the sensor has measured once more."""
    grow(site)
    page.wait_for_timeout(300)
    return page.locator(TOTAL).inner_text()


def grow(site: Website) -> None:
    """The sensor has measured once more."""
    now = int(time.time())
    house.fill(site.db, SENSOR, [now - 2, now - 1, now])
    house.fill_minutes(site.db, SENSOR, [now // 60 * 60], until_s=now)

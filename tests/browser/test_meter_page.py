"""A meter's page in a real browser. Its words and numbers are tested without one (tests/unit/test_meter_view.py)."""

import math
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from infra.settings import Settings
from tests.accessible import fits
from tests.browser_columns import column
from tests.fakes import linky_house
from tests.fakes.website import Website
from tests.waiting import until

METER = "052165900001"


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    """A server whose clock goes on from six in the evening."""
    ahead = linky_house.evening() - time.time()
    running = Website(make_settings(), lambda: time.time() + ahead)
    yield running
    running.close()


def test_a_live_meter_in_light_and_dark_on_a_desk_and_a_phone(site: Website, open_page: Callable[..., Page]) -> None:
    now = int(site.clock())
    hole = range(now // 60 * 60 - 2400, now // 60 * 60 - 1200)
    linky_house.fill_minutes(site.db, linky_house.minutes(METER, now - 86_400, now, [hole]))
    linky_house.fill_frames(site.db, METER, [now - s for s in range(60)])
    page = open_page(f"/meters?id={METER}")
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    expect(page.locator("#list a[aria-current]")).to_contain_text(METER)
    expect(page.locator('[data-number="contract"]')).to_have_text("6")
    expect(page.locator('[data-day="today"]')).to_have_text("Blue")
    expect(page.locator('[data-day="tomorrow"]')).to_have_text("Red")
    expect(page.locator("#rows tr")).not_to_have_count(0)
    expect(page.locator("#total")).to_contain_text("kWh")
    expect(page.locator("#right")).to_have_text("100")
    assert [value for value in column(page, "day_minutes", "mean") if not math.isnan(value)]
    assert page.evaluate("powermon.model.past_gaps.data.x0.length") >= 1
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_function("(scheme) => document.documentElement.dataset.theme === scheme", arg=scheme)
        label = page.evaluate("powermon.model.day.left[0].major_label_text_color")
        assert label == page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--muted').trim()")
    page.set_viewport_size({"width": 390, "height": 844})
    fits(page, 390)
    newest = int(site.clock())
    linky_house.fill_frames(site.db, METER, [newest])
    until(lambda: column(page, "frames", "t")[-1] % 60_000 == newest % 60 * 1000, "the new frame, without a reload")
    expect(page.locator("#state")).to_have_text("live")
    expect(page.locator('[data-number="apparent"]')).to_have_text(f"{linky_house.power_va(newest):,}".replace(",", "\u202f"))
    assert errors == []

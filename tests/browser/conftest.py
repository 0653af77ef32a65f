"""A real Chromium, and the web server it looks at."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from infra.settings import Settings
from tests.fakes import house, website
from tests.fakes.website import Website

CHROMIUM = Path(os.environ.get("POWERMON_TEST_CHROMIUM", "/usr/bin/chromium"))
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SENSOR = "gre000001"
SIZES = {"laptop": (1400, 1000), "phone": (390, 844)}


# A page that looks again every 5 s is not late when it took 6 on a busy machine.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")  # as long as it lives, this thread's event loop is Playwright's
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail(
            f"no Chromium at {CHROMIUM}: install the package `chromium`, or set POWERMON_TEST_CHROMIUM to one that is there"
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    """A server with an hour of one sensor, with a hole of five minutes in it."""
    running = Website(make_settings())
    now = int(time.time())
    minutes = [now // 60 * 60 - 60 * m for m in range(65) if not 20 <= m < 25]
    house.fill_minutes(running.db, SENSOR, minutes, until_s=now)
    yield running
    running.close()


@pytest.fixture
def open_page(browser: Browser, site: Website) -> Iterator[Callable[..., Page]]:
    """Opens pages signed in; a page that logs an error or throws fails its test."""
    contexts = []
    troubles: list[str] = []

    def open_one(path: str = f"/?sensor={SENSOR}", size: str = "laptop", scheme: str = "light", ready: bool = True) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        context.request.get(f"{site.url}/signin?token={website.LINK}")
        page.goto(site.url + path)
        if ready:
            page.wait_for_selector("body[data-ready]")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert troubles == []

"""How long a person waits for a page: a real Chromium on a stack under sensors that post, one page at a time."""

import asyncio
import json
import statistics
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from infra import child
from infra.settings import Settings
from tests.bench import pages_bench
from tests.bench.latency_bench import Sql, a_stack, tokens_of
from tests.bench.worker_bench import ROOT
from tests.browser.conftest import ARGS, CHROMIUM
from tests.waiting import until

VISITS = 5
SENSORS = 10
LONGEST_S = 240.0
DRAWN = """
() => {
  const sources = Object.values(window.powermon?.model ?? {}).filter((one) => one?.data && !/gaps|names/.test(one.name))
  return sources.length ? Math.max(...sources.map((one) => Object.values(one.data)[0]?.length ?? 0)) : null
}
"""
"""How many points the fullest plot of the page has; null: it has no plots."""


@dataclass(frozen=True, slots=True)
class Waited:
    """Milliseconds, the median of VISITS.

    Attributes:
        loaded_ms: until the browser's load event: the page can be read.
        drawn_ms: until its plots are drawn with their data.
        wrong: what the page did not show that it should, None when it did.
    """

    loaded_ms: float
    drawn_ms: float
    wrong: str | None


def measure(settings: Settings, scratch: Path) -> dict[str, tuple[Waited, Waited]]:
    """How long each page takes: with nothing kept in the browser, and again.

    Args:
        settings: of a stack that does not exist yet; its sensors have fourteen months behind them.
    """
    names = [f"load{k:06d}" for k in range(SENSORS)]
    pages_bench.remember(settings, names)
    settings = settings.model_copy(update={"anomalies": True})
    with a_stack(settings, scratch), closing(Sql(settings)) as ask:
        (scratch / "tokens.json").write_text(json.dumps(asyncio.run(tokens_of(settings, names))))
        link = asyncio.run(pages_bench.plans_and_link(settings, names))
        arguments = [str(settings.gateway_port), str(scratch / "tokens.json"), str(LONGEST_S), str(scratch / "load.json")]
        load = child.spawn([sys.executable, "-m", "tests.bench.load", *arguments], scratch / "load.log", cwd=ROOT)
        try:
            until(lambda: bool(ask.rows("SELECT sensor_id FROM minutes LIMIT 1")), "the first minute", 120)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
                found = {path: _visits(browser, settings.web, link, path) for path in _paths(names)}
                browser.close()
                return found
        finally:
            child.stop(load, 5)


def _paths(names: list[str]) -> list[str]:
    one = names[0]
    zooms = [f"/energy?sensor={one}&zoom={zoom}" for zoom in ("day", "month", "year")]
    lists = ["/anomalies", "/sensors", "/receivers", "/replays", "/projects", "/system"]
    return ["/", f"/?sensor={one}", *zooms, f"/demand?sensor={one}", f"/cost?sensor={one}", *lists]


def _visits(browser: Browser, address: str, link: str, path: str) -> tuple[Waited, Waited]:
    first: list[tuple[float, float]] = []
    again: list[tuple[float, float]] = []
    wrong: str | None = None
    for _ in range(VISITS):
        context = browser.new_context()
        context.request.get(f"{address}/signin?token={link}")
        page = context.new_page()
        for times in (first, again):
            begin = time.perf_counter()
            page.goto(address + path)
            if page.locator("#plots, .plot").count():
                page.wait_for_selector("body[data-ready]")
            drawn_ms = (time.perf_counter() - begin) * 1000
            times.append((page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"), drawn_ms))
            wrong = wrong or _missing(page, path)
            page.goto("about:blank")
        context.close()
    return _median(first, wrong), _median(again, wrong)


def _missing(page: Page, path: str) -> str | None:
    """What somebody who looks at a page that is drawn would miss."""
    sensor = path.partition("sensor=")[2].partition("&")[0]
    text = page.locator("main").inner_text()
    if not page.locator("h1").first.inner_text().strip() or sensor not in text:
        return f"{path} does not name {sensor or 'itself'}: {text[:200]}"
    if page.locator(".banner").count():
        return f"{path} says: {page.locator('.banner').first.inner_text()}"
    drawn = page.evaluate(DRAWN)
    return None if drawn is None or drawn > 0 else f"{path} has plots without points"


def _median(times: list[tuple[float, float]], wrong: str | None) -> Waited:
    loaded, drawn = zip(*times, strict=True)
    return Waited(statistics.median(loaded), statistics.median(drawn), wrong)

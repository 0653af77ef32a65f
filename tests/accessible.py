"""What axe says of a page, and whether it fits its window."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.waiting import until


def faults(page: Page) -> list[str]:
    """What is serious or worse: the rule, the node, and what would mend it."""
    return [
        f"{one['id']}: {node['target']} {node.get('failureSummary', '')[:200]}"
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def fits(page: Page, width: int) -> None:
    """Wait until the page scrolls only down: its plots take a moment to fill a width of so many pixels, and no more."""
    until(lambda: page.evaluate("document.documentElement.scrollWidth") <= width, f"{page.url} fits {width} pixels")

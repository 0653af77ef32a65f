"""Reads a plot's data source out of a page."""

from playwright.sync_api import Page


def column(page: Page, source: str, name: str) -> list[float]:
    """One column as the browser holds it; no value is NaN."""
    values: list[float] = page.evaluate(
        "([source, name]) => Array.from(powermon.model[source].data[name] ?? [], (v) => v === null ? NaN : v)", [source, name]
    )
    return values

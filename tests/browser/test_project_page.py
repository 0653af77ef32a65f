"""The pages of projects in a real browser."""

import csv
import io
import math
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.settings import Settings
from streams.catalog.datastore import energy_commands, project_commands
from tests.accessible import fits
from tests.browser_columns import column
from tests.fakes import project_house, website
from tests.fakes.website import Website

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    """A project with a retrofit, a run that has a result and one that failed; and a project with nothing."""
    running = Website(make_settings())
    baseline_us = (project_house.T0 + 86_400 * project_house.BASELINE_DAYS) * 1_000_000
    for command in (
        energy_commands.CreateStation(station_id="paris", zipcodes=("75011",), timezone=project_house.ZONE),
        project_commands.CreateProject(
            project_owner=1, project_id="Rue Oberkampf", zipcode="75011", baseline_period_end_us=baseline_us
        ),
        project_commands.CreateProject(project_owner=1, project_id="Empty house"),
        energy_commands.CreateTrace(interpretation="E_C_S", unit="KWH", project=1, label="main"),
        energy_commands.CreateTrace(interpretation="NG_C_S", unit="THM", project=1),
        energy_commands.RequestRun(project=1),
        energy_commands.RequestRun(project=1),
    ):
        assert running.catalog.add(command).accepted
    project_house.fill(running.db, trace=1, station=1)
    project_house.succeed(running.db, run=1, project=1, trace=1, failed=2)
    project_house.status(running.db, 2, 1, "FAILED", "Traceback\n  File x\nRunFailed: the worker died twice over this run")
    yield running
    running.close()


def test_sign_in_find_a_project_and_see_its_data(browser: Browser, site: Website) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/projects")
    page.get_by_label("Name").fill("root")
    page.get_by_label("Password").fill(website.ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Projects")
    page.get_by_label("Search projects").fill("ober")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("1\u202f500 kWh")
    page.get_by_role("link", name="Rue Oberkampf").click()
    page.wait_for_selector("body[data-ready]")
    expect(page.get_by_role("heading", level=1)).to_have_text("Rue Oberkampf")
    expect(page.locator("#avoided")).to_have_text("1\u202f500 kWh")
    expect(page.get_by_role("button", name="Start a run")).to_be_visible()
    expect(page.locator("#runs")).to_contain_text("the worker died twice over this run")
    expect(page.locator("#savings tr", has_text="Both models")).to_contain_text("not clear")
    expect(page.locator("#left-out")).to_contain_text("natural gas, trace 2")
    context.close()


def test_the_plots_hold_the_data_and_a_gap_is_a_gap(open_page: OpenPage) -> None:
    page = open_page("/projects/1")
    metered = column(page, "days", "top")
    assert len(metered) == project_house.DAYS - len(project_house.GAP)
    assert metered[0] == pytest.approx(sum(project_house.energy_kwh(hour) for hour in range(24)))
    assert set(column(page, "days", "coverage")) == {100}
    assert len(column(page, "baseline_points", "x")) == project_house.BASELINE_DAYS
    saved = column(page, "saved_days", "y")
    assert sum(math.isnan(value) for value in saved) == 1  # the line breaks at the gap
    assert column(page, "saved_band", "high")[0] - column(page, "saved_band", "end")[0] == pytest.approx(project_house.BAND)
    expect(page.locator("#runs")).to_contain_text("An operator may start a run.")
    expect(page.get_by_role("button", name="Start a run")).to_have_count(0)


def test_a_trace_without_a_model_says_why(open_page: OpenPage) -> None:
    page = open_page("/projects/1?trace=2")
    expect(page.locator("main")).to_contain_text("This trace has no records yet")
    expect(page.locator("main")).to_contain_text("too few days: 12 of 365")
    empty = open_page("/projects/2")
    expect(empty.locator("main")).to_contain_text("This project has no trace yet")
    assert open_page("/projects/99", ready=False).locator("h1").inner_text() == "No project 99"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_only_down(open_page: OpenPage, scheme: str) -> None:
    for path in ("/projects/1", "/projects"):
        page = open_page(path, "phone", scheme, ready=path != "/projects")
        fits(page, 390)
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        for box in (one.bounding_box() for one in page.locator("button:visible, .traces a, summary").all()):
            assert box is not None
            assert box["height"] >= 40


def test_the_days_as_csv(open_page: OpenPage, site: Website) -> None:
    page = open_page("/projects/1")
    rows = list(csv.DictReader(io.StringIO(page.request.get(f"{site.url}/projects/1/days.csv?trace=1").text())))
    assert len(rows) == project_house.DAYS - len(project_house.GAP)
    assert (rows[0]["day"], rows[0]["coverage_pct"], rows[0]["expected"]) == ("2023-01-01", "100", "")
    assert float(rows[0]["temperature"]) == pytest.approx(
        sum(project_house.temperature_c(hour) for hour in range(24)) / 24, abs=0.01
    )
    assert float(rows[-1]["expected_half_width"]) == project_house.HALF_WIDTH


def test_only_an_operator_starts_a_run(site: Website, open_page: OpenPage) -> None:
    page = open_page("/projects/2")
    csrf = page.locator("form.who input[name=csrf]").get_attribute("value")
    before = len(site.catalog.state.runs)
    refused = page.request.post(f"{site.url}/projects/2/runs", form={"csrf": csrf or ""})
    assert (refused.status, refused.json()["code"]) == (403, "not_allowed")
    assert page.request.post(f"{site.url}/projects/2/runs", form={}).json()["code"] == "form_expired"
    assert len(site.catalog.state.runs) == before

"""Every page in a real browser: what axe says, on a phone, in other languages; sensors and replays are managed."""

import csv
import io
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.settings import Settings
from streams.catalog.commands import PutReceiver, RegisterSensor, SwitchOffReceiver
from streams.core.notices.rules import Rules
from tests.accessible import faults, fits
from tests.fakes import house, website
from tests.fakes.replays import FakeReplays
from tests.fakes.website import Website
from tests.notices import World, anomaly
from tests.waiting import until
from web.view.places import PLACES

OpenPage = Callable[..., Page]
PATHS = [
    *(place.path for place in PLACES),
    *("/receivers", "/receivers/new?channel=mqtt", "/receivers/ops"),
    *("/sensors/gre000001", "/sensors/new", "/replays/fix", "/?sensor=nobody000001", "/meters?id=nobody", "/signin"),
]


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    running = Website(make_settings(), replays=FakeReplays())
    running.catalog.add(RegisterSensor(sensor_id="021861234567", kind="linky", secret_sha256="a" * 64, owner="=1+1"))
    running.catalog.add(PutReceiver(receiver_id="ops", channel="email", address="ops@example.com", rules=("silence",)))
    told = World({"ops": Rules()}, log=[(1, anomaly()), (200, anomaly(end_s=190))], takes=lambda _, second: second < 100)
    running.messages.extend(told.run(300).kept.values())
    now = int(time.time())
    house.fill_minutes(running.db, "gre000001", [now // 60 * 60 - 60 * m for m in range(65)], until_s=now)
    house.fill(running.db, "gre000001", list(range(now - 30, now + 1)))
    yield running
    running.close()


@pytest.fixture(scope="module")
def admin(browser: Browser, site: Website) -> Iterator[Page]:
    """A page of an administrator; the tests use it one after another."""
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(site.url)
    page.get_by_label("Name").fill("root")
    page.get_by_label("Password").fill(website.ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("nav.places")
    yield page
    context.close()


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_serious_and_a_phone_scrolls_only_down(site: Website, admin: Page, path: str) -> None:
    if path == "/signin":
        admin = admin.context.browser.new_context().new_page()  # type: ignore[union-attr]
    found = []
    for width, scheme in ((1280, "light"), (390, "dark")):
        admin.set_viewport_size({"width": width, "height": 844})
        admin.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        admin.goto(site.url + path)
        admin.wait_for_load_state("load")
        found += [f"{scheme} {fault}" for fault in faults(admin)]
        fits(admin, width)
    assert found == []


def test_a_sensor_is_registered_changed_given_a_token_and_revoked(site: Website, admin: Page) -> None:
    admin.set_viewport_size({"width": 1280, "height": 900})
    admin.goto(f"{site.url}/sensors")
    admin.get_by_role("link", name="Register a sensor").click()
    admin.get_by_label("Id", exact=True).fill("mill-1")
    admin.get_by_role("button", name="Register", exact=True).click()
    expect(admin.locator("#e-sensor_id")).to_contain_text("gre000001")
    admin.get_by_label("Id", exact=True).fill("mill000001")
    admin.get_by_label("Owner").fill("Mill AG")
    admin.get_by_role("button", name="Register", exact=True).click()
    expect(admin.locator("#once")).to_contain_text("Its secret")
    secret = admin.locator("#once code").inner_text()
    admin.get_by_role("link", name="To the sensor").click()
    expect(admin.get_by_role("heading", level=1)).to_have_text("mill000001")
    admin.get_by_label("Contracted power").fill("36000")
    admin.get_by_label("Tariff plan").select_option("linky/hchp")
    admin.get_by_label("Thresholds").fill("sag_pct=88\nswell_pct=111")
    admin.get_by_role("button", name="Save").click()
    expect(admin.locator("#said")).to_have_text("Saved.")
    admin.get_by_label("Thresholds").fill("sag_pct=88")
    admin.get_by_role("button", name="Save").click()
    until(lambda: dict(site.catalog.state.sensors["mill000001"].thresholds) == {"sag_pct": 88}, "one threshold")
    hint = admin.get_by_text("bills of months that are over change, too")
    expect(hint).to_have_count(0)  # it was billed by nothing before
    admin.reload()
    expect(hint).to_be_hidden()
    admin.get_by_label("Contracted power").fill("42000")
    expect(hint).to_be_visible()
    admin.get_by_label("Both hold from").fill("2026-12-01")
    expect(hint).to_be_hidden()
    admin.reload()
    sensor = site.catalog.state.sensors["mill000001"]
    assert (sensor.contracted_power_w, sensor.tariff, sensor.owner) == (36000, "linky/hchp", "Mill AG")
    admin.get_by_role("button", name="Issue a token").click()
    expect(admin.locator("#once code")).to_contain_text("pm1_")
    admin.reload()
    expect(admin.locator("#once")).to_be_hidden()
    assert secret not in admin.content()
    admin.get_by_role("button", name="Revoke").click()
    admin.get_by_role("button", name="Cancel").click()
    assert not site.catalog.state.sensors["mill000001"].revoked
    admin.get_by_role("button", name="Revoke").click()
    admin.get_by_role("button", name="Yes").click()
    expect(admin.locator(".title .pill")).to_have_text("revoked")


def test_the_list_is_searched_and_its_csv_holds_no_formula(site: Website, admin: Page) -> None:
    admin.goto(f"{site.url}/sensors?kind=linky")
    expect(admin.locator("#table tbody tr")).to_have_count(1)
    rows = list(csv.DictReader(io.StringIO(admin.request.get(f"{site.url}/sensors.csv?kind=linky").text())))
    assert [(row["id"], row["owner"]) for row in rows] == [("021861234567", "'=1+1")]
    admin.goto(f"{site.url}/sensors?state=nonsense")
    assert admin.locator("#table tbody tr").count() >= 2


def test_a_webhook_is_added_tried_changed_and_removed(site: Website, admin: Page) -> None:
    admin.set_viewport_size({"width": 1280, "height": 900})
    admin.goto(f"{site.url}/anomalies")
    admin.get_by_role("link", name="Who is told").click()
    expect(admin.locator("#table tbody tr")).to_contain_text("being tried again")
    admin.get_by_role("link", name="Add a receiver").click()
    admin.get_by_role("button", name="Add", exact=True).click()
    expect(admin.locator("#e-receiver_id")).to_have_text("A name is needed here.")
    admin.get_by_label("Id", exact=True).fill("ops")
    admin.get_by_label("Address", exact=True).fill(f"http://127.0.0.1:{site.settings.gateway_port}/key-4711")
    admin.get_by_role("button", name="Add", exact=True).click()
    expect(admin.locator("#e-receiver_id")).to_contain_text("there is a receiver ops already")
    admin.get_by_label("Id", exact=True).fill("hook-1")
    admin.get_by_label("Quiet times", exact=True).fill("22:00-07:00\n25:00-26:00")
    admin.get_by_role("button", name="Add", exact=True).click()
    expect(admin.locator("#e-quiet")).to_contain_text("25:00-26:00")
    admin.get_by_label("Quiet times", exact=True).fill("22:00-07:00\nsat,sun 00:00-24:00")
    admin.locator("summary", has_text="Only these anomalies").click()
    admin.get_by_label("Voltage dip").check()
    admin.get_by_label("Silence").check()
    admin.get_by_role("button", name="Add", exact=True).click()
    expect(admin.locator("#once code")).to_contain_text("whsec_")
    secret = admin.locator("#once code").inner_text()
    made = site.catalog.state.receivers["hook-1"]
    assert (made.rules, made.quiet) == (("sag", "silence"), ("22:00-07:00", "sat,sun 00:00-24:00"))
    admin.get_by_role("link", name="To the receiver").click()
    expect(admin.get_by_role("heading", level=1)).to_have_text("hook-1")
    assert not any(word in admin.content() for word in ("key-4711", secret))
    admin.get_by_role("button", name="Send a test message").click()
    expect(admin.locator("#said")).to_have_text("The message was taken.")
    admin.get_by_label("How severe").select_option("severe")
    admin.get_by_label("Silence").uncheck()
    admin.get_by_role("button", name="Save").click()
    expect(admin.locator("#said")).to_have_text("Saved.")
    changed = site.catalog.state.receivers["hook-1"]
    assert (changed.rules, changed.severity, changed.sealed, changed.zone) == (("sag",), "severe", made.sealed, made.zone)
    admin.get_by_role("button", name="Remove").click()
    admin.get_by_role("button", name="Cancel").click()
    assert "hook-1" in site.catalog.state.receivers
    admin.get_by_role("button", name="Remove").click()
    admin.get_by_role("button", name="Yes").click()
    admin.wait_for_url("**/receivers")
    expect(admin.locator("#table tbody tr")).to_have_count(1)
    assert "hook-1" not in site.catalog.state.receivers


def test_one_that_was_switched_off_is_switched_on_again(site: Website, admin: Page) -> None:
    site.catalog.add(SwitchOffReceiver(receiver_id="ops", reason="it said 410"))
    admin.goto(f"{site.url}/receivers")
    expect(admin.locator("#table")).to_contain_text("switched off")
    admin.get_by_role("link", name="ops").click()
    expect(admin.locator("main")).to_contain_text("It is told nothing any more: it said 410")
    admin.get_by_role("button", name="Switch on again").click()
    expect(admin.get_by_role("button", name="Switch on again")).to_have_count(0)
    assert site.catalog.state.receivers["ops"].off is None


def test_a_viewer_may_only_look(site: Website, open_page: OpenPage) -> None:
    page = open_page("/sensors/gre000001", ready=False)
    expect(page.get_by_label("Owner")).to_be_disabled()
    expect(page.get_by_role("button", name="Issue a token")).to_have_count(0)
    csrf = page.locator("form.who input[name=csrf]").get_attribute("value") or ""
    refused = page.request.post(f"{site.url}/api/v1/sensors/gre000001/revoke", headers={"X-Powermon-Form": csrf})
    assert (refused.status, refused.json()["code"]) == (403, "role_missing")
    forged = page.request.post(f"{site.url}/api/v1/sensors/gre000001/revoke", headers={"X-Powermon-Form": "é"})
    assert (forged.status, forged.json()["code"]) == (403, "form_expired")
    page.goto(f"{site.url}/replays/fix")
    expect(page.get_by_role("button", name="Swap")).to_have_count(0)
    page.goto(f"{site.url}/anomalies")
    expect(page.get_by_role("link", name="Who is told")).to_have_count(0)
    for path in ("/receivers", "/receivers/new", "/receivers/ops"):
        assert page.goto(site.url + path).status == 403  # type: ignore[union-attr]
        assert "ops@example.com" not in page.content()


def test_a_replay_is_swapped_and_undone_after_a_question(site: Website, admin: Page) -> None:
    admin.goto(f"{site.url}/replays")
    admin.get_by_role("link", name="fix").click()
    expect(admin.locator("main")).to_contain_text("5 of 1440 minutes differ")
    expect(admin.locator("main")).to_contain_text("\u22122.000000 kWh")
    admin.get_by_role("button", name="Swap").click()
    admin.get_by_role("button", name="Yes").click()
    expect(admin.locator("#state")).to_have_text("live")
    admin.get_by_role("button", name="Undo the swap").click()
    admin.get_by_role("button", name="Yes").click()
    expect(admin.locator("#state")).to_have_text("complete")
    admin.goto(f"{site.url}/replays/slow")
    expect(admin.locator("progress").first).to_have_attribute("value", "25")
    assert admin.goto(f"{site.url}/replays/none").status == 404  # type: ignore[union-attr]


def test_the_system_page_says_what_does_not_answer(site: Website, admin: Page) -> None:
    admin.goto(f"{site.url}/system")
    row = admin.locator("#parts tr", has_text="gateway")
    expect(row).to_contain_text("ready")
    site.stop_part("gateway")
    expect(row).to_contain_text("does not answer", timeout=15_000)
    site.start_part("gateway")
    expect(row).to_contain_text("ready", timeout=15_000)


def test_a_reader_chooses_the_language_and_keeps_it(site: Website, browser: Browser) -> None:
    context = browser.new_context(locale="fr-FR")
    page = context.new_page()
    page.goto(f"{site.url}/signin")
    expect(page.get_by_role("heading", level=1)).to_have_text("Se connecter")
    page.request.get(f"{site.url}/signin?token={website.LINK}")
    page.goto(f"{site.url}/?sensor=gre000001")
    expect(page.locator("html")).to_have_attribute("lang", "fr")

    def comma() -> bool:
        now = int(time.time())
        house.fill(site.db, "gre000001", [now - 1, now])
        page.wait_for_timeout(300)
        return "," in page.locator('[data-number="voltage_A"]').inner_text()

    until(comma, "a decimal comma")
    expect(page.locator("#measured")).to_contain_text("mesuré")
    page.locator("#language").select_option("ko")
    expect(page.locator("#measured")).to_contain_text("측정됨")
    page.goto(f"{site.url}/sensors")
    expect(page.get_by_role("heading", level=1)).to_have_text("센서")
    context.close()

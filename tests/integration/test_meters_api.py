"""Meters over HTTP: the REST API, and the pages' HTML, on a real embedded ClickHouse."""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import jsonschema
import pytest

from infra.settings import Settings
from streams.catalog.commands import RegisterSensor
from tests.fakes import linky_house, website
from tests.fakes.website import Website
from web.view.meter_day import iso

METER, QUIET, PLAIN = "052165900001", "m0123456789abcdef0123", "052165900002"
READER = {"Authorization": f"Bearer {website.READER}"}
NOW = linky_house.evening()
FROM = NOW // 60 * 60 - 3600
HOLE = range(FROM + 600, FROM + 900)


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    running = Website(make_settings(), lambda: NOW)
    linky_house.fill_minutes(running.db, linky_house.minutes(METER, FROM, NOW, [HOLE]))
    linky_house.fill_frames(running.db, METER, [NOW - s for s in range(30)])
    running.catalog.add(RegisterSensor(sensor_id=QUIET, secret_sha256="a" * 64, kind="linky", zone="Indian/Reunion"))
    running.catalog.add(RegisterSensor(sensor_id=PLAIN, secret_sha256="a" * 64, kind="linky"))
    yield running
    running.close()


@pytest.fixture
async def http(site: Website) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(site.url, headers=READER) as session:
        yield session


async def told(http: aiohttp.ClientSession, path: str) -> tuple[int, dict[str, Any]]:
    async with http.get(path) as answer:
        return answer.status, await answer.json(content_type=None)


async def fits(http: aiohttp.ClientSession, path: str, said: object) -> None:
    _, document = await told(http, "/api/v1/openapi.json")
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(said, {**schema, "components": document["components"]})


async def test_meters_heard_and_registered(http: aiohttp.ClientSession) -> None:
    status, said = await told(http, "/api/v1/meters")
    assert status == 200
    await fits(http, "/api/v1/meters", said)
    assert [(one["id"], one["registered"]) for one in said["meters"]] == [(METER, False), (PLAIN, True), (QUIET, True)]
    assert (said["total"], said["matching"]) == (3, 3)
    assert [one["zone"] for one in said["meters"]] == ["Europe/Paris", "Europe/Paris", "Indian/Reunion"]
    assert (await told(http, "/api/v1/meters?q=0123"))[1]["matching"] == 1


async def test_one_meter(http: aiohttp.ClientSession) -> None:
    status, said = await told(http, f"/api/v1/meters/{METER}")
    assert status == 200
    await fits(http, "/api/v1/meters/{meter_id}", said)
    assert (said["contract_va"], said["tempo_today"], said["zone"]) == (6000, "blue", "Europe/Paris")
    status, quiet = await told(http, f"/api/v1/meters/{QUIET}")
    assert (status, quiet["state"], quiet["indexes"]) == (200, "never", [])
    await fits(http, "/api/v1/meters/{meter_id}", quiet)
    assert (await told(http, "/api/v1/meters/nobody"))[1]["code"] == "unknown_meter"


async def test_minutes_as_json_and_csv(http: aiohttp.ClientSession) -> None:
    path = f"/api/v1/meters/{METER}/minutes?from={iso(FROM)}&to={iso(FROM + 1800)}"
    status, said = await told(http, path)
    assert status == 200
    await fits(http, "/api/v1/meters/{meter_id}/minutes", said)
    assert [one["minute"] for one in said["minutes"]] == [iso(FROM + s) for s in range(0, 1800, 60) if FROM + s not in HOLE]
    async with http.get(f"{path}&format=csv") as answer:
        assert answer.content_type == "text/csv"
        assert f'filename="{METER}-' in answer.headers["Content-Disposition"]
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [row["minute_utc"] for row in rows] == [one["minute"] for one in said["minutes"]]
    index = next(one for one in said["minutes"][0]["indexes"] if one["label"] == "EAST")
    assert (int(rows[0]["EAST_wh"]), int(rows[0]["EAST_energy_wh"])) == (index["last_wh"], index["energy_wh"])
    assert rows[0]["minute_local"].endswith(("+01:00", "+02:00"))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param("from=yesterday", "bad_from", id="no time"),
        pytest.param("from=2026-03-02T09:00:00", "bad_from", id="of no zone"),
        pytest.param("from=2026-03-02&to=2026-03-02", "bad_to", id="nothing between"),
        pytest.param("from=2026-03-02&to=2026-06-02", "bad_to", id="too much"),
        pytest.param("format=xml", "bad_format", id="no such form"),
        pytest.param("from=9999-12-31", "bad_from", id="after all time"),
    ],
)
async def test_what_is_wrong_with_a_span_is_named(http: aiohttp.ClientSession, query: str, code: str) -> None:
    status, said = await told(http, f"/api/v1/meters/{METER}/minutes?{query}")
    assert (status, said["code"]) == (422, code)


async def test_pages_lead_to_other_days_and_say_what_is_missing(http: aiohttp.ClientSession) -> None:
    async def page(path: str) -> tuple[int, str]:
        async with http.get(path) as answer:
            return answer.status, await answer.text()

    status, today = await page(f"/meters?id={METER}")
    assert status == 200
    before = re.search(r'href="(/meters\?id=\d+&amp;day=[0-9-]+)"', today)
    assert before is not None
    status, yesterday = await page(before[1].replace("&amp;", "&"))
    assert (status, 'aria-label="The day after"' in yesterday) == (200, True)
    assert (await page("/meters"))[0] == 200
    status, nobody = await page("/meters?id=nobody")
    assert (status, "No meter called nobody" in nobody) == (404, True)
    for wrong in ("day=2999-01-01", "day=0001-01-01", "day=x"):
        assert 'id="day-title">Today' in (await page(f"/meters?id={METER}&{wrong}"))[1]


async def test_nothing_is_shown_to_strangers(site: Website) -> None:
    async with aiohttp.ClientSession(site.url) as session:
        for path in ("/meters", "/meters/ws", "/api/v1/meters", f"/api/v1/meters/{METER}", f"/api/v1/meters/{METER}/minutes"):
            assert (await told(session, path))[0] == 401

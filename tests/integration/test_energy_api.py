"""Energy, demand and cost over REST, on the embedded ClickHouse: against sums made by hand, and worked bills to the won."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pyarrow.parquet as pq
import pytest

from infra.settings import Settings
from sinks import rollup
from sinks.quarter_sql import LINKY, POWER
from streams import tariffs
from streams.catalog.commands import ChangeSensor, PutTariff, RegisterSensor
from streams.core import energy
from tests.fakes import linky_house, website
from tests.fakes.website import Website
from tests.quarters import insert, steady

READER = {"Authorization": f"Bearer {website.READER}"}
SEOUL, PARIS, METER, PLAIN = "kwh000001", "kwh000002", "052165900001", "kwh000003"
WORKED = json.loads((Path(__file__).parents[1] / "golden" / "tariff" / "examples.json").read_text())["examples"][1]
MONTH = date(2026, 10, 1)
SPRING = date(2026, 3, 29)
NOW_S = float(energy.midnight("Asia/Seoul", date(2026, 11, 1)) + 10 * 3600 + 600)


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    running = Website(make_settings(), lambda: NOW_S)
    plan = f"{WORKED['class']}/{WORKED['voltage']}/{WORKED['option']}"
    registered: list[dict[str, Any]] = [
        {"sensor_id": SEOUL, "tariff": f"kepco/{plan}", "contracted_power_w": 100_000.0},
        {"sensor_id": PARIS, "zone": "Europe/Paris"},
        {"sensor_id": PLAIN},
        {"sensor_id": METER, "kind": "linky"},
    ]
    for one in registered:
        running.catalog.add(RegisterSensor(secret_sha256="a" * 64, **one))
    start, end = energy.midnight("Asia/Seoul", MONTH), energy.midnight("Asia/Seoul", energy.next_month(MONTH))
    # What the contract's demand is, 0.2 % more would be seen; the last 600 s are today's, in the live quarter.
    insert(running.db, [steady(SEOUL, at, 100_000, at, phases=2) for at in range(start, end, 60)])
    insert(running.db, [steady(SEOUL, int(NOW_S) - 60 * m, 60_000, int(NOW_S) + 100 - m) for m in range(1, 11)])
    first = energy.midnight("Europe/Paris", SPRING)
    insert(running.db, [steady(PARIS, first + 60 * m, 3000, m) for m in range(23 * 60) if not 600 <= m < 660])
    linky_house.fill_minutes(running.db, linky_house.minutes(METER, int(NOW_S) - 7200, int(NOW_S), []))
    for kind in (POWER, LINKY):
        rollup.begin(running.db, kind)
    yield running
    running.close()


@pytest.fixture
async def http(site: Website) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(site.url, headers=READER) as session:
        yield session


async def told(http: aiohttp.ClientSession, path: str, status: int = 200) -> dict[str, Any]:
    async with http.get(f"/api/v1/{path}") as answer:
        said: dict[str, Any] = await answer.json(content_type=None)
        assert answer.status == status, said
    if status == 200:
        async with http.get("/api/v1/openapi.json") as answer:
            document = await answer.json()
        schema = document["paths"][f"/api/v1/{path.partition('?')[0]}"]["get"]["responses"]["200"]["content"]["application/json"]
        jsonschema.validate(said, {**schema["schema"], "components": document["components"]})
    return said


async def test_a_day_of_23_hours_with_an_hour_unmeasured(http: aiohttp.ClientSession) -> None:
    said = await told(http, f"energy?sensor={PARIS}&from={SPRING}&resolution=hour")
    assert (said["zone"], len(said["rows"])) == ("Europe/Paris", 23)
    assert [row["import_kwh"] for row in said["rows"]] == [3.0] * 10 + [0.0] + [3.0] * 12
    assert (said["rows"][10]["coverage"], said["rows"][10]["a_kwh"]) == (0.0, None)
    (day,) = (await told(http, f"energy?sensor={PARIS}&from={SPRING}&resolution=day"))["rows"]
    assert (day["import_kwh"], day["a_kwh"], day["possible_s"], day["seconds"]) == (66.0, 22.0, 23 * 3600, 22 * 3600)
    assert (day["demand_max_kw"], day["coverage"]) == (3.0, pytest.approx(22 / 23, abs=1e-6))
    year = (await told(http, f"energy?sensor={PARIS}&from=2026-01-01&to=2027-01-01&resolution=month"))["rows"]
    assert [row["import_kwh"] for row in year] == [0.0] * 2 + [66.0] + [0.0] * 9


async def test_a_month_by_band(http: aiohttp.ClientSession) -> None:
    said = await told(http, f"energy?sensor={SEOUL}&from=2026-10-01&to=2026-11-01&resolution=month&bands=1")
    assert {row["band"]: row["import_kwh"] for row in said["rows"]} == WORKED["kwh"]
    assert [row["coverage"] for row in said["rows"]] == [1.0] * 3
    assert (await told(http, f"energy?sensor={PLAIN}&bands=1", 409))["code"] == "no_price"


async def test_a_bill_to_the_won_and_the_same_month_under_another_tariff(http: aiohttp.ClientSession) -> None:
    said = await told(http, f"bill?sensor={SEOUL}&month=2026-10&beside=kepco/industrial_b/high_a/III")
    kinds = [line["kind"] for line in said["lines"]]
    assert "power_factor" in kinds
    rest = {
        k: sum(line["amount"] for line in said["lines"] if line["kind"] == k) for k in ("base", "energy", "discount", "climate")
    }
    assert rest == {
        "base": WORKED["base"],
        "energy": WORKED["energy"],
        "discount": -WORKED["discount"],
        "climate": WORKED["climate"],
    }
    # 95 %, three above the standard: 0.6 % of the base fee less.
    assert said["charge"] == WORKED["charge"] - WORKED["base"] * 0.006
    assert (said["billing_demand"]["kw"], said["billing_demand"]["of"], said["complete"]) == (100.0, "2026-10", True)
    assert said["beside"]["tariff"] == "kepco/industrial_b/high_a/III"
    assert said["beside"]["total"] != said["total"]


async def test_another_plan_from_a_day_on_leaves_the_days_before_as_they_were(site: Website, http: aiohttp.ClientSession) -> None:
    own, other = f"kepco/{WORKED['class']}/{WORKED['voltage']}/{WORKED['option']}", "kepco/industrial_b/high_a/III"
    before = await told(http, f"bill?sensor={SEOUL}&month=2026-10")

    def hold(tariff: str, day: str) -> None:
        site.catalog.add(ChangeSensor(sensor_id=SEOUL, tariff=tariff, valid_from=day))

    hold(other, "2026-11-01")
    assert await told(http, f"bill?sensor={SEOUL}&month=2026-10") == before
    assert (await told(http, f"bill?sensor={SEOUL}&month=2026-11"))["tariff"] == other
    hold(own, "2026-11-01")
    hold(other, "2026-10-16")
    split = await told(http, f"bill?sensor={SEOUL}&month=2026-10")
    base = [line for line in split["lines"] if line["kind"] == "base"]
    assert [line["text"] for line in base] == ["base fee, 15 of 31 days", "base fee, 16 of 31 days"]
    assert "plan_changed" in split["note_codes"]
    assert split["tariff"] == other
    whole = await told(http, f"bill?sensor={SEOUL}&month=2026-10&tariff={other}")
    assert "plan_changed" not in whole["note_codes"]
    assert split["by_band"] != before["by_band"]
    hold(own, "2026-10-16")
    assert await told(http, f"bill?sensor={SEOUL}&month=2026-10") == before


async def test_a_bill_as_a_file(http: aiohttp.ClientSession) -> None:
    lines = (await told(http, f"bill?sensor={SEOUL}&month=2026-10"))["lines"]
    async with http.get(f"/api/v1/bill?sensor={SEOUL}&month=2026-10&format=csv") as answer:
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [(row["kind"], float(row["amount"])) for row in rows] == [(line["kind"], line["amount"]) for line in lines]
    path = f"/api/v1/energy?sensor={PARIS}&from={SPRING}&resolution=quarter"
    async with http.get(path, headers={"Accept": "application/vnd.apache.parquet"}) as answer:
        table = pq.read_table(io.BytesIO(await answer.read()))
    assert table["import_kwh"].to_pylist() == [0.75] * 40 + [0.0] * 4 + [0.75] * 48


async def test_demand_against_the_contract_and_a_forecast(http: aiohttp.ClientSession) -> None:
    said = await told(http, f"demand?sensor={SEOUL}")
    assert (said["month"], said["contract_kw"]) == ("2026-11", 100.0)
    assert said["peak"] == {"kw": 40.0, "at": "2026-11-01T01:00:00Z", "of_contract": 0.4, "seconds": 600}
    assert said["sliding_peak"]["kw"] == 40.0
    assert said["now"]["forecast_kw"] == 60.0
    assert said["billing_peak"] == {"kw": 0.0, "at": "2026-10-31T15:00:00Z"}  # a Sunday: all of it light load
    before = await told(http, f"demand?sensor={SEOUL}&month=2026-10")
    assert (before["peak"]["kw"], before["peak"]["at"], before["now"]) == (100.0, "2026-09-30T15:00:00Z", None)
    assert before["billing_peak"]["at"] == "2026-09-30T23:00:00Z"


async def test_cost_so_far(http: aiohttp.ClientSession) -> None:
    said = await told(http, f"cost?sensor={SEOUL}")
    assert said["today"]["by_band"] == [{"band": "light", "kwh": 10.0, "amount": 1230.0}]
    assert said["today"]["charge"] == 1230.0 + 90.0 + 50.0
    assert sum(one["kwh"] for one in said["yesterday"]["by_band"]) == 2400
    assert (said["month"]["complete"], said["today"]["complete"], said["yesterday"]["complete"]) == (False, False, True)
    assert said["month"]["billing_demand"]["kw"] == 30.0  # 30 % of the contract: October's peak does not count
    assert (await told(http, f"cost?sensor={PLAIN}", 409))["code"] == "no_price"
    other = await told(http, f"cost?sensor={PLAIN}&tariff=kepco/general_b/high_a/I")
    assert (other["today"]["charge"], other["today"]["coverage"]) == (0, 0)


async def test_a_tariff_of_the_catalog_takes_the_place_of_a_built_in_one_from_its_day_on(
    site: Website, http: aiohttp.ClientSession
) -> None:
    document = json.loads(tariffs.text("kepco"))
    for entry in document["per_kwh"]["climate_environment"]:
        entry["krw"] = 10.0
    site.catalog.add(PutTariff(tariff_id="kepco", valid_from="2026-11-01", document=json.dumps(document)))
    assert (await told(http, f"cost?sensor={SEOUL}"))["today"]["charge"] == 1230.0 + 100.0 + 50.0
    assert (await told(http, f"cost?sensor={SEOUL}"))["yesterday"]["charge"] % 100 >= 0
    climate = [line for line in (await told(http, f"bill?sensor={SEOUL}&month=2026-10"))["lines"] if line["kind"] == "climate"]
    assert [line["price"] for line in climate] == [9.0]


async def test_a_linky_is_billed_by_its_indexes(site: Website, http: aiohttp.ClientSession) -> None:
    said = await told(http, f"bill?sensor={METER}&month=2026-11")
    assert said["tariff"] == "linky/base" or said["tariff"] == "linky/hchp"
    (drawn,) = site.db.rows(f"SELECT sum(drawn_wh) FROM tic_minutes WHERE meter_id = '{METER}'")[0]
    assert sum(line["quantity"] for line in said["lines"] if line["kind"] == "energy") == drawn / 1000
    rows = (await told(http, f"energy?sensor={METER}&resolution=day&bands=1&from=2026-11-01"))["rows"]
    assert sum(row["import_kwh"] for row in rows) == drawn / 1000
    assert (await told(http, f"demand?sensor={METER}"))["contract_kw"] == 6.0


async def test_every_sensor_of_a_fleet(http: aiohttp.ClientSession) -> None:
    said = await told(http, "energy?from=2026-10-01&to=2026-10-03&resolution=day")
    assert [(row["sensor_id"], row["import_kwh"]) for row in said["rows"]] == [(SEOUL, 2400.0)] * 2


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("energy?sensor=nobody", 404, "unknown_sensor"),
        ("energy?site=nowhere", 404, "unknown_site"),
        (f"energy?sensor={PARIS}&resolution=week", 422, "bad_resolution"),
        (f"energy?sensor={PARIS}&from=soon", 422, "bad_from"),
        (f"energy?sensor={PARIS}&from=2026-03-01&to=2026-03-01", 422, "bad_to"),
        (f"energy?sensor={PARIS}&format=xls", 422, "bad_format"),
        (f"bill?sensor={SEOUL}&month=2026-13", 422, "bad_month"),
        (f"bill?sensor={SEOUL}&tariff=kepco/nothing/low/I", 409, "no_price"),
        (f"bill?sensor={SEOUL}&tariff=none/base", 409, "no_price"),
        ("demand?sensor=", 404, "unknown_sensor"),
    ],
)
async def test_refusals(http: aiohttp.ClientSession, path: str, status: int, code: str) -> None:
    assert (await told(http, path, status))["code"] == code


async def test_quarters_that_are_too_new_for_the_table_are_made_from_the_minutes(
    site: Website, http: aiohttp.ClientSession
) -> None:
    quarter = "from=2026-11-01T01:00:00Z&to=2026-11-01T01:15:00Z&resolution=quarter"
    assert (await told(http, f"energy?sensor={SEOUL}&{quarter}"))["rows"][0]["import_kwh"] == 10.0
    insert(site.db, [steady(SEOUL, int(NOW_S), 60_000, int(NOW_S) + 1000)])
    assert (await told(http, f"energy?sensor={SEOUL}&{quarter}"))["rows"][0]["import_kwh"] == 11.0

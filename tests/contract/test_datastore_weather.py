"""Weather: stations' temperatures over REST, in the manner of consumption's records."""

import json
from typing import Any

import pytest

from tests.fakes.datastore import READ, WRITE, Store

LIST, SYNC2 = "weather_records/", "weather_records/sync2/"
FAILED = (400, {"status": "error", "message": "Error attempting to sync"})


@pytest.fixture
def store(shelved: Store) -> Store:
    return shelved


async def test_weather_is_synced_by_station_kind_and_start(store: Store) -> None:
    station = {
        "station_id": "722880",
        "label": "Burbank",
        "zipcodes": ["91104"],
        "timezone": "America/Los_Angeles",
        "unit": "DEGC",
    }
    await store.post("weather_stations/", station)
    batch = [
        {"station_id": "722880", "start": "2014-01-01T00:00:00Z", "value": 11.5},
        {"station_id": 722880, "start": "2014-01-01T00:00:00Z", "value": 9, "kind": "NORMAL"},
        {"station_id": "722880", "start": "2014-01-01T00:00:00Z", "value": 12},
    ]
    assert (await store("POST", "weather_records/sync2/", batch)).said == (200, {"status": "success"})
    row = {"id": 1, "station_id": "722880", "start": "2014-01-01T00:00:00Z", "value": 12.0, "kind": "OBSERVED"}
    normal = {**row, "id": 2, "value": 9.0, "kind": "NORMAL"}
    assert await store.get("weather_records/") == [row, normal]
    assert await store.get("weather_records/?station_id=722880&kind=NORMAL") == [normal]
    for nothing in ("station_id=x", "kind=x", "start=x", "start=2014-01-02T00:00"):
        assert await store.get(f"weather_records/?{nothing}") == []


@pytest.mark.parametrize("wrong", [{"station_id": "x"}, {"kind": "x"}, {"value": "x"}, {"start": "x"}], ids=str)
async def test_weather_is_all_or_nothing(store: Store, wrong: dict[str, Any]) -> None:
    await store.post("weather_stations/", {"station_id": "s", "timezone": "UTC", "unit": "DEGC"})
    good = {"station_id": "s", "start": "2014-01-01T00:00:00Z", "value": 1}
    assert (await store("POST", "weather_records/sync2/", [good, {**good, **wrong}])).said == FAILED
    assert await store.get("weather_records/") == []


@pytest.fixture
async def two(store: Store) -> Store:
    """Stations s and t, each with an observed and a normal hour."""
    for name in "st":
        await store.post("weather_stations/", {"station_id": name})
    hours = [
        {"station_id": name, "start": f"2014-01-0{day}T00:00:00Z", "value": day, "kind": kind}
        for name in "st"
        for day, kind in ((1, "OBSERVED"), (2, "NORMAL"))
    ]
    assert (await store("POST", SYNC2, hours)).said == (200, {"status": "success"})
    return store


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("", [1, 2, 3, 4], id="all"),
        pytest.param("station_id=t", [3, 4], id="station"),
        pytest.param("station_id=t&station_id=s", [1, 2], id="the last station"),
        pytest.param("kind=OBSERVED", [1, 3], id="kind"),
        pytest.param("kind=observed", [], id="kinds are exact"),
        pytest.param("start=2014-01-02T00:00", [2, 4], id="start, without a zone"),
        pytest.param("start=2014-01-02T09:00%2B09:00", [2, 4], id="start as an instant"),
        pytest.param("start=2014-01-02", [], id="a bare date"),
        pytest.param("station_id=t&kind=NORMAL&start=2014-01-02T00:00Z", [4], id="all of them"),
        pytest.param("station_id=t&kind=OBSERVED&start=2014-01-02T00:00Z", [], id="all of them, one wrong"),
        pytest.param("page=2&limit=1&value=1", [1, 2, 3, 4], id="unknown parameters are ignored"),
    ],
)
async def test_filters_of_weather(two: Store, query: str, found: list[int]) -> None:
    rows = await two.get(f"{LIST}?{query}")
    assert [one["id"] for one in rows] == found
    assert all(list(one) == ["id", "station_id", "start", "value", "kind"] for one in rows)


@pytest.mark.parametrize("name", ["station_id", "start", "value"])
async def test_weather_s_fields_must_be_there(two: Store, name: str) -> None:
    await two.post("weather_stations/", {"station_id": "UNSET"})
    body = {"station_id": "s", "start": "2014-01-03T00:00Z", "value": 1.5}
    del body[name]
    assert (await two("POST", SYNC2, [body])).said == FAILED
    assert (await two("POST", SYNC2, body)).said == FAILED


@pytest.mark.parametrize("sent", [None, True, [], {}, "", " "], ids=str)
async def test_a_station_is_named_by_text_or_number_and_by_nothing_else(two: Store, sent: Any) -> None:
    for name in ("None", "True", "[]", "{}"):
        await two.post("weather_stations/", {"station_id": name})
    before = await two.get(LIST)
    body = {"station_id": sent, "start": "2014-01-03T00:00Z", "value": 1.5}
    assert (await two("POST", SYNC2, [body])).said == FAILED
    assert await two.get(LIST) == before


@pytest.mark.parametrize("value", ["NaN", "", None, float("nan")], ids=str)
async def test_weather_that_is_not_known_is_null(two: Store, value: Any) -> None:
    body = json.dumps([{"station_id": "s", "start": "2014-01-03T00:00+0000", "value": value, "colour": "NaN"}]).encode()
    assert (await two("POST", SYNC2, data=body, Content_Type="application/json")).said == (200, {"status": "success"})
    assert [one["value"] for one in await two.get(f"{LIST}?start=2014-01-03T00:00Z")] == [None]


async def test_a_repeated_batch_of_weather_changes_nothing(two: Store) -> None:
    before = await two.get(LIST)
    sent = [{name: one[name] for name in ("station_id", "start", "value", "kind")} for one in before]
    for body in (sent, [], list(reversed(sent))):
        assert (await two("POST", SYNC2, body)).text == '{"status":"success"}'
    assert await two.get(LIST) == before


async def test_weather_needs_its_scope(two: Store) -> None:
    for token, get, post in ((None, 401, 401), (READ, 200, 403), (WRITE, 403, 200)):
        assert (await two("GET", LIST, token=token)).status == get
        assert (await two("POST", SYNC2, [], token=token)).status == post
    for method, path in (("POST", LIST), ("GET", SYNC2), ("DELETE", LIST)):
        assert (await two(method, path, [])).said == (405, {"detail": f'Method "{method}" not allowed.'})


async def test_a_removed_station_s_weather_is_gone_at_once_and_a_new_one_of_its_name_has_none(two: Store) -> None:
    assert (await two("DELETE", "weather_stations/1/")).status == 204
    assert {one["station_id"] for one in await two.get(LIST)} == {"t"}
    assert await two.get(f"{LIST}?station_id=s") == []
    gone = {"station_id": "s", "start": "2014-01-03T00:00Z", "value": 1}
    assert (await two("POST", SYNC2, [gone])).said == FAILED
    await two.post("weather_stations/", {"station_id": "s"})
    assert await two.get(f"{LIST}?station_id=s") == []

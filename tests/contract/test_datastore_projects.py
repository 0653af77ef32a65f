"""Projects and how filters behave, one test a sentence of the contract."""

from typing import Any

import pytest

from tests.fakes.datastore import Store

FIELDS = (
    *("id", "project_owner", "project_id", "baseline_period_start", "baseline_period_end"),
    *("reporting_period_start", "reporting_period_end", "zipcode"),
)


async def test_the_fields_of_a_project_in_their_order(store: Store) -> None:
    made = await store.project(
        zipcode="91104", baseline_period_end="2012-01-01T00:00Z", reporting_period_start="2012-02-01T00:00Z"
    )
    assert list(made) == list(FIELDS)
    assert made == {
        **dict.fromkeys(FIELDS),
        "id": 1,
        "project_owner": 1,
        "project_id": "ABC",
        "zipcode": "91104",
        "baseline_period_end": "2012-01-01T00:00:00Z",
        "reporting_period_start": "2012-02-01T00:00:00Z",
    }
    assert await store.get("projects/") == [made]


async def test_project_id_is_unique(store: Store) -> None:
    await store.project("ABC")
    await store.project("DEF")
    body, taken = {"project_id": "ABC", "project_owner": 1}, {"project_id": ["project with this project id already exists."]}
    for method, path in (("POST", "projects/"), ("PUT", "projects/2/"), ("PATCH", "projects/2/")):
        assert (await store(method, path, body)).said == (400, taken)
    assert (await store("PUT", "projects/1/", body)).status == 200


async def test_project_id_is_case_sensitive(store: Store) -> None:
    assert [(await store.project(label))["id"] for label in ("abc", "ABC")] == [1, 2]


async def test_a_blank_zipcode_is_allowed(store: Store) -> None:
    assert (await store.project(zipcode=""))["zipcode"] == ""


async def test_weather_station_and_timezone_are_taken_and_never_shown(store: Store) -> None:
    await store.post("weather_stations/", {"station_id": "724940"})
    made = await store.project(weather_station=1, timezone="America/Los_Angeles")
    assert list(made) == list(FIELDS)
    project = store.catalog.state.projects[1]
    assert (project.weather_station, project.timezone) == (1, "America/Los_Angeles")
    wrong = await store("PATCH", "projects/1/", {"weather_station": 9, "timezone": "Mars/Base"})
    assert (wrong.status, set(wrong.json)) == (400, {"weather_station", "timezone"})


async def test_with_attributes_adds_a_ninth_field(store: Store) -> None:
    await store.project()
    for name, kind in (("sqft", "FLOAT"), ("built", "DATETIME"), ("solar", "BOOLEAN")):
        await store.post("project_attribute_keys/", {"name": name, "display_name": name, "data_type": kind})
    for sent in ({"key": 1, "float_value": 12.5}, {"key": 2, "datetime_value": "2001-01-01T00:00:00+01:00"}, {"key": 3}):
        await store.post("project_attributes/", {"project": 1, **sent})
    for found in (*await store.get("projects/?with_attributes=True"), await store.get("projects/1/?with_attributes=True")):
        assert list(found) == [*FIELDS, "attributes"]
        assert found["attributes"] == [
            {"key": 1, "value": 12.5},
            {"key": 2, "value": "2000-12-31T23:00:00Z"},
            {"key": 3, "value": None},
        ]


# ---- filters


async def _selected(store: Store, query: str, what: str = "projects") -> list[int]:
    return [one["id"] for one in await store.get(f"{what}/?{query}")]


@pytest.fixture
async def five(store: Store) -> Store:
    for k, day in enumerate(("2012-01-01T00:00Z", "2012-01-01T23:59:59.999999Z", "2012-01-02T00:00Z", None, None), 1):
        await store.project(f"p{k}", baseline_period_end=day, reporting_period_start=day, zipcode=f"9110{k % 2}")
    await store.post("project_blocks/", {"name": "a", "projects": [1, 2]})
    await store.post("project_blocks/", {"name": "b", "projects": [2, 3]})
    return store


@pytest.mark.parametrize(
    ("query", "selected"),
    [
        ("project_id=p2", [2]),
        ("project_id=P2", []),
        ("project_id=p2&project_id=p3", [3]),
        ("zipcode=91101", [1, 3, 5]),
        ("zipcode=91101&project_id=p3", [3]),
        ("project_owner=1", [1, 2, 3, 4, 5]),
        ("project_owner=9", []),
        ("project_owner=x", []),
        ("project_owner=x&zipcode=91101", []),
        ("baseline_period_end_0=2012-01-01&baseline_period_end_1=2012-01-01", [1, 2]),
        ("baseline_period_end_0=2012-01-02", [3]),
        ("baseline_period_end_1=2012-01-01", [1, 2]),
        ("reporting_period_start_0=2012-01-02", [3]),
        ("reporting_period_start_1=2012-01-02", [1, 2, 3]),
        ("baseline_period_end_0=2012-02-30", []),
        ("baseline_period_end_1=junk", []),
        ("reporting_period_start_0=2012-01-01T00:00Z", []),
        ("baseline_period_end=2012-01-01", [1, 2, 3, 4, 5]),
        ("projectblock_or=1", [1, 2]),
        ("projectblock_or=1&projectblock_or=2", [1, 2, 3]),
        ("projectblock_and=1&projectblock_and=2", [2]),
        ("projectblock_or=1,2", []),
        ("projectblock_or=x", []),
        ("projectblock_and=9", []),
    ],
)
async def test_filters_of_projects(five: Store, query: str, selected: list[int]) -> None:
    assert await _selected(five, query) == selected


@pytest.mark.parametrize(
    ("value", "selected"),
    [
        ("1", [1]),
        ("1+3", [1, 3]),
        ("1%203", [1, 3]),
        ("1%2B3", [1, 3]),
        ("2-4", [2, 3, 4]),
        ("1-2+2-3+3", [1, 2, 3]),
        ("3+abc", [3]),
        ("", []),
        ("abc", []),
        ("1-2-3", []),
        ("-1", []),
        ("3-1", []),
        ("1,2", []),
        ("a-b", []),
        ("1-99999999999999999999", []),
        ("9" * 5000, []),
    ],
)
async def test_the_projects_filter(five: Store, value: str, selected: list[int]) -> None:
    assert await _selected(five, f"projects={value}") == selected
    for pk in range(1, 6):
        await five.post("consumption_metadatas/?summary=True", {"interpretation": "E_C_S", "unit": "KWH", "project": pk})
    assert await _selected(five, f"summary=True&projects={value}", "consumption_metadatas") == selected


async def test_a_dead_flag_is_ignored(five: Store) -> None:
    assert len(await five.get("projects/?with_meter_runs=True")) == 5


# ---- DELETE


async def test_delete_takes_along_what_belongs_to_the_project(store: Store) -> None:
    await store.project("a")
    await store.project("b")
    await store.post("project_attribute_keys/", {"name": "k", "display_name": "K", "data_type": "CHAR"})
    for pk in (1, 2):
        await store.post("project_attributes/", {"project": pk, "key": 1, "char_value": "x"})
        await store.post("consumption_metadatas/?summary=True", {"interpretation": "E_C_S", "unit": "KWH", "project": pk})
    await store.post("project_blocks/", {"name": "both", "projects": [1, 2]})
    await store.post("registry/connections/", {"projects": [1, 2]})
    assert (await store("DELETE", "projects/1/")).status == 204
    for path in ("projects/1/", "project_attributes/1/", "consumption_metadatas/1/"):
        assert (await store("GET", path)).said == (404, {"detail": "Not found."})
    assert (await store.get("project_blocks/1/"))["projects"] == [2]
    assert (await store.get("registry/connections/1/"))["projects"] == [2]
    again = await store.project("a")
    assert again["id"] == 3


# ---- sync

RECORD: dict[str, Any] = {
    "project_id": "ABC",
    "project_owner_id": 1,
    "zipcode": "50321",
    "baseline_period_end": "2013-06-01T00:00:00+00:00",
    "reporting_period_start": None,
}


async def test_sync_created_unchanged_updated(store: Store) -> None:
    created = await store("POST", "projects/sync/", [RECORD])
    shown = {
        "id": 1,
        "project_owner": 1,
        "project_id": "ABC",
        "baseline_period_start": None,
        "baseline_period_end": "2013-06-01T00:00:00Z",
        "reporting_period_start": None,
        "reporting_period_end": None,
        "zipcode": "50321",
    }
    assert created.said == (200, [{**shown, "status": "created"}])
    assert list(created.json[0]) == [*FIELDS, "status"]
    same_instant = {**RECORD, "baseline_period_end": "2013-06-01T02:00:00+0200"}
    assert (await store("POST", "projects/sync/", [same_instant])).said == (200, [{**shown, "status": "unchanged - same record"}])
    updated = await store("POST", "projects/sync/", [{**RECORD, "zipcode": None}])
    assert updated.said == (200, [{**shown, "zipcode": None, "status": "updated"}])


async def test_sync_ignores_other_fields_neither_stored_nor_compared(store: Store) -> None:
    await store.project(baseline_period_start="2011-01-01T00:00Z", **{k: v for k, v in RECORD.items() if k != "project_owner_id"})
    more = {**RECORD, "baseline_period_start": None, "reporting_period_end": "junk", "x": 1}
    (entry,) = (await store("POST", "projects/sync/", [more])).json
    assert (entry["status"], entry["baseline_period_start"]) == ("unchanged - same record", "2011-01-01T00:00:00Z")


async def test_sync_answers_in_order_stores_the_good_ones_and_is_400_when_any_is_wrong(store: Store) -> None:
    records = [
        RECORD,
        {**RECORD, "project_id": "B", "project_owner_id": 9},
        {**RECORD, "project_id": "C"},
        {**RECORD, "zipcode": "1"},
        RECORD,
        {**RECORD, "project_owner_id": None},
        {**RECORD, "project_id": "D", "baseline_period_end": "junk"},
        {**RECORD, "project_id": "C", "zipcode": "x" * 11},
        7,
    ]
    answer = await store("POST", "projects/sync/", records)
    assert answer.status == 400
    assert [entry["status"] for entry in answer.json] == [
        "created",
        "error - integrity error - create",
        "created",
        "updated",
        "updated",
        "error - integrity error - update",
        "error - bad field value - create",
        "error - bad field value - update",
        "error - bad field value - create",
    ]
    assert [one["project_id"] for one in await store.get("projects/")] == ["ABC", "C"]
    assert list(answer.json[1]) == ["project_id", "status", "message"]


@pytest.mark.parametrize("missing", list(RECORD))
async def test_sync_a_missing_field_is_named_and_the_others_go_through(store: Store, missing: str) -> None:
    without = {name: value for name, value in RECORD.items() if name != missing}
    answer = await store("POST", "projects/sync/", [without, {**RECORD, "project_id": "DEF"}])
    assert answer.status == 400
    label = None if missing == "project_id" else "ABC"
    assert answer.json[0] == {"project_id": label, "status": "error - missing field", "message": f"'{missing}'"}
    assert answer.json[1]["status"] == "created"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"project_id": "x" * 256}, "error - bad field value - create"),
        ({"project_id": ""}, "error - bad field value - create"),
        ({"project_id": None}, "error - integrity error - create"),
        ({"project_id": ["ABC"]}, "error - bad field value - create"),
        ({"project_owner_id": "x"}, "error - bad field value - create"),
        ({"project_owner_id": {}}, "error - bad field value - create"),
        ({"project_owner_id": 10**30}, "error - integrity error - create"),
        ({"project_owner_id": -1}, "error - integrity error - create"),
        ({"zipcode": 123456789012}, "error - bad field value - create"),
        ({"reporting_period_start": "2012-01-01"}, "error - bad field value - create"),
    ],
)
async def test_sync_values_that_do_not_fit(store: Store, wrong: dict[str, Any], status: str) -> None:
    answer = await store("POST", "projects/sync/", [{**RECORD, **wrong}])
    assert (answer.status, answer.json[0]["status"]) == (400, status)
    assert await store.get("projects/") == []


async def test_sync_of_an_empty_list_is_200_and_an_empty_list(store: Store) -> None:
    assert (await store("POST", "projects/sync/", [])).said == (200, [])


async def test_sync_takes_a_bare_object_as_a_list_of_one_and_refuses_a_scalar(store: Store) -> None:
    one = await store("POST", "projects/sync/", RECORD)
    assert (one.status, [entry["status"] for entry in one.json]) == (200, ["created"])
    for scalar in ("x", 1, True):
        assert (await store("POST", "projects/sync/", scalar)).status == 400


async def test_sync_of_many_records_keeps_their_order(store: Store) -> None:
    records = [{**RECORD, "project_id": f"p{k}"} for k in range(600)]
    answer = await store("POST", "projects/sync/", [*records, *records])
    assert answer.status == 200
    assert [entry["id"] for entry in answer.json] == [*range(1, 601)] * 2
    assert {entry["status"] for entry in answer.json[600:]} == {"unchanged - same record"}


async def test_a_long_list_comes_whole(store: Store) -> None:
    records = [{**RECORD, "project_id": f"p{k}"} for k in range(5000)]
    answer = await store("POST", "projects/sync/", records)
    assert len(answer.text) > 1 << 20
    assert [entry["project_id"] for entry in answer.json] == [record["project_id"] for record in records]
    listed = await store("GET", "projects/")
    assert [one["id"] for one in listed.json] == list(range(1, 5001))
    assert listed.headers["Content-Type"] == "application/json"
    assert (await store("HEAD", "projects/")).said == (200, None)

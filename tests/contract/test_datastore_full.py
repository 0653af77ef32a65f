"""What the contract calls full: every resource with its five methods, its fields in order, and what no resource takes."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fakes.datastore import NEITHER, Store

REQUIRED, NULL, BLANK = "This field is required.", "This field may not be null.", "This field may not be blank."
BAD_TIME = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
BAD_DATE = "Date has wrong format. Use one of these formats instead: YYYY[-MM[-DD]]."
UUID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
WIDE = {
    **dict.fromkeys(("value", "boolean_value", "char_value", "date_value", "datetime_value", "float_value", "integer_value")),
}


@dataclass(frozen=True)
class Full:
    """A resource, by example.

    Attributes:
        body: what makes one.
        made: the whole answer to that, in order.
        change: what PATCH says.
        changed: what then differs.
        read: how GET says it, when that is not how a write is answered.
    """

    name: str
    body: dict[str, Any]
    made: dict[str, Any]
    change: dict[str, Any]
    changed: dict[str, Any] = field(default_factory=dict)
    read: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name.replace("/", "_")


PERIODS = ("baseline_period_start", "baseline_period_end", "reporting_period_start", "reporting_period_end")
FULL = (
    Full(
        "projects",
        {"project_id": "B", "project_owner": 1},
        {"id": 2, "project_owner": 1, "project_id": "B", **dict.fromkeys(PERIODS), "zipcode": None},
        {"reporting_period_end": "2014-01-01T00:00"},
        {"reporting_period_end": "2014-01-01T00:00:00Z"},
    ),
    Full("project_owners", {"user": 2}, {"id": 3, "user": 2}, {"user": 2}),
    Full(
        "project_blocks",
        {"name": "b", "projects": [1]},
        {"id": 1, "name": "b", "projects": [1]},
        {"name": 7},
        {"name": "7"},
    ),
    Full(
        "project_attribute_keys",
        {"name": "n", "display_name": "d", "data_type": "CHAR"},
        {"id": 2, "name": "n", "display_name": "d", "data_type": "CHAR"},
        {"data_type": "INTEGER"},
        {"data_type": "INTEGER"},
    ),
    Full(
        "project_attributes",
        {"project": 1, "key": 1},
        {"id": 1, "project": 1, "key": 1, **WIDE},
        {"char_value": " x "},
        {"value": "x", "char_value": "x"},
        read=("id", "key", "project", "value"),
    ),
    Full(
        "consumption_metadatas",
        {"interpretation": "E_C_S", "unit": "KWH"},
        {"id": 1, "interpretation": "E_C_S", "unit": "KWH", "records": [], "project": None, "label": None},
        {"project": "1", "label": "l"},
        {"project": 1, "label": "l"},
    ),
    Full("registry/connections", {"token": UUID}, {"id": 1, "projects": [], "token": UUID}, {"token": UUID}),
    Full(
        "weather_stations",
        {"station_id": "s"},
        {"id": 1, "station_id": "s", "label": None, "zipcodes": [], "timezone": "UTC", "unit": "DEGC"},
        {"zipcodes": [91104]},
        {"zipcodes": ["91104"]},
    ),
)
NAMES = tuple(one.name for one in FULL)


@pytest.fixture
async def known(store: Store) -> Store:
    """With project 1, attribute key 1 (CHAR) and a user without owner, pk 2."""
    await store.project("A")
    await store.post("project_attribute_keys/", {"name": "k", "display_name": "K", "data_type": "CHAR"})
    assert (await store("DELETE", "project_owners/2/")).status == 204
    return store


def read(one: Full, said: dict[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in one.read or said}


@pytest.mark.parametrize("one", FULL, ids=str)
async def test_a_full_resource_is_made_read_changed_and_removed_with_its_fields_in_order(known: Store, one: Full) -> None:
    path = f"{one.name}/{one.made['id']}/"
    made = await known("POST", f"{one.name}/", one.body)
    assert (made.status, list(made.json.items())) == (201, list(one.made.items()))
    shown = read(one, one.made)
    assert list((await known.get(path)).items()) == list(shown.items())
    assert list((await known.get(f"{one.name}/"))[-1].items()) == list(shown.items())
    patched = await known("PATCH", path, one.change)
    now = one.made | one.changed
    assert (patched.status, list(patched.json.items())) == (200, list(now.items()))
    put = await known("PUT", path, one.body)  # what it does not name stays
    assert (put.status, list(put.json.items())) == (200, list((now | {k: one.made[k] for k in one.body}).items()))
    assert (await known("HEAD", path)).said == (200, None)
    assert (await known("OPTIONS", path)).headers["Allow"] == "GET, PUT, PATCH, DELETE, OPTIONS"
    assert (await known("DELETE", path)).said == (204, None)
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert (await known(method, path, one.body)).said == (404, {"detail": "Not found."})
    again = await known("POST", f"{one.name}/", one.body)
    assert (again.status, again.json["id"]) == (201, one.made["id"] + 1)  # never used again


@pytest.mark.parametrize("one", FULL, ids=str)
async def test_an_id_and_unknown_fields_in_a_body_are_ignored(known: Store, one: Full) -> None:
    more = {"id": 77, "pk": 77, "colour": [{}], "records_": None}
    assert await known.post(f"{one.name}/", one.body | more) == one.made
    for method in ("PUT", "PATCH"):
        answer = await known(method, f"{one.name}/{one.made['id']}/", one.body | more)
        assert (answer.status, answer.json["id"]) == (200, one.made["id"])
    assert [found["id"] for found in await known.get(f"{one.name}/") if found["id"] > 76] == []


@pytest.mark.parametrize("one", FULL, ids=str)
async def test_unknown_parameters_of_a_query_are_ignored(known: Store, one: Full) -> None:
    await known.post(f"{one.name}/", one.body)
    every = await known.get(f"{one.name}/")
    assert every
    for query in ("page=2", "limit=1", "offset=1", "min_date=2014-01-01", "with_monthly_summary=True", "most_recent=True"):
        assert await known.get(f"{one.name}/?{query}") == every
        assert await known.get(f"{one.name}/{every[0]['id']}/?{query}") == every[0]


@pytest.mark.parametrize("one", FULL, ids=str)
async def test_something_else_than_an_object_is_no_body_of_any_write(known: Store, one: Full) -> None:
    await known.post(f"{one.name}/", one.body)
    for body, kind in (([one.body], "list"), ("x", "str"), (5, "int")):
        said = {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]}
        assert (await known("POST", f"{one.name}/", body)).said == (400, said)
        for method in ("PUT", "PATCH"):
            assert (await known(method, f"{one.name}/{one.made['id']}/", body)).said == (400, said)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("projects", ("project_owner", "project_id")),
        ("project_owners", ("user",)),
        ("project_blocks", ("name", "projects")),
        ("project_attribute_keys", ("name", "display_name", "data_type")),
        ("project_attributes", ("project", "key")),
        ("consumption_metadatas", ("interpretation", "unit")),
        ("weather_stations", ("station_id",)),
    ],
)
async def test_required_fields_are_required_by_post_and_put_and_never_null(
    known: Store, path: str, fields: tuple[str, ...]
) -> None:
    one = next(full for full in FULL if full.name == path)
    await known.post(f"{path}/", one.body)
    where = f"{path}/{one.made['id']}/"
    for method, place in (("POST", f"{path}/"), ("PUT", where)):
        assert (await known(method, place, {})).said == (400, {name: [REQUIRED] for name in fields})
    null = dict.fromkeys(fields)
    for method, place in (("POST", f"{path}/"), ("PUT", where), ("PATCH", where)):
        assert (await known(method, place, null)).said == (400, {name: [NULL] for name in fields})
    assert read(one, one.made) == await known.get(where)


@pytest.mark.parametrize(
    ("path", "change", "text"),
    [
        pytest.param("projects/", {"project_id": "x" * 255}, None, id="a project's label has 255 characters"),
        pytest.param("projects/", {"zipcode": "x" * 10}, None, id="a zipcode has 10"),
        pytest.param("project_blocks/", {"name": "x" * 255}, None, id="a block's name has 255"),
        pytest.param("project_blocks/", {"name": "x" * 256}, "no more than 255 characters.", id="and not 256"),
        pytest.param("project_blocks/", {"name": " "}, BLANK, id="a block's name is not blank"),
        pytest.param(
            "project_attribute_keys/", {"name": "x" * 100, "display_name": "x" * 100}, None, id="a key's names have 100"
        ),
        pytest.param("project_attribute_keys/", {"display_name": "x" * 101}, "no more than 100 characters.", id="and not 101"),
        pytest.param("project_attribute_keys/", {"data_type": "char"}, '"char" is not a valid choice.', id="types are exact"),
        pytest.param("project_attribute_keys/", {"data_type": ""}, '"" is not a valid choice.', id="a type is not blank"),
        pytest.param("project_attributes/", {"char_value": "x" * 100}, None, id="a text of an attribute has 100"),
        pytest.param("project_attributes/", {"datetime_value": "2014-01-01"}, BAD_TIME, id="a bare date is no time"),
        pytest.param("project_attributes/", {"date_value": "2014-01"}, BAD_DATE, id="a month is no date"),
        pytest.param("project_attributes/", {"project": 9}, 'Invalid pk "9" - object does not exist.', id="no such project"),
        pytest.param("project_attributes/", {"key": "9"}, 'Invalid pk "9" - object does not exist.', id="no such key"),
        pytest.param("consumption_metadatas/", {"label": "x" * 140}, None, id="a trace's label has 140"),
        pytest.param("consumption_metadatas/", {"unit": "kWh"}, '"kWh" is not a valid choice.', id="units are exact"),
        pytest.param("consumption_metadatas/", {"interpretation": 5}, '"5" is not a valid choice.', id="no such kind"),
        pytest.param("registry/connections/", {"token": "junk"}, '"junk" is not a valid UUID.', id="a token is a UUID"),
    ],
)
async def test_the_limits_of_fields(known: Store, path: str, change: dict[str, Any], text: str | None) -> None:
    one = next(full for full in FULL if full.name == path.rstrip("/"))
    answer = await known("POST", path, one.body | change)
    if text is None:
        assert answer.status == 201
        assert {name: answer.json[name] for name in change} == change
    else:
        assert (answer.status, list(answer.json)) == (400, list(change))
        assert answer.json[next(iter(change))][0].endswith(text)


@pytest.mark.parametrize("kind", ["E_C_S", "E_C_T", "E_C_N", "E_OSG_T", "E_OSG_C", "E_OSG_U", "NG_C_S"])
async def test_the_seven_interpretations_and_the_two_units(store: Store, kind: str) -> None:
    for unit in ("KWH", "THM"):
        assert (await store.post("consumption_metadatas/", {"interpretation": kind, "unit": unit}))["interpretation"] == kind


async def test_unique_names_are_so_for_every_write(known: Store) -> None:
    taken = {"name": ["project attribute key with this name already exists."]}
    body = {"name": "k", "display_name": "d", "data_type": "CHAR"}
    await known.post("project_attribute_keys/", body | {"name": "other"})
    assert (await known("POST", "project_attribute_keys/", body)).said == (400, taken)
    for method in ("PUT", "PATCH"):
        assert (await known(method, "project_attribute_keys/2/", body)).said == (400, taken)
        assert (await known(method, "project_attribute_keys/1/", body)).status == 200
        assert (await known(method, "project_owners/1/", {"user": 1})).status == 200
    await known.post("project_owners/", {"user": 2})
    unique = {"user": ["This field must be unique."]}
    for method in ("PUT", "PATCH"):
        assert (await known(method, "project_owners/3/", {"user": 1})).said == (400, unique)


async def test_the_wide_form_says_dates_and_times_as_everything_does(known: Store) -> None:
    for name in ("DATE", "DATETIME"):
        await known.post("project_attribute_keys/", {"name": name, "display_name": name, "data_type": name})
    sent = {"project": 1, "date_value": "2014-01-02", "datetime_value": "2014-01-01T02:00:00.25+02:00"}
    time = "2014-01-01T00:00:00.250000Z"
    for key, value in ((2, "2014-01-02"), (3, time)):
        made = await known.post("project_attributes/", sent | {"key": key})
        assert (made["value"], made["date_value"], made["datetime_value"]) == (value, "2014-01-02", time)
    assert [one["value"] for one in await known.get("project_attributes/")] == ["2014-01-02", time]


@pytest.mark.parametrize("flag", ["true", "1", "TRUE", ""])
async def test_only_true_turns_the_other_flags_on_too(known: Store, flag: str) -> None:
    await known.post("project_blocks/", {"name": "b", "projects": [1]})
    await known.post("consumption_metadatas/", {"interpretation": "E_C_S", "unit": "KWH", "project": 1})
    assert "projects" in await known.get(f"project_blocks/1/?name_only={flag}")
    assert (await known.get(f"consumption_metadatas/1/?summary={flag}"))["project"] == 1
    refused = await known("POST", f"project_blocks/?name_only={flag}", {"name": "c"})
    assert refused.said == (400, {"projects": [REQUIRED]})


async def test_a_summary_post_makes_a_trace_without_records_whatever_the_body_says(known: Store) -> None:
    body = {"interpretation": "E_C_S", "unit": "KWH", "records": [{"start": "x"}]}
    made = await known.post("consumption_metadatas/?summary=True", body)
    assert list(made) == ["id", "interpretation", "unit", "project", "label"]
    assert (await known.get("consumption_metadatas/1/"))["records"] == []


@pytest.mark.parametrize(
    "path",
    [
        *("meter_runs/", "project_groups/", "most_recent/", "traces/", "trace_records/"),
        *("consumption_metadatas/1/monthly/", "consumption_metadatas/1/monthly_timeseries/", "project_runs/most_recent/"),
        *("consumption_metadatas/many/", "consumption_records/bulk_insert/"),
    ],
)
async def test_what_other_versions_had_is_not_there(known: Store, path: str) -> None:
    assert (await known("GET", path)).status == 404
    assert (await known("POST", path, [])).status in (404, 405)
    assert (await known("GET", path, token=NEITHER)).status == 403

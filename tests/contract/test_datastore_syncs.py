"""The common rules of a sync, at each of the catalog's five; records' own are in test_datastore_records.py."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.fakes.datastore import READ, WRITE, Store

CREATED, UPDATED, SAME = "created", "updated", "unchanged - same record"
MISSING = "error - missing field"
BAD, NULL = "error - bad field value", "error - integrity error"


@dataclass(frozen=True)
class Sync:
    """A sync, by example.

    Attributes:
        record: of something that is not there yet.
        keys: its fields that find the object.
        synced: another value for each of the others.
        error: what an error entry says of the record, in order.
        shown: the query by which GET says an object as a sync does.
    """

    name: str
    record: dict[str, Any]
    keys: tuple[str, ...]
    synced: dict[str, Any]
    error: dict[str, str]
    shown: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        return f"{self.name}/sync/"

    def said(self, record: dict[str, Any], status: str, message: str | None = None) -> list[tuple[str, Any]]:
        """An error entry, in order."""
        more = [] if message is None else [("message", message)]
        return [*((shown, record.get(name)) for shown, name in self.error.items()), ("status", status), *more]


SYNCS = (
    Sync(
        "projects",
        {
            "project_id": "NEW",
            "project_owner_id": 1,
            "zipcode": "91104",
            "baseline_period_end": "2012-01-01T00:00:00Z",
            "reporting_period_start": None,
        },
        ("project_id",),
        {
            "project_owner_id": 2,
            "zipcode": None,
            "baseline_period_end": "2012-01-01T00:00:00.000001",
            "reporting_period_start": "2012-02-01T00:00:00-0800",
        },
        {"project_id": "project_id"},
    ),
    Sync(
        "project_attribute_keys",
        {"name": "new", "display_name": "New", "data_type": "CHAR"},
        ("name",),
        {"display_name": "Newer", "data_type": "FLOAT"},
        {"name": "name"},
    ),
    Sync(
        "project_attributes",
        {"project_project_id": "ABC", "project_attribute_key_name": "size", "value": 1.5},
        ("project_project_id", "project_attribute_key_name"),
        {"value": "2.5"},
        {"project_project_id": "project_project_id", "project_attribute_key_name": "project_attribute_key_name"},
    ),
    Sync(
        "consumption_metadatas",
        {"project_project_id": "ABC", "interpretation": "E_C_S", "unit": "KWH", "label": None},
        ("project_project_id", "interpretation", "label"),
        {"unit": "THM"},
        {"project": "project_project_id", "interpretation": "interpretation", "label": "label"},
        "?summary=True",
    ),
    Sync(
        "weather_stations",
        {"station_id": "new", "label": None, "zipcodes": ["91104"], "timezone": "UTC", "unit": "DEGC"},
        ("station_id",),
        {"label": "l", "zipcodes": [], "timezone": "Asia/Seoul", "unit": "DEGF"},
        {"station_id": "station_id"},
    ),
)
FIELDS = [pytest.param(sync, name, id=f"{sync}, {name}") for sync in SYNCS for name in sync.record]


@pytest.fixture
async def known(store: Store) -> Store:
    """With project ABC and attribute key `size` (FLOAT)."""
    await store.project()
    await store.post("project_attribute_keys/", {"name": "size", "display_name": "Size", "data_type": "FLOAT"})
    return store


@pytest.mark.parametrize("sync", SYNCS, ids=str)
async def test_created_then_the_same_then_updated_under_one_id_and_as_get_says_it(known: Store, sync: Sync) -> None:
    sent = [sync.record, sync.record]
    first = await known("POST", sync.path, sent)
    assert (first.status, [one["status"] for one in first.json]) == (200, [CREATED, SAME])  # never 201
    for name, value in sync.synced.items():
        sent = [sync.record | {name: value}, sync.record | {name: value}, sync.record]
        again = await known("POST", sync.path, sent)
        assert (again.status, [one["status"] for one in again.json]) == (200, [UPDATED, SAME, UPDATED])
        assert {one["id"] for one in again.json} == {first.json[0]["id"]}
    stored = await known.get(f"{sync.name}/{first.json[0]['id']}/{sync.shown}")
    assert list(first.json[0].items()) == [*stored.items(), ("status", CREATED)]
    assert [one["id"] for one in await known.get(f"{sync.name}/{sync.shown}")][-1] == stored["id"]


@pytest.mark.parametrize(("sync", "name"), FIELDS)
async def test_a_missing_field_is_named_in_quotes_and_the_others_go_through(known: Store, sync: Sync, name: str) -> None:
    without = {field: value for field, value in sync.record.items() if field != name}
    for status in (CREATED, SAME):  # whether it is there already or not
        answer = await known("POST", sync.path, [without, sync.record, without])
        assert answer.status == 400
        assert [list(one.items()) for one in answer.json[::2]] == [sync.said(without, MISSING, f"'{name}'")] * 2
        assert answer.json[1]["status"] == status


@pytest.mark.parametrize(
    ("at", "change", "status"),
    [
        pytest.param(0, {"project_owner_id": "x"}, BAD, id="an owner that is no key"),
        pytest.param(0, {"project_owner_id": [1]}, BAD, id="an owner that is a list"),
        pytest.param(0, {"project_owner_id": 9}, NULL, id="an owner that there is not"),
        pytest.param(0, {"project_owner_id": None}, NULL, id="a null owner"),
        pytest.param(0, {"zipcode": "x" * 11}, BAD, id="a zipcode too long"),
        pytest.param(0, {"baseline_period_end": "2012-01-01"}, BAD, id="a bare date"),
        pytest.param(0, {"reporting_period_start": "junk"}, BAD, id="an unreadable time"),
        pytest.param(0, {"reporting_period_start": ""}, BAD, id="an empty time"),
        pytest.param(0, {"reporting_period_start": 5}, BAD, id="a number for a time"),
        pytest.param(1, {"display_name": "x" * 101}, BAD, id="a name too long"),
        pytest.param(1, {"display_name": None}, NULL, id="a null name"),
        pytest.param(1, {"data_type": "FOO"}, BAD, id="an unknown type"),
        pytest.param(1, {"data_type": None}, NULL, id="a null type"),
        pytest.param(2, {"value": "large"}, BAD, id="a value that is no number"),
        pytest.param(2, {"value": "NaN"}, BAD, id="not a number"),
        pytest.param(2, {"value": "Infinity"}, BAD, id="infinity"),
        pytest.param(2, {"value": [1]}, BAD, id="a value that is a list"),
        pytest.param(3, {"unit": "FOO"}, BAD, id="an unknown unit"),
        pytest.param(3, {"unit": 5}, BAD, id="a unit that is a number"),
        pytest.param(3, {"unit": None}, NULL, id="a null unit"),
        pytest.param(4, {"unit": "KELVIN"}, BAD, id="an unknown unit of temperature"),
        pytest.param(4, {"timezone": "Mars/Base"}, BAD, id="an unknown time zone"),
        pytest.param(4, {"zipcodes": "91104"}, BAD, id="zipcodes that are no list"),
        pytest.param(4, {"zipcodes": None}, NULL, id="null zipcodes"),
    ],
)
async def test_a_value_that_does_not_fit_says_what_it_would_have_done_and_stores_nothing(
    known: Store, at: int, change: dict[str, Any], status: str
) -> None:
    sync = SYNCS[at]
    wrong = sync.record | change
    answer = await known("POST", sync.path, [wrong, sync.record, wrong])
    assert answer.status == 400
    assert [one["status"] for one in answer.json] == [f"{status} - create", CREATED, f"{status} - update"]
    for entry in answer.json[::2]:
        assert list(entry.items())[:-1] == sync.said(wrong, entry["status"])
        assert list(entry)[-1] == "message"
        assert len(entry["message"]) > 5
        assert not any(word in entry["message"] for word in ("Traceback", "SELECT", "INSERT", ".py", "object at 0x"))
    again = await known("POST", sync.path, [wrong, sync.record])
    assert [one["status"] for one in again.json] == [f"{status} - update", SAME]  # what was there is as it was


@pytest.mark.parametrize(
    ("at", "change", "status"),
    [
        pytest.param(0, {"project_id": None}, NULL, id="a null label"),
        pytest.param(0, {"project_id": " "}, BAD, id="a blank label"),
        pytest.param(0, {"project_id": "x" * 256}, BAD, id="a label too long"),
        pytest.param(0, {"project_id": {}}, BAD, id="a label that is an object"),
        pytest.param(1, {"name": None}, NULL, id="a null name"),
        pytest.param(1, {"name": "x" * 101}, BAD, id="a name too long"),
        pytest.param(1, {"name": []}, BAD, id="a name that is a list"),
        pytest.param(3, {"interpretation": "FOO"}, BAD, id="an unknown interpretation"),
        pytest.param(3, {"interpretation": None}, NULL, id="a null interpretation"),
        pytest.param(3, {"interpretation": [1]}, BAD, id="an interpretation that is a list"),
        pytest.param(3, {"label": "x" * 141}, BAD, id="a trace's label too long"),
        pytest.param(3, {"label": [1]}, BAD, id="a trace's label that is a list"),
    ],
)
async def test_a_key_that_does_not_fit_finds_nothing(known: Store, at: int, change: dict[str, Any], status: str) -> None:
    sync = SYNCS[at]
    before = await known.get(f"{sync.name}/")
    answer = await known("POST", sync.path, [sync.record | change, sync.record])
    assert (answer.status, [one["status"] for one in answer.json]) == (400, [f"{status} - create", CREATED])
    assert list(answer.json[0]) == [*sync.error, "status", "message"]
    assert len(await known.get(f"{sync.name}/")) == len(before) + 1


@pytest.mark.parametrize(
    ("at", "change", "entry"),
    [
        pytest.param(
            2,
            {"project_project_id": "NO"},
            [("status", "error - no Project found"), ("project_project_id", "NO")],
            id="an attribute's project",
        ),
        pytest.param(
            2,
            {"project_attribute_key_name": "NO"},
            [("status", "error - no ProjectAttributeKey found"), ("project_attribute_key_name", "NO")],
            id="an attribute's key",
        ),
        pytest.param(
            2,
            {"project_project_id": "NO", "project_attribute_key_name": "NO"},
            [("status", "error - no Project found"), ("project_project_id", "NO")],
            id="neither",
        ),
        pytest.param(
            3,
            {"project_project_id": "abc"},
            [("status", "error - no Project found"), ("project_project_id", "abc")],
            id="a trace's project, whose case counts",
        ),
    ],
)
async def test_what_is_not_found_is_said_in_two_fields(known: Store, at: int, change: dict[str, Any], entry: Any) -> None:
    sync = SYNCS[at]
    answer = await known("POST", sync.path, [sync.record | change, sync.record])
    assert (answer.status, answer.json[1]["status"]) == (400, CREATED)
    assert list(answer.json[0].items()) == entry


@pytest.mark.parametrize("sync", SYNCS, ids=str)
async def test_an_object_is_a_list_of_one_and_what_is_no_object_is_a_bad_entry(known: Store, sync: Sync) -> None:
    assert (await known("POST", sync.path, [])).said == (200, [])
    one = await known("POST", sync.path, sync.record)
    assert (one.status, [entry["status"] for entry in one.json]) == (200, [CREATED])
    mixed = await known("POST", sync.path, [7, sync.record, None, "x", [sync.record]])
    bad = f"{BAD} - create"
    assert (mixed.status, [entry["status"] for entry in mixed.json]) == (400, [bad, SAME, bad, bad, bad])
    for body in ("x", 5, True):
        assert (await known("POST", sync.path, body)).status == 400


@pytest.mark.parametrize("sync", SYNCS, ids=str)
async def test_texts_are_trimmed_and_unknown_fields_neither_stored_nor_compared(known: Store, sync: Sync) -> None:
    first = (await known("POST", sync.path, [sync.record])).json[0]
    texts = {name: f" {sync.record[name]} " for name in sync.keys if name in ("project_id", "name", "project_project_id")}
    more = {"id": 77, "status": "x", "colour": [{}], "baseline_period_start": "junk", "reporting_period_end": 5}
    answer = await known("POST", sync.path, [sync.record | texts | more])
    assert answer.said == (200, [first | {"status": SAME}])


@pytest.mark.parametrize("sync", SYNCS, ids=str)
async def test_a_sync_is_a_write(known: Store, sync: Sync) -> None:
    assert (await known("POST", sync.path, [sync.record], token=READ)).status == 403
    assert (await known("POST", sync.path, [sync.record], token=WRITE)).status == 200
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert (await known(method, sync.path, [])).said == (405, {"detail": f'Method "{method}" not allowed.'})


async def test_a_label_of_digits_and_the_number_are_one_key(known: Store) -> None:
    record = SYNCS[0].record
    answer = await known("POST", "projects/sync/", [record | {"project_id": sent} for sent in ("123", 123, " 123")])
    assert [one["status"] for one in answer.json] == [CREATED, SAME, SAME]
    assert await known.get("projects/?project_id=123") == [{k: v for k, v in answer.json[0].items() if k != "status"}]


async def test_equal_days_and_times_of_attributes_are_the_same_however_written(known: Store) -> None:
    for kind, values in (
        ("DATE", ("2014-01-02", " 2014-1-2 ")),
        ("DATETIME", ("2014-01-02T00:00:00Z", "2014-01-02T01:00+0100", "2014-01-02T00:00:00.000000")),
        ("BOOLEAN", (True, "TRUE", "1", 1)),
        ("INTEGER", (7, "7", 7.0)),
        ("CHAR", ("7", 7, " 7 ")),
    ):
        await known.post("project_attribute_keys/", {"name": kind, "display_name": kind, "data_type": kind})
        record = {"project_project_id": "ABC", "project_attribute_key_name": kind}
        answer = await known("POST", "project_attributes/sync/", [record | {"value": value} for value in values])
        assert [one["status"] for one in answer.json] == [CREATED, *[SAME] * (len(values) - 1)], answer.json


async def test_a_sync_of_an_attribute_clears_the_other_columns(known: Store) -> None:
    others = {"char_value": "x", "boolean_value": True, "integer_value": 5, "date_value": "2014-01-01"}
    await known.post("project_attributes/", {"project": 1, "key": 1, "float_value": 1.5, **others})
    record = SYNCS[2].record
    (entry,) = (await known("POST", "project_attributes/sync/", [record | {"value": 2}])).json
    assert entry == {"id": 1, "key": 1, "project": 1, "value": 2.0, "status": UPDATED}
    wide = (await known("PATCH", "project_attributes/1/", {})).json
    assert (wide["float_value"], {wide[name] for name in others}, wide["datetime_value"]) == (2.0, {None}, None)
    (cleared,) = (await known("POST", "project_attributes/sync/", [record | {"value": None}])).json
    assert (cleared["status"], cleared["value"]) == (UPDATED, None)

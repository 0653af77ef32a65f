"""Owners, blocks, attribute keys and attributes, one test a sentence of the contract."""

from typing import Any

import pytest

from streams.catalog.commands import AddUser
from tests.fakes.datastore import Store

KEY = {"name": "sqft", "display_name": "Square feet", "data_type": "FLOAT"}
WIDE = (
    *("id", "project", "key", "value", "boolean_value", "char_value", "date_value"),
    *("datetime_value", "float_value", "integer_value"),
)


# ---- owners


async def test_every_user_gets_an_owner_when_created(store: Store) -> None:
    assert await store.get("project_owners/") == [{"id": 1, "user": 1}, {"id": 2, "user": 2}]


async def test_an_owner_s_user_is_required_and_unique(store: Store) -> None:
    assert (await store("POST", "project_owners/", {})).said == (400, {"user": ["This field is required."]})
    assert (await store("POST", "project_owners/", {"user": 1})).said == (400, {"user": ["This field must be unique."]})
    unknown = {"user": ['Invalid pk "9" - object does not exist.']}
    assert (await store("POST", "project_owners/", {"user": 9})).said == (400, unknown)


async def test_an_owner_can_go_and_come_back(store: Store) -> None:
    assert (await store("DELETE", "project_owners/2/")).status == 204
    assert await store.post("project_owners/", {"user": 2}) == {"id": 3, "user": 2}
    store.catalog.add(AddUser(name="zoe", role="viewer", password_hash="$argon2", datastore=False))
    assert (await store("PUT", "project_owners/3/", {"user": 2})).said == (200, {"id": 3, "user": 2})


# ---- blocks


async def test_a_block_and_its_projects(store: Store) -> None:
    for label in "ab":
        await store.project(label)
    made = await store.post("project_blocks/", {"name": "North", "projects": [2, "1"]})
    assert made == {"id": 1, "name": "North", "projects": [1, 2]}
    assert list(made) == ["id", "name", "projects"]
    assert (await store.post("project_blocks/", {"name": "North", "projects": [1]}))["id"] == 2
    assert (await store("PATCH", "project_blocks/1/", {"projects": [2]})).json["projects"] == [2]
    assert (await store("DELETE", "project_blocks/1/")).status == 204
    assert len(await store.get("projects/")) == 2


@pytest.mark.parametrize(
    ("projects", "text"),
    [
        ([], "This list may not be empty."),
        ([9], 'Invalid pk "9" - object does not exist.'),
        (["x"], "Incorrect type. Expected pk value, received str."),
        ("1", 'Expected a list of items but got type "str".'),
        (None, "This field may not be null."),
    ],
)
async def test_a_block_s_projects_are_required_and_not_empty(store: Store, projects: Any, text: str) -> None:
    assert (await store("POST", "project_blocks/", {"name": "a", "projects": projects})).said == (400, {"projects": [text]})
    required = ["This field is required."]
    assert (await store("POST", "project_blocks/", {})).said == (400, {"name": required, "projects": required})


async def test_name_only_leaves_projects_out(store: Store) -> None:
    assert await store.post("project_blocks/?name_only=True", {"name": "empty"}) == {"id": 1, "name": "empty"}
    assert await store.get("project_blocks/?name_only=True") == [{"id": 1, "name": "empty"}]
    assert await store.get("project_blocks/1/?name_only=True") == {"id": 1, "name": "empty"}
    assert await store.get("project_blocks/1/") == {"id": 1, "name": "empty", "projects": []}


# ---- attribute keys


async def test_an_attribute_key_s_fields(store: Store) -> None:
    made = await store.post("project_attribute_keys/", KEY)
    assert list(made.items()) == [("id", 1), *KEY.items()]
    required = ["This field is required."]
    refused = await store("POST", "project_attribute_keys/", {})
    assert refused.said == (400, {"name": required, "display_name": required, "data_type": required})
    refused = await store("POST", "project_attribute_keys/", {**KEY, "name": "x" * 101, "data_type": "foo"})
    too_long = ["Ensure this field has no more than 100 characters."]
    assert refused.said == (400, {"name": too_long, "data_type": ['"foo" is not a valid choice.']})


async def test_an_attribute_key_s_name_is_unique(store: Store) -> None:
    await store.post("project_attribute_keys/", KEY)
    taken = {"name": ["project attribute key with this name already exists."]}
    assert (await store("POST", "project_attribute_keys/", KEY)).said == (400, taken)


async def test_attribute_keys_by_name_and_data_type(store: Store) -> None:
    for name, kind in (("a", "CHAR"), ("b", "DATE"), ("c", "CHAR")):
        await store.post("project_attribute_keys/", {**KEY, "name": name, "data_type": kind})
    for query, found in (("name=b", [2]), ("data_type=CHAR", [1, 3]), ("data_type=FOO", []), ("data_type=CHAR&name=c", [3])):
        assert [one["id"] for one in await store.get(f"project_attribute_keys/?{query}")] == found


async def test_attribute_keys_sync(store: Store) -> None:
    other = {**KEY, "display_name": "Feet"}
    answer = await store("POST", "project_attribute_keys/sync/", [KEY, KEY, other, {"name": "x"}, {**KEY, "data_type": "FOO"}])
    assert answer.status == 400
    assert answer.json == [
        {"id": 1, **KEY, "status": "created"},
        {"id": 1, **KEY, "status": "unchanged - same record"},
        {"id": 1, **other, "status": "updated"},
        {"name": "x", "status": "error - missing field", "message": "'display_name'"},
        {
            "name": "sqft",
            "status": "error - bad field value - update",
            "message": 'data_type: "FOO" is not a valid choice.',
        },
    ]
    null = await store("POST", "project_attribute_keys/sync/", [{**KEY, "name": "new", "display_name": None}])
    assert null.json[0]["status"] == "error - integrity error - create"


# ---- attributes


@pytest.fixture
async def keyed(store: Store) -> Store:
    await store.project()
    for kind in ("BOOLEAN", "CHAR", "DATE", "DATETIME", "FLOAT", "INTEGER"):
        await store.post("project_attribute_keys/", {"name": kind, "display_name": kind, "data_type": kind})
    return store


async def test_the_wide_form_answers_writes_and_the_short_form_answers_reads(keyed: Store) -> None:
    made = await keyed.post("project_attributes/", {"project": 1, "key": 5, "float_value": 3})
    assert list(made) == list(WIDE)
    assert made == {**dict.fromkeys(WIDE), "id": 1, "project": 1, "key": 5, "value": 3.0, "float_value": 3.0}
    short = {"id": 1, "key": 5, "project": 1, "value": 3.0}
    assert await keyed.get("project_attributes/") == [short]
    assert list((await keyed.get("project_attributes/1/")).items()) == list(short.items())
    patched = await keyed("PATCH", "project_attributes/1/", {"float_value": "4.5", "value": 9, "char_value": "x"})
    assert (list(patched.json), patched.json["value"], patched.json["char_value"]) == (list(WIDE), 4.5, "x")


@pytest.mark.parametrize(
    ("column", "sent", "text"),
    [
        ("boolean_value", "z", '"z" is not a valid boolean.'),
        ("char_value", "x" * 101, "Ensure this field has no more than 100 characters."),
        ("date_value", "2014-01-01T00:00Z", "Date has wrong format. Use one of these formats instead: YYYY[-MM[-DD]]."),
        ("float_value", "abc", "A valid number is required."),
        ("float_value", "NaN", "A valid number is required."),
        ("float_value", 10**400, "A valid number is required."),
        ("integer_value", "1.5", "A valid integer is required."),
        ("integer_value", 10**30, "A valid integer is required."),
    ],
)
async def test_typed_columns_refuse_what_does_not_fit(keyed: Store, column: str, sent: Any, text: str) -> None:
    body = {"project": 1, "key": 1, column: sent}
    assert (await keyed("POST", "project_attributes/", body)).said == (400, {column: [text]})


@pytest.mark.parametrize(
    ("sent", "read"), [(True, True), (0, False), ("TRUE", True), ("false", False), ("1", True), (None, None)]
)
async def test_booleans_are_taken_in_any_case(keyed: Store, sent: Any, read: bool | None) -> None:
    made = await keyed.post("project_attributes/", {"project": 1, "key": 1, "boolean_value": sent})
    assert (made["boolean_value"], made["value"]) == (read, read)


async def test_attributes_by_project_and_key_and_several_with_both_the_same(keyed: Store) -> None:
    await keyed.project("B")
    for project, key in ((1, 1), (1, 1), (2, 1), (2, 2)):
        await keyed.post("project_attributes/", {"project": project, "key": key})
    for query, found in (("project=1", [1, 2]), ("key=1", [1, 2, 3]), ("project=2&key=2", [4]), ("key=x", []), ("project=9", [])):
        assert [one["id"] for one in await keyed.get(f"project_attributes/?{query}")] == found
    both = {"project_project_id": "ABC", "project_attribute_key_name": "BOOLEAN"}
    (entry,) = (await keyed("POST", "project_attributes/sync/", [{**both, "value": 1}])).json
    assert (entry["status"], list(entry)) == ("error - multiple records", [*both, "status", "message"])


@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        ("BOOLEAN", "true", True),
        ("CHAR", 12, "12"),
        ("DATE", "2014-01-02", "2014-01-02"),
        ("DATETIME", "2014-01-01T02:00:00+02:00", "2014-01-01T00:00:00Z"),
        ("FLOAT", "1.5", 1.5),
        ("INTEGER", "7", 7),
    ],
)
async def test_attribute_sync_files_a_value_under_the_key_s_type(keyed: Store, kind: str, sent: Any, value: Any) -> None:
    record = {"project_project_id": "ABC", "project_attribute_key_name": kind, "value": sent}
    answer = await keyed("POST", "project_attributes/sync/", [record, record, {**record, "value": None}])
    assert answer.status == 200
    assert [(entry["status"], entry["value"]) for entry in answer.json] == [
        *(("created", value), ("unchanged - same record", value), ("updated", None)),
    ]
    assert list(answer.json[0]) == ["id", "key", "project", "value", "status"]


@pytest.mark.parametrize("kind", ["BOOLEAN", "DATE", "DATETIME", "FLOAT", "INTEGER"])
@pytest.mark.parametrize("sent", ["junk", [], {}, 10**40])
async def test_attribute_sync_of_a_value_that_does_not_fit_is_a_bad_field_value(keyed: Store, kind: str, sent: Any) -> None:
    if (kind, sent) == ("FLOAT", 10**40):
        return
    record = {"project_project_id": "ABC", "project_attribute_key_name": kind, "value": sent}
    (entry,) = (await keyed("POST", "project_attributes/sync/", [record])).json
    assert entry["status"] == "error - bad field value - create"
    await keyed("POST", "project_attributes/sync/", [{**record, "value": None}])
    (entry,) = (await keyed("POST", "project_attributes/sync/", [record])).json
    assert entry["status"] == "error - bad field value - update"


async def test_attribute_sync_without_project_or_key(keyed: Store) -> None:
    record = {"project_project_id": "none", "project_attribute_key_name": "CHAR", "value": 1}
    answer = await keyed("POST", "project_attributes/sync/", [record, {**record, "project_project_id": None}])
    assert answer.said == (
        400,
        [
            {"status": "error - no Project found", "project_project_id": "none"},
            {"status": "error - no Project found", "project_project_id": None},
        ],
    )
    no_key = {**record, "project_project_id": "ABC", "project_attribute_key_name": "NOPE"}
    said = [{"status": "error - no ProjectAttributeKey found", "project_attribute_key_name": "NOPE"}]
    assert (await keyed("POST", "project_attributes/sync/", [no_key])).said == (400, said)
    (entry,) = (await keyed("POST", "project_attributes/sync/", [{"project_project_id": "ABC"}])).json
    assert entry["message"] == "'project_attribute_key_name'"

"""Records under odd bodies: keys that occur twice, times without zone, NaN and infinities, labels, filters, scopes."""

import json
from typing import Any

import pytest

from tests.fakes.datastore import NEITHER, READ, WRITE, Store

LIST, SYNC, SYNC2 = "consumption_records/", "consumption_records/sync/", "consumption_records/sync2/"
FAILED = (400, {"status": "error", "message": "Error attempting to sync"})
NOON = "2014-01-01T12:00:00Z"


@pytest.fixture
def store(shelved: Store) -> Store:
    return shelved


def bodies(trace: int, start: Any = NOON, value: Any = 1.5) -> dict[str, dict[str, Any]]:
    """One record as each of the three doors takes it."""
    same = {"start": start, "value": value, "estimated": False}
    return {
        LIST: same | {"metadata": trace},
        SYNC: same | {"project_id": "ABC", "interpretation": "E_C_S"},
        SYNC2: same | {"metadata_id": trace},
    }


async def sent(store: Store, path: str, *records: Any) -> Any:
    """A list as Python's json writes it, NaN and infinities included."""
    return await store("POST", path, data=json.dumps(records).encode(), Content_Type="application/json")


DOORS = pytest.mark.parametrize("path", [LIST, SYNC, SYNC2], ids=["POST", "sync", "sync2"])


@DOORS
async def test_of_records_with_one_key_in_one_batch_the_last_wins_and_one_is_stored(store: Store, trace: int, path: str) -> None:
    spelled = (NOON, "2014-01-01T13:00:00+0100", "2014-01-01T12:00", "2014-01-01T07:00:00.000-05:00")
    records = [bodies(trace, start, value)[path] for value, start in enumerate(spelled)]
    answer = await sent(store, path, *records)
    assert answer.status in (200, 201)
    stored = {"id": 1, "start": NOON, "value": 3.0, "estimated": False, "metadata": trace}
    assert await store.get(LIST) == [stored]
    if path == LIST:
        assert answer.json == [stored] * 4
    if path == SYNC:
        assert [one["status"] for one in answer.json] == ["created", "updated", "updated", "updated"]
        assert {one["id"] for one in answer.json} == {1}


@DOORS
async def test_a_time_without_zone_is_utc(store: Store, trace: int, path: str) -> None:
    for start in ("2014-01-01T12:00", "2014-01-01T12:00:00", "2014-01-01T12:00:00.000000"):
        assert (await sent(store, path, bodies(trace, start)[path])).status in (200, 201)
    assert [(one["id"], one["start"]) for one in await store.get(LIST)] == [(1, NOON)]


@DOORS
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), "Infinity", "-inf", "1e999"], ids=str)
async def test_infinities_are_refused_and_nothing_is_stored(store: Store, trace: int, path: str, value: Any) -> None:
    good, wrong = bodies(trace)[path], bodies(trace, "2014-01-02T00:00Z", value)[path]
    answer = await sent(store, path, wrong, good)
    assert answer.status == 400
    if path == SYNC and isinstance(value, str):  # per record
        assert [one["status"] for one in answer.json] == ["error - bad field value - create", "created"]
    else:
        assert await store.get(LIST) == []
    assert "nfinity" not in (await store("GET", LIST)).text


@DOORS
@pytest.mark.parametrize("indent", [None, 1, (",", ":")], ids=str)
async def test_a_bare_nan_is_null_and_a_text_that_says_nan_stays_as_it_is(
    store: Store, trace: int, path: str, indent: Any
) -> None:
    await store("PATCH", "projects/1/", {"project_id": "x: NaN, y"})
    record = bodies(trace, value=float("nan"))[path] | {"colour": '": NaN, NaN '}
    if path == SYNC:
        record["project_id"] = "x: NaN, y"
    how: dict[str, Any] = {"separators": indent} if isinstance(indent, tuple) else {"indent": indent}
    body = json.dumps([record], **how).encode()
    answer = await store("POST", path, data=body, Content_Type="application/json")
    assert answer.status in (200, 201)
    assert [one["value"] for one in await store.get(LIST)] == [None]


@DOORS
async def test_each_door_of_records_asks_for_write_and_lists_for_read(store: Store, trace: int, path: str) -> None:
    body = [bodies(trace)[path]]
    for token, status in ((None, 401), (NEITHER, 403), (READ, 403)):
        assert (await store("POST", path, body, token=token)).status == status
    assert await store.get(LIST) == []
    assert (await store("POST", path, body, token=WRITE)).status in (200, 201)
    for where in (LIST, f"{LIST}1/"):
        assert [(await store("GET", where, token=token)).status for token in (None, NEITHER, WRITE, READ)] == [401, 403, 403, 200]
    for method in ("PUT", "PATCH", "DELETE"):
        found = [(await store(method, f"{LIST}{pk}/", {}, token=READ)).status for pk in (1, 99)]
        assert found == [403, 403]  # whether there is one or not


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("metadata=1", [1, 2], id="trace"),
        pytest.param("metadata=1&start=2014-01-01T00:00Z", [1], id="trace and start"),
        pytest.param("metadata=2&start=2014-01-02T00:00Z", [], id="nothing has both"),
        pytest.param("metadata=1&metadata=2", [3], id="the last trace"),
        pytest.param("metadata=1,2", [], id="commas do not separate"),
        pytest.param("start=2014-01-02T00:00Z&start=2014-01-01T00:00Z", [1, 3], id="the last start"),
        pytest.param("start=2014-01-01T09:00:00%2B0900", [1, 3], id="an instant, however written"),
        pytest.param("metadata=1&start=junk", [], id="one that cannot be read"),
        pytest.param("start_0=2014-01-02&min_date=2014-01-02&max_date=2014-01-02&daily=True", [1, 2, 3], id="no ranges"),
        pytest.param("projects=9&project=9&interpretation=x&estimated=True", [1, 2, 3], id="no other filter"),
    ],
)
async def test_filters_of_records(store: Store, trace: int, query: str, found: list[int]) -> None:
    other = (await store.post("consumption_metadatas/", {"interpretation": "NG_C_S", "unit": "THM"}))["id"]
    keys = ((trace, "2014-01-01T00:00Z"), (trace, "2014-01-02T00:00Z"), (other, "2014-01-01T00:00Z"))
    await store.post(LIST, [bodies(pk, start)[LIST] for pk, start in keys])
    assert [one["id"] for one in await store.get(f"{LIST}?{query}")] == found


async def test_a_sync_looks_at_no_unit_and_drops_what_it_does_not_know(store: Store, trace: int) -> None:
    record = bodies(trace)[SYNC]
    (entry,) = (await store("POST", SYNC, [record | {"unit": "FOO", "id": 77, "metadata": 9, "colour": []}])).json
    assert (entry["status"], entry["id"], entry["metadata"]) == ("created", 1, trace)
    assert {name: entry[name] for name in entry if name != "status"} == await store.get(f"{LIST}1/")


@pytest.mark.parametrize("project", [None, True, [], {}, "", "abc"], ids=str)
async def test_a_sync_finds_projects_by_their_label_and_by_nothing_that_looks_like_it(
    store: Store, trace: int, project: Any
) -> None:
    for label in ("None", "True", "[]", "{}"):
        made = (await store.project(label))["id"]
        await store.post("consumption_metadatas/", {"interpretation": "E_C_S", "unit": "KWH", "project": made})
    answer = await store("POST", SYNC, [bodies(trace)[SYNC] | {"project_id": project}])
    said = {"start": NOON, "project_id": project, "interpretation": "E_C_S"}
    assert answer.said == (400, [{"status": "error - no consumption metadata", **said}])
    assert list(answer.json[0]) == ["status", "start", "project_id", "interpretation"]


async def test_a_sync_s_label_decides_when_a_trace_has_it_else_the_newest(store: Store, trace: int) -> None:
    for label in ("7", "None"):
        body = {"interpretation": "E_C_S", "unit": "KWH", "project": 1, "label": label}
        await store.post("consumption_metadatas/", body)
    labels = ({}, {"label": None}, {"label": 7}, {"label": " 7 "}, {"label": "x"}, {"label": []}, {"label": "None"})
    answer = await store("POST", SYNC, [bodies(trace)[SYNC] | label for label in labels])
    assert [one["metadata"] for one in answer.json] == [3, 1, 2, 2, 3, 3, 3]


async def test_a_sync_s_error_entries_have_their_fields_in_order(store: Store, trace: int) -> None:
    good = bodies(trace, "2014-01-01T13:00+01:00")[SYNC]
    no_value = {name: value for name, value in good.items() if name != "value"}
    no_start = {name: value for name, value in good.items() if name != "start"}
    no_project = {name: value for name, value in good.items() if name != "project_id"}
    answer = await store("POST", SYNC, [no_value, no_start, no_project, good | {"value": "x"}, 5])
    assert answer.status == 400
    missing = "error - missing field"
    assert [list(one.items()) for one in answer.json[:3]] == [
        [("start", NOON), ("metadata", trace), ("status", missing), ("message", "'value'")],
        [("start", None), ("metadata", trace), ("status", missing), ("message", "'start'")],
        [("start", NOON), ("metadata", None), ("status", missing), ("message", "'project_id'")],
    ]
    bad = answer.json[3]
    assert list(bad) == ["start", "metadata", "status", "message"]
    assert (bad["start"], bad["metadata"], bad["status"]) == (NOON, trace, "error - bad field value - create")
    assert await store.get(LIST) == []


async def test_put_and_patch_of_a_record_take_the_fields_of_a_record_and_no_list(store: Store, trace: int) -> None:
    made = await store.post(LIST, bodies(trace)[LIST])
    wrong = {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}
    for method in ("PUT", "PATCH"):
        assert (await store(method, f"{LIST}1/", [bodies(trace)[LIST]])).said == (400, wrong)
        assert (await store(method, f"{LIST}1/", bodies(99)[LIST])).status == 400
        changed = await store(method, f"{LIST}1/", bodies(trace, value="2.5")[LIST] | {"id": 77, "colour": 1})
        assert changed.said == (200, made | {"value": 2.5})
        assert list(changed.json) == ["id", "start", "value", "estimated", "metadata"]
        made = changed.json


async def test_a_record_moves_to_another_trace_with_its_id(store: Store, trace: int) -> None:
    other = (await store.post("consumption_metadatas/", {"interpretation": "E_C_S", "unit": "KWH"}))["id"]
    made = await store.post(LIST, bodies(trace)[LIST])
    assert (await store("PATCH", f"{LIST}1/", {"metadata": other})).said == (200, made | {"metadata": other})
    assert await store.get(f"{LIST}?metadata={trace}") == []
    assert [one["id"] for one in (await store.get(f"consumption_metadatas/{other}/"))["records"]] == [1]

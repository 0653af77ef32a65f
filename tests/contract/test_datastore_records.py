"""Section 8 of the datastore's contract, in its own words: records, sync, sync2; and where section 12 wants better."""

import asyncio
import io
import json
from typing import Any

import pytest

from infra.errors import PartUnavailable
from tests.fakes.datastore import BOTH, READ, WRITE, Store
from tests.fakes.records import RecordParts
from web.datastore.body import BODY_MOST

LIST, SYNC, SYNC2 = "consumption_records/", "consumption_records/sync/", "consumption_records/sync2/"
FAILED = (400, {"status": "error", "message": "Error attempting to sync"})
BAD_TIME = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
NUMBER, REQUIRED, NULL = "A valid number is required.", "This field is required.", "This field may not be null."


@pytest.fixture
def store(shelved: Store) -> Store:
    return shelved


def line(trace: int, start: str = "2014-01-01T00:00:00Z", value: Any = 1.5, **more: Any) -> dict[str, Any]:
    return {"start": start, "value": value, "estimated": False, "metadata": trace, **more}


def synced(
    trace: Any, start: Any = "2014-01-01T00:00:00Z", value: Any = 1.5, estimated: Any = False, **more: Any
) -> dict[str, Any]:
    return {"metadata_id": trace, "start": start, "value": value, "estimated": estimated, **more}


async def everything(store: Store) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await store.get(LIST)
    return found


# ---- the collection and one record


async def test_post_one_object_answers_201_and_the_object_in_the_order_of_the_fields(store: Store, trace: int) -> None:
    made = await store("POST", LIST, line(trace))
    assert made.status == 201
    assert list(made.json.items()) == [
        ("id", 1),
        ("start", "2014-01-01T00:00:00Z"),
        ("value", 1.5),
        ("estimated", False),
        ("metadata", trace),
    ]
    assert await store.get(f"{LIST}1/") == made.json
    assert await everything(store) == [made.json]


async def test_post_a_list_answers_201_and_a_list(store: Store, trace: int) -> None:
    made = await store.post(LIST, [line(trace, "2014-01-02T00:00:00Z", 2), line(trace, value=1)])
    assert [(one["id"], one["start"], one["value"]) for one in made] == [
        (1, "2014-01-02T00:00:00Z", 2.0),
        (2, "2014-01-01T00:00:00Z", 1.0),
    ]
    assert await everything(store) == made


async def test_an_empty_list_is_201(store: Store) -> None:
    assert (await store("POST", LIST, [])).said == (201, [])


@pytest.mark.parametrize("name", ["start", "value", "metadata"])
async def test_start_value_and_metadata_are_required(store: Store, trace: int, name: str) -> None:
    body = line(trace)
    del body[name]
    assert (await store("POST", LIST, body)).said == (400, {name: [REQUIRED]})


async def test_a_list_is_all_or_nothing_with_one_error_object_per_record(store: Store, trace: int) -> None:
    bad = [line(trace), line(trace, "junk"), line(999), {}]
    assert (await store("POST", LIST, bad)).said == (
        400,
        [
            {},
            {"start": [BAD_TIME]},
            {"metadata": ['Invalid pk "999" - object does not exist.']},
            {"start": [REQUIRED], "value": [REQUIRED], "metadata": [REQUIRED]},
        ],
    )
    assert await everything(store) == []


async def test_a_list_with_something_that_is_no_object_says_which(store: Store, trace: int) -> None:
    wrong = {"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]}
    assert (await store("POST", LIST, [line(trace), 5])).said == (400, [{}, wrong])


async def test_null_is_a_value(store: Store, trace: int) -> None:
    assert (await store.post(LIST, line(trace, value=None)))["value"] is None
    assert [one["value"] for one in await everything(store)] == [None]


async def test_a_record_without_estimated_is_not_estimated(store: Store, trace: int) -> None:
    body = line(trace)
    del body["estimated"]
    assert (await store.post(LIST, body))["estimated"] is False
    assert [one["estimated"] for one in await store.post(LIST, [body])] == [False]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        pytest.param("value", "x", NUMBER, id="a text"),
        pytest.param("value", "", NUMBER, id="an empty text"),
        pytest.param("value", True, NUMBER, id="a boolean"),
        pytest.param("value", "Infinity", NUMBER, id="infinity as a text"),
        pytest.param("start", "2014-01-01", BAD_TIME, id="a bare date"),
        pytest.param("start", 5, BAD_TIME, id="a number for a time"),
        pytest.param("start", None, NULL, id="null for a time"),
        pytest.param("estimated", "z", '"z" is not a valid boolean.', id="no boolean"),
        pytest.param("estimated", None, NULL, id="null for a boolean"),
        pytest.param("metadata", "x", "Incorrect type. Expected pk value, received str.", id="no key"),
        pytest.param("metadata", None, NULL, id="null for a key"),
    ],
)
async def test_what_does_not_fit_is_told_by_field(store: Store, trace: int, field: str, value: Any, text: str) -> None:
    body = {**line(trace), field: value}
    assert (await store("POST", LIST, body)).said == (400, {field: [text]})
    assert (await store("POST", LIST, [line(trace), body])).said == (400, [{}, {field: [text]}])
    assert await everything(store) == []


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param("2014-01-01T02:00:00+02:00", "2014-01-01T00:00:00Z", id="an offset"),
        pytest.param("2014-01-01T02:00:00+0200", "2014-01-01T00:00:00Z", id="an offset without colon"),
        pytest.param("2014-01-01T00:00:00", "2014-01-01T00:00:00Z", id="no zone is UTC"),
        pytest.param("2014-01-01T00:00", "2014-01-01T00:00:00Z", id="no seconds"),
        pytest.param("2016-08-12T22:08:19.554549Z", "2016-08-12T22:08:19.554549Z", id="microseconds"),
        pytest.param("2016-08-12T22:08:19.5Z", "2016-08-12T22:08:19.500000Z", id="tenths"),
        pytest.param("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", id="the first year"),
        pytest.param("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z", id="the last year"),
    ],
)
async def test_times_come_out_in_utc_to_the_microsecond(store: Store, trace: int, sent: str, stored: str) -> None:
    assert (await store.post(LIST, line(trace, sent)))["start"] == stored
    assert (await store("POST", SYNC2, [synced(trace, sent, 7)])).status == 200
    assert [(one["start"], one["value"]) for one in await everything(store)] == [(stored, 7.0)]


async def test_text_for_keys_and_numbers_and_booleans_is_taken(store: Store, trace: int) -> None:
    made = await store.post(LIST, line(f"{trace}", value="1.25", estimated="True"))
    assert made == {"id": 1, "start": "2014-01-01T00:00:00Z", "value": 1.25, "estimated": True, "metadata": trace}


async def test_the_same_start_of_a_trace_again_keeps_its_id(store: Store, trace: int) -> None:
    first = await store.post(LIST, line(trace))
    again = await store.post(LIST, line(trace, "2014-01-01T01:00:00+01:00", 2))
    assert again == {**first, "value": 2.0}
    assert await everything(store) == [again]


async def test_values_survive_as_doubles(store: Store, trace: int) -> None:
    values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.04, 1e22]
    starts = [f"2014-01-0{n + 1}T00:00:00Z" for n in range(len(values))]
    await store.post(LIST, [line(trace, start, value) for start, value in zip(starts, values)])
    assert [one["value"] for one in await everything(store)] == values


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods_on_the_collection_are_405(store: Store, method: str) -> None:
    assert (await store(method, LIST, {})).said == (405, {"detail": f'Method "{method}" not allowed.'})


async def test_filters_are_metadata_and_start(store: Store, trace: int) -> None:
    other = (await store.post("consumption_metadatas/", {"interpretation": "NG_C_S", "unit": "THM"}))["id"]
    made = await store.post(LIST, [line(trace), line(trace, "2014-01-02T00:00:00Z"), line(other)])
    assert await store.get(f"{LIST}?metadata={trace}") == made[:2]
    assert await store.get(f"{LIST}?metadata={other}") == made[2:]
    assert await store.get(f"{LIST}?start=2014-01-01T01:00:00%2B01:00") == [made[0], made[2]]
    assert await store.get(f"{LIST}?metadata={trace}&start=2014-01-02T00:00") == [made[1]]
    assert await store.get(f"{LIST}?metadata=999&metadata={other}") == made[2:]
    assert await store.get(f"{LIST}?page=2&limit=1&value=9") == made


@pytest.mark.parametrize("query", ["metadata=x", "metadata=", "metadata=-1", "start=junk", "start=2014-01-01", "metadata=999"])
async def test_a_filter_that_cannot_be_read_gives_an_empty_list(store: Store, trace: int, query: str) -> None:
    await store.post(LIST, line(trace))
    assert (await store("GET", f"{LIST}?{query}")).said == (200, [])


async def test_patch_and_put_store_the_value(store: Store, trace: int) -> None:
    made = await store.post(LIST, line(trace, estimated=True))
    assert (await store("PATCH", f"{LIST}1/", {"value": 2})).said == (200, {**made, "value": 2.0})
    assert await store.get(f"{LIST}1/") == {**made, "value": 2.0}
    body = {"start": made["start"], "value": None, "metadata": trace}
    assert (await store("PUT", f"{LIST}1/", body)).said == (200, {**made, "value": None})
    assert await everything(store) == [{**made, "value": None}]


async def test_put_wants_the_required_fields(store: Store, trace: int) -> None:
    await store.post(LIST, line(trace))
    missing = {"start": [REQUIRED], "value": [REQUIRED], "metadata": [REQUIRED]}
    assert (await store("PUT", f"{LIST}1/", {})).said == (400, missing)
    assert (await store("PATCH", f"{LIST}1/", {})).status == 200


async def test_a_record_that_moves_keeps_its_id_and_takes_nobody_s_place(store: Store, trace: int) -> None:
    first, second = await store.post(LIST, [line(trace), line(trace, "2014-01-02T00:00:00Z")])
    moved = await store("PATCH", f"{LIST}1/", {"start": "2014-01-03T00:00:00Z"})
    assert moved.said == (200, {**first, "start": "2014-01-03T00:00:00Z"})
    taken = {"non_field_errors": ["The fields start, metadata must make a unique set."]}
    assert (await store("PATCH", f"{LIST}1/", {"start": second["start"]})).said == (400, taken)
    assert await everything(store) == [moved.json, second]


async def test_delete_answers_204_and_the_id_is_never_given_again(store: Store, trace: int) -> None:
    made = await store.post(LIST, line(trace))
    assert (await store("DELETE", f"{LIST}1/")).said == (204, None)
    assert (await store("GET", f"{LIST}1/")).said == (404, {"detail": "Not found."})
    assert (await store("DELETE", f"{LIST}1/")).status == 404
    assert await everything(store) == []
    assert await store.post(LIST, line(trace)) == {**made, "id": 2}


@pytest.mark.parametrize("key", ["9", "x", "0", "-1", "99999999999999999999999"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_an_unknown_key_is_404(store: Store, trace: int, key: str, method: str) -> None:
    await store.post(LIST, line(trace))
    body = None if method == "GET" else line(trace)
    assert (await store(method, f"{LIST}{key}/", body)).said == (404, {"detail": "Not found."})


async def test_reading_and_writing_need_their_scope(store: Store, trace: int) -> None:
    for path in (LIST, SYNC, SYNC2):
        assert (await store("POST", path, [], token=READ)).status == 403
        assert (await store("POST", path, [], token=None)).status == 401
        assert (await store("POST", path.rstrip("/"), [])).status in (200, 201)
    assert (await store("GET", LIST, token=WRITE)).status == 403


async def test_get_on_a_sync_path_is_405(store: Store) -> None:
    for path in (SYNC, SYNC2):
        assert (await store("GET", path)).said == (405, {"detail": 'Method "GET" not allowed.'})


async def test_broken_json_and_other_media_are_told(store: Store) -> None:
    for path in (LIST, SYNC, SYNC2):
        broken = await store("POST", path, data=b'[{"start": ', Content_Type="application/json")
        assert broken.status == 400
        assert broken.json["detail"].startswith("JSON parse error - ")
        other = await store("POST", path, data=b"[]", Content_Type="text/plain")
        assert other.said == (415, {"detail": 'Unsupported media type "text/plain" in request.'})


async def test_head_is_as_get_without_a_body(store: Store, trace: int) -> None:
    await store.post(LIST, line(trace))
    assert (await store("HEAD", LIST)).said == (200, None)


# ---- traces and their records


async def test_records_of_a_removed_project_or_trace_are_gone_at_once(store: Store, trace: int) -> None:
    await store.post(LIST, line(trace))
    project = (await store.get("projects/"))[0]["id"]
    assert (await store("DELETE", f"projects/{project}/")).status == 204
    assert await everything(store) == []
    assert await store.get(f"{LIST}?metadata={trace}") == []
    assert (await store("GET", f"{LIST}1/")).status == 404
    assert (await store("DELETE", f"{LIST}1/")).status == 404
    assert (await store("POST", SYNC2, [synced(trace)])).said == FAILED


async def test_a_trace_may_be_posted_with_its_records(store: Store) -> None:
    records = [{"start": "2014-02-01T00:00:00Z", "value": None}, {"start": "2014-01-01T00:00Z", "value": 3, "estimated": True}]
    made = await store.post("consumption_metadatas/", {"interpretation": "E_C_S", "unit": "KWH", "records": records})
    assert made["records"] == [
        {"id": 2, "start": "2014-01-01T00:00:00Z", "value": 3.0, "estimated": True},
        {"id": 1, "start": "2014-02-01T00:00:00Z", "value": None, "estimated": False},
    ]
    assert await store.get(f"consumption_metadatas/{made['id']}/") == made
    assert await store.get("consumption_metadatas/") == [made]


async def test_a_trace_with_a_bad_record_is_not_made(store: Store) -> None:
    body = {"interpretation": "E_C_S", "unit": "KWH", "records": [{"start": "2014-01-01T00:00Z", "value": 3}, {"start": "x"}]}
    wrong = await store("POST", "consumption_metadatas/", body)
    assert wrong.said == (400, {"records": [{}, {"start": [BAD_TIME], "value": [REQUIRED]}]})
    assert await store.get("consumption_metadatas/") == []


async def test_the_store_s_silence_is_503_with_a_reason(store: Store, parts: RecordParts, trace: int) -> None:
    parts.log.trouble = PartUnavailable("the records are safe in the log")
    assert (await store("POST", SYNC2, [synced(trace)])).said == (503, {"detail": "the records are safe in the log"})


# ---- sync2


async def test_sync2_answers_success_without_blanks(store: Store, trace: int) -> None:
    answer = await store("POST", SYNC2, [synced(trace)])
    assert (answer.status, answer.text) == (200, '{"status":"success"}')
    assert (await store("POST", SYNC2, [])).said == (200, {"status": "success"})


async def test_a_bare_object_counts_as_a_list_of_one(store: Store, trace: int) -> None:
    assert (await store("POST", SYNC2, synced(trace))).said == (200, {"status": "success"})
    assert len(await everything(store)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"metadata_id": 999}, id="unknown trace"),
        pytest.param({"metadata_id": None}, id="no trace"),
        pytest.param({"metadata_id": True}, id="a boolean for a trace"),
        pytest.param({"start": "junk"}, id="unreadable start"),
        pytest.param({"start": "2014-01-01"}, id="a bare date"),
        pytest.param({"start": "2014-13-01T00:00:00Z"}, id="no such month"),
        pytest.param({"start": "2014-02-30T00:00:00Z"}, id="no such day"),
        pytest.param({"start": "0000-01-01T00:00:00Z"}, id="no such year"),
        pytest.param({"start": "0001-01-01T00:00:00+05:00"}, id="before the first year"),
        pytest.param({"start": None}, id="null start"),
        pytest.param({"value": "x"}, id="unreadable value"),
        pytest.param({"value": True}, id="a boolean for a value"),
        pytest.param({"value": []}, id="a list for a value"),
        pytest.param({"value": "inf"}, id="infinity"),
        pytest.param({"estimated": None}, id="null estimated"),
        pytest.param({"estimated": "foo"}, id="unreadable estimated"),
    ],
)
async def test_an_error_anywhere_stores_nothing(store: Store, trace: int, wrong: dict[str, Any]) -> None:
    await store.post(LIST, line(trace))
    before = await everything(store)
    batch = [synced(trace, value=9), synced(trace, "2014-02-01T00:00:00Z"), {**synced(trace), **wrong}]
    assert (await store("POST", SYNC2, batch)).said == FAILED
    assert await everything(store) == before


@pytest.mark.parametrize("name", ["metadata_id", "start", "value", "estimated"])
async def test_all_four_fields_must_be_present(store: Store, trace: int, name: str) -> None:
    body = synced(trace)
    del body[name]
    assert (await store("POST", SYNC2, [synced(trace), body])).said == FAILED


@pytest.mark.parametrize("body", [{}, [{}], [5], "x", 5, None, [None], [[]]], ids=str)
async def test_what_is_no_record_fails(store: Store, body: Any) -> None:
    sent = json.dumps(body).encode()
    assert (await store("POST", SYNC2, data=sent, Content_Type="application/json")).said == FAILED


async def test_known_keys_get_the_new_value_and_keep_their_id_and_others_are_added(store: Store, trace: int) -> None:
    first = await store.post(LIST, line(trace))
    batch = [synced(trace, "2014-01-02T00:00:00Z", 5, True), synced(trace, value=2, estimated=True)]
    for _ in range(2):  # repeating a batch changes nothing
        assert (await store("POST", SYNC2, batch)).status == 200
        assert await everything(store) == [
            {**first, "value": 2.0, "estimated": True},
            {"id": 2, "start": "2014-01-02T00:00:00Z", "value": 5.0, "estimated": True, "metadata": trace},
        ]


@pytest.mark.parametrize("value", ["NaN", "", "nan", None], ids=str)
async def test_nan_and_empty_values_read_as_null(store: Store, trace: int, value: Any) -> None:
    assert (await store("POST", SYNC2, [synced(trace, value=value)])).status == 200
    assert [one["value"] for one in await everything(store)] == [None]


async def test_a_bare_nan_as_python_writes_it_reads_as_null(store: Store, trace: int) -> None:
    sent = json.dumps([synced(trace, value=float("nan")), synced(trace, "2014-01-02T00:00:00Z", 1)]).encode()
    assert b"NaN" in sent
    assert (await store("POST", SYNC2, data=sent, Content_Type="application/json")).status == 200
    assert [one["value"] for one in await everything(store)] == [None, 1.0]


async def test_of_two_records_with_one_key_the_last_wins(store: Store, trace: int) -> None:
    batch = [synced(trace, value=1), synced(trace, "2014-01-01T01:00:00+0100", 2), synced(trace, "2014-01-02T00:00:00Z", 3)]
    assert (await store("POST", SYNC2, batch)).status == 200
    assert [(one["id"], one["value"]) for one in await everything(store)] == [(1, 2.0), (2, 3.0)]


async def test_unknown_fields_are_ignored(store: Store, trace: int) -> None:
    assert (await store("POST", SYNC2, [synced(trace, id=77, unit="KWH", x=[{}])])).status == 200
    assert [one["id"] for one in await everything(store)] == [1]


async def test_text_is_taken_for_every_field(store: Store, trace: int) -> None:
    assert (await store("POST", SYNC2, [synced(f"{trace}", value=" 2.5 ", estimated="1")])).status == 200
    assert [(one["value"], one["estimated"]) for one in await everything(store)] == [(2.5, True)]


# ---- sync


def entry(project: str = "ABC", start: Any = "2014-01-01T00:00:00+01:00", value: Any = 1, **more: Any) -> dict[str, Any]:
    return {"project_id": project, "interpretation": "E_C_S", "start": start, "value": value, "estimated": False, **more}


async def test_sync_creates_updates_and_leaves(store: Store, trace: int) -> None:
    answer = await store("POST", SYNC, [entry(), entry(), entry(value=2), entry(value=2, estimated=True)])
    fields = {"id": 1, "start": "2013-12-31T23:00:00Z", "value": 1.0, "estimated": False, "metadata": trace}
    assert answer.said == (
        200,
        [
            {**fields, "status": "created"},
            {**fields, "status": "unchanged - same record"},
            {**fields, "value": 2.0, "status": "updated"},
            {**fields, "value": 2.0, "estimated": True, "status": "updated"},
        ],
    )
    assert list(answer.json[0]) == ["id", "start", "value", "estimated", "metadata", "status"]
    assert await everything(store) == [{**fields, "value": 2.0, "estimated": True}]
    again = await store("POST", SYNC, [entry(value=2, estimated=True)])
    assert again.said == (200, [{**fields, "value": 2.0, "estimated": True, "status": "unchanged - same record"}])


async def test_sync_of_an_empty_list_is_200(store: Store) -> None:
    assert (await store("POST", SYNC, [])).said == (200, [])


async def test_sync_stores_good_records_beside_bad_ones(store: Store, trace: int) -> None:
    answer = await store("POST", SYNC, [entry("NO"), entry(estimated="foo"), entry()])
    assert answer.status == 400
    assert [one["status"] for one in answer.json] == [
        "error - no consumption metadata",
        "error - bad field value - create",
        "created",
    ]
    assert list(answer.json[0].items()) == [
        ("status", "error - no consumption metadata"),
        ("start", "2014-01-01T00:00:00+01:00"),
        ("project_id", "NO"),
        ("interpretation", "E_C_S"),
    ]
    assert answer.json[1]["start"] == "2013-12-31T23:00:00Z"
    assert answer.json[1]["metadata"] == trace
    assert len(await everything(store)) == 1


@pytest.mark.parametrize("name", ["project_id", "interpretation", "start", "value", "estimated"])
async def test_sync_names_a_missing_field(store: Store, trace: int, name: str) -> None:
    body = entry()
    del body[name]
    answer = await store("POST", SYNC, [body, entry()])
    assert answer.status == 400
    assert (answer.json[0]["status"], answer.json[0]["message"]) == ("error - missing field", f"'{name}'")
    assert answer.json[1]["status"] == "created"


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        pytest.param("start", "junk", "bad field value - create", id="unreadable start"),
        pytest.param("start", None, "integrity error - create", id="null start"),
        pytest.param("value", "x", "bad field value - update", id="unreadable value of a record that is there"),
        pytest.param("estimated", None, "integrity error - update", id="null estimated"),
    ],
)
async def test_sync_names_a_bad_value(store: Store, trace: int, field: str, value: Any, status: str) -> None:
    assert (await store("POST", SYNC, [entry()])).status == 200
    answer = await store("POST", SYNC, [{**entry(), field: value}])
    assert (answer.status, answer.json[0]["status"]) == (400, f"error - {status}")
    assert set(answer.json[0]) == {"start", "metadata", "status", "message"}


async def test_sync_takes_null_values(store: Store, trace: int) -> None:
    for value in (None, "NaN", ""):
        answer = await store("POST", SYNC, [entry(value=value)])
        assert answer.status == 200
        assert answer.json[0]["value"] is None
    assert answer.json[0]["status"] == "unchanged - same record"


async def test_sync_finds_the_newest_trace_and_the_label_decides(store: Store, trace: int) -> None:
    project = (await store.get("projects/"))[0]["id"]
    body = {"interpretation": "E_C_S", "unit": "KWH", "project": project}
    labelled = (await store.post("consumption_metadatas/?summary=True", {**body, "label": "A"}))["id"]
    newest = (await store.post("consumption_metadatas/?summary=True", {**body, "label": "B"}))["id"]
    sent = [entry(), entry(label="A"), entry(label="nobody's"), entry(label=None), entry(label="B")]
    answer = await store("POST", SYNC, sent)
    assert [one["metadata"] for one in answer.json] == [newest, labelled, newest, trace, newest]


async def test_sync_of_a_bare_object_and_of_scalars(store: Store, trace: int) -> None:
    assert [one["status"] for one in (await store("POST", SYNC, entry())).json] == ["created"]
    answer = await store("POST", SYNC, [5, entry()])
    assert (answer.status, [one["status"] for one in answer.json]) == (
        400,
        ["error - bad field value - create", "unchanged - same record"],
    )


# ---- large bodies, and bodies that end too early


def rows(trace: int, count: int) -> bytes:
    """A body of sync2, about 90 bytes a record."""
    row = f'{{"metadata_id": {trace}, "start": "2014-01-01T00:00:00.%06dZ", "value": 1.25, "estimated": false}}'
    return ("[" + ",".join(row % n for n in range(count)) + "]").encode()


async def test_a_body_of_50_mib_is_read_and_one_byte_more_is_413(store: Store, trace: int) -> None:
    body = rows(trace, 1000)
    body += b" " * (BODY_MOST - len(body))
    assert (await store("POST", SYNC2, data=io.BytesIO(body), Content_Type="application/json")).text == '{"status":"success"}'
    assert (await store("POST", SYNC2, data=io.BytesIO(body + b" "), Content_Type="application/json")).status == 413
    assert len(await everything(store)) == 1000


async def test_a_million_rows_are_too_large_a_body_and_half_of_them_cut_in_the_middle_store_nothing(
    store: Store, trace: int
) -> None:
    million = rows(trace, 1_000_000)
    refused = await store("POST", SYNC2, data=io.BytesIO(million), Content_Type="application/json")
    assert refused.status == 413
    half = million[: BODY_MOST // 2]
    for path in (SYNC2, LIST):
        broken = await store("POST", path, data=io.BytesIO(half), Content_Type="application/json")
        assert (broken.status, broken.json["detail"][:16]) == (400, "JSON parse error")
    host, _, port = store.url.removeprefix("http://").partition(":")
    head = f"POST /api/v1/{SYNC2} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {BOTH}\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{head}Content-Length: {BODY_MOST}\r\n\r\n".encode() + half)
    await writer.drain()
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()
    assert await everything(store) == []

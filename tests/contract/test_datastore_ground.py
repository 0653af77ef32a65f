"""Ground rules, errors, auth and the root list of the datastore's contract, one test a sentence."""

import io
import json
from typing import Any

import pytest

from tests.fakes.datastore import BOTH, EXPIRED, NEITHER, READ, VIEWER, WRITE, Store
from web.datastore.body import BODY_MOST

NOT_SIGNED_IN = {"detail": "Authentication credentials were not provided."}
NOT_ALLOWED = {"detail": "You do not have permission to perform this action."}
NOT_FOUND = {"detail": "Not found."}
BAD_TIME = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."


# ---- ground rules


async def test_both_spellings_of_a_path_are_served(store: Store) -> None:
    made = await store("POST", "projects", {"project_id": "ABC", "project_owner": 1})
    assert (made.status, made.json["id"]) == (201, 1)
    for path in ("projects", "projects/"):
        assert [one["id"] for one in await store.get(path)] == [1]
    assert await store.get("projects/1") == await store.get("projects/1/")
    assert (await store("POST", "projects/sync", [])).said == (200, [])
    assert await store.get("/api/v1") == await store.get("/api/v1/")


async def test_json_in_json_out(store: Store) -> None:
    assert (await store("GET", "projects/")).headers["Content-Type"] == "application/json"


async def test_lists_are_bare_arrays_in_rising_primary_key_order_and_unknown_parameters_are_ignored(store: Store) -> None:
    for label in ("c", "a", "b"):
        await store.project(label)
    for query in ("", "?page=2", "?limit=1", "?anything=x"):
        assert [one["id"] for one in await store.get(f"projects/{query}")] == [1, 2, 3]


async def test_primary_keys_rise_are_never_reused_and_never_chosen_by_the_client(store: Store) -> None:
    assert (await store.project("a", id=77))["id"] == 1
    assert (await store("DELETE", "projects/1/")).status == 204
    assert (await store.project("a"))["id"] == 2


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2014-01-01T00:00", "2014-01-01T00:00:00Z"),
        ("2014-01-01T00:00:01", "2014-01-01T00:00:01Z"),
        ("2016-08-12T22:08:19.554549Z", "2016-08-12T22:08:19.554549Z"),
        ("2016-08-12T22:08:19.5Z", "2016-08-12T22:08:19.500000Z"),
        ("2014-01-01T02:00:00+02:00", "2014-01-01T00:00:00Z"),
        ("2014-01-01T02:00:00+0200", "2014-01-01T00:00:00Z"),
        ("2013-12-31T19:00:00-05:00", "2014-01-01T00:00:00Z"),
        (None, None),
    ],
)
async def test_times_go_out_in_utc_already_in_the_answer_to_the_post(store: Store, sent: str | None, shown: str | None) -> None:
    made = await store.project(baseline_period_end=sent)
    assert made["baseline_period_end"] == shown
    assert (await store.get("projects/1/"))["baseline_period_end"] == shown


@pytest.mark.parametrize("sent", ["2014-01-01", "junk", "", "2014-13-01T00:00", "2014-01-01T25:00", 5, [], {}])
async def test_a_bare_date_or_what_is_no_time_is_refused(store: Store, sent: Any) -> None:
    refused = await store("POST", "projects/", {"project_id": "a", "project_owner": 1, "baseline_period_end": sent})
    assert refused.said == (400, {"baseline_period_end": [BAD_TIME]})


async def test_unknown_body_fields_are_dropped_silently(store: Store) -> None:
    assert "colour" not in await store.project(colour="red")


@pytest.mark.parametrize("flag", ["true", "TRUE", "1", "", "True "])
async def test_only_the_exact_text_true_turns_a_flag_on(store: Store, flag: str) -> None:
    await store.project()
    assert "attributes" in (await store.get("projects/?with_attributes=True"))[0]
    assert "attributes" not in (await store.get(f"projects/?with_attributes={flag}"))[0]


# ---- errors


async def test_400_field_errors_come_all_at_once(store: Store) -> None:
    sent = {"project_owner": 9, "zipcode": "12345678901", "reporting_period_start": "x"}
    assert (await store("POST", "projects/", sent)).said == (
        400,
        {
            "project_owner": ['Invalid pk "9" - object does not exist.'],
            "project_id": ["This field is required."],
            "reporting_period_start": [BAD_TIME],
            "zipcode": ["Ensure this field has no more than 10 characters."],
        },
    )


@pytest.mark.parametrize(
    "body", [b"{", b"[1,", b"{'a':1}", b'{"a":NaN}', b'{"a":Infinity}', b"\xff", b"[" * 100_000, b'{"a":1e999}']
)
async def test_400_broken_json(store: Store, body: bytes) -> None:
    refused = await store("POST", "projects/", data=body, Content_Type="application/json")
    assert refused.status == 400
    assert refused.json["detail"].startswith("JSON parse error - ")


@pytest.mark.parametrize(("body", "kind"), [([], "list"), ("x", "str"), (1, "int"), (1.5, "float"), (True, "bool")])
async def test_400_something_else_where_one_object_is_wanted(store: Store, body: Any, kind: str) -> None:
    said = {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {kind}."]}
    assert (await store("POST", "projects/", body)).said == (400, said)


@pytest.mark.parametrize(
    "header", ["", f"Token {BOTH}", f"Basic {BOTH}", "Bearer", "Bearer ", "Bearer nobodys", f"Bearer {EXPIRED}"]
)
async def test_401_no_unknown_or_expired_token_or_another_scheme(store: Store, header: str) -> None:
    refused = await store("GET", "projects/", token=None, **({"Authorization": header} if header else {}))
    assert refused.said == (401, NOT_SIGNED_IN)
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="api"'


async def test_403_the_token_lacks_the_scope(store: Store) -> None:
    assert (await store("GET", "projects/", token=NEITHER)).said == (403, NOT_ALLOWED)


@pytest.mark.parametrize("pk", ["9", "x", "-1", "1.5", "0", "9" * 40, "%D9%A1", "%00", "+1"])
async def test_404_unknown_or_non_numeric_primary_key(store: Store, pk: str) -> None:
    await store.project()
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert (await store(method, f"projects/{pk}/", {} if method[0] == "P" else None)).said == (404, NOT_FOUND)


@pytest.mark.parametrize("path", ["meter_runs/", "projects/1/2/", "nowhere", "meter_groups/1/", "consumption_metadatas/1/daily/"])
async def test_404_unknown_route(store: Store, path: str) -> None:
    assert (await store("GET", path)).said == (404, NOT_FOUND)
    assert (await store("GET", path, token=None)).status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, "projects/") for method in ("PUT", "PATCH", "DELETE")),
        *(("POST", "projects/1/"), ("GET", "projects/sync/"), ("DELETE", "projects/sync/"), ("POST", "")),
        *(("PUT", "registry/connections/"), ("POST", "/registry/summary/")),
        *(("POST", "project_owners/sync/"), ("POST", "project_blocks/sync/")),
    ],
)
async def test_405_method_not_offered(store: Store, method: str, path: str) -> None:
    assert (await store(method, path)).said == (405, {"detail": f'Method "{method}" not allowed.'})


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "text/html"])
async def test_415_other_media_type(store: Store, media: str) -> None:
    refused = await store("POST", "projects/", data=b"a=1", Content_Type=media)
    assert refused.said == (415, {"detail": f'Unsupported media type "{media}" in request.'})


async def test_the_media_type_may_name_a_character_set(store: Store) -> None:
    body = json.dumps({"project_id": "é", "project_owner": 1}).encode()
    made = await store("POST", "projects/", data=body, Content_Type="application/json; charset=utf-8")
    assert (made.status, made.json["project_id"]) == (201, "é")


async def test_the_order_is_401_then_403_then_the_rest(store: Store) -> None:
    for method, path in (("GET", "projects/9/"), ("PUT", "projects/"), ("POST", "projects/"), ("GET", "nowhere/")):
        assert (await store(method, path, token=None, data=b"{", Content_Type="text/plain")).status == 401
        assert (await store(method, path, token=NEITHER, data=b"{", Content_Type="text/plain")).said == (403, NOT_ALLOWED)


async def test_a_body_beyond_the_limit_is_413_whether_its_length_is_said_or_not(store: Store) -> None:
    async def parts() -> Any:
        for _ in range(BODY_MOST // (1 << 20) + 1):
            yield b" " * (1 << 20)

    for data in (io.BytesIO(b" " * (BODY_MOST + 1)), parts()):
        refused = await store("POST", "projects/", data=data, Content_Type="application/json")
        assert refused.status == 413
        assert "larger than 52428800 bytes" in refused.json["detail"]


async def test_a_large_body_is_parsed_whole(store: Store) -> None:
    records = [{"name": f"k{n}", "display_name": "x" * 90, "data_type": "CHAR"} for n in range(700)]
    body = json.dumps(records, indent=1).encode()
    assert len(body) > 1 << 16
    stored = await store("POST", "project_attribute_keys/sync/", data=body, Content_Type="application/json")
    assert stored.status == 200
    assert [entry["name"] for entry in stored.json] == [f"k{n}" for n in range(700)]
    broken = await store("POST", "project_attribute_keys/sync/", data=body[:-1], Content_Type="application/json")
    assert (broken.status, broken.json["detail"][:16]) == (400, "JSON parse error")
    big = await store("POST", "project_attribute_keys/", {"name": "big", "display_name": "x" * 70_000, "data_type": "CHAR"})
    assert big.said == (400, {"display_name": ["Ensure this field has no more than 100 characters."]})


async def test_texts_are_trimmed_and_numbers_are_taken_for_text_fields(store: Store) -> None:
    assert (await store.project("  ABC  "))["project_id"] == "ABC"
    assert (await store.post("projects/", {"project_id": 123, "project_owner": 1}))["project_id"] == "123"


async def test_numeric_text_is_taken_for_keys(store: Store) -> None:
    assert (await store.project(project_owner="1"))["project_owner"] == 1


@pytest.mark.parametrize(
    ("field", "sent", "text"),
    [
        ("project_owner", None, "This field may not be null."),
        ("project_owner", "", "This field may not be null."),
        ("project_owner", "x", "Incorrect type. Expected pk value, received str."),
        ("project_owner", [1], "Incorrect type. Expected pk value, received list."),
        ("project_owner", "9", 'Invalid pk "9" - object does not exist.'),
        ("project_owner", -1, 'Invalid pk "-1" - object does not exist.'),
        ("project_owner", 10**30, f'Invalid pk "{10**30}" - object does not exist.'),
        ("project_id", None, "This field may not be null."),
        ("project_id", "  ", "This field may not be blank."),
        ("project_id", "x" * 256, "Ensure this field has no more than 255 characters."),
        ("project_id", True, "Not a valid string."),
        ("project_id", {}, "Not a valid string."),
    ],
)
async def test_field_error_texts(store: Store, field: str, sent: Any, text: str) -> None:
    body = {"project_id": "ABC", "project_owner": 1, field: sent}
    assert (await store("POST", "projects/", body)).said == (400, {field: [text]})


async def test_put_wants_the_required_fields_and_leaves_optional_ones_that_are_absent_unchanged(store: Store) -> None:
    await store.project(zipcode="91104")
    required = ["This field is required."]
    assert (await store("PUT", "projects/1/", {})).said == (400, {"project_owner": required, "project_id": required})
    changed = await store("PUT", "projects/1/", {"project_id": "DEF", "project_owner": 1})
    assert (changed.status, changed.json["project_id"], changed.json["zipcode"]) == (200, "DEF", "91104")


async def test_patch_changes_what_is_named(store: Store) -> None:
    made = await store.project(zipcode="91104")
    assert (await store("PATCH", "projects/1/", {"zipcode": None})).said == (200, {**made, "zipcode": None})
    assert (await store("PATCH", "projects/1/", {})).said == (200, {**made, "zipcode": None})
    assert await store.get("projects/1/") == {**made, "zipcode": None}


async def test_delete_is_204_with_an_empty_body(store: Store) -> None:
    await store.project()
    assert (await store("DELETE", "projects/1/")).said == (204, None)
    assert (await store("GET", "projects/1/")).said == (404, NOT_FOUND)


async def test_head_and_options_work(store: Store) -> None:
    await store.project()
    for path in ("projects/", "projects/1/"):
        assert (await store("HEAD", path)).said == (200, None)
        assert (await store("OPTIONS", path, token=READ)).status == 200
    assert "POST" in (await store("OPTIONS", "projects/")).headers["Allow"]


async def test_a_body_with_a_get_is_ignored(store: Store) -> None:
    assert await store.get("projects/", data=b"{", Content_Type="application/json") == []


# ---- auth


async def test_the_scheme_s_name_may_be_in_any_case(store: Store) -> None:
    for scheme in ("bearer", "BEARER", "Bearer"):
        assert (await store("GET", "projects/", token=None, Authorization=f"{scheme} {BOTH}")).status == 200


async def test_get_head_and_options_need_read_all_other_methods_need_write(store: Store) -> None:
    await store.project()
    for method in ("GET", "HEAD", "OPTIONS"):
        assert (await store(method, "projects/", token=READ)).status == 200
        assert (await store(method, "projects/", token=WRITE)).status == 403
    for method, path in (("POST", "projects/"), ("PATCH", "projects/1/"), ("PUT", "projects/1/"), ("DELETE", "projects/1/")):
        body = {"project_id": method, "project_owner": 1}
        assert (await store(method, path, body, token=READ)).said == (403, NOT_ALLOWED)
        assert (await store(method, path, body, token=WRITE)).status in (200, 201, 204)


async def test_a_scope_less_token_gets_403_even_for_a_key_that_does_not_exist(store: Store) -> None:
    assert (await store("GET", "projects/999/", token=NEITHER)).said == (403, NOT_ALLOWED)


async def test_a_viewer_s_token_does_not_write_whatever_its_scope_says(store: Store) -> None:
    assert (await store("GET", "projects/", token=VIEWER)).status == 200
    assert (await store("POST", "projects/", {}, token=VIEWER)).said == (403, NOT_ALLOWED)


async def test_the_root_needs_a_valid_token_but_no_scope(store: Store) -> None:
    assert (await store("GET", "", token=NEITHER)).status == 200
    assert (await store("GET", "", token=None)).said == (401, NOT_SIGNED_IN)


async def test_no_access_token_in_the_query(store: Store) -> None:
    assert (await store("GET", f"projects/?access_token={BOTH}", token=None)).status == 401


async def test_a_token_that_cannot_be_judged_yet_is_503(store: Store) -> None:
    store.catalog.trouble = "the catalog is being read"
    assert (await store("GET", "projects/", token="later")).status == 503
    assert (await store("GET", "projects/")).status == 200


async def test_what_is_not_in_a_catalog_that_is_being_read_is_503_and_not_404(store: Store) -> None:
    assert (await store("GET", "projects/1/")).status == 404
    store.catalog.trouble, store.catalog.caught_up = "the catalog is being read, 3 commands so far", False
    later = await store("GET", "projects/1/")
    assert later.said == (503, {"detail": "Not ready yet: the catalog is being read, 3 commands so far"})
    assert later.headers["Retry-After"] == "1"


# ---- the root list


async def test_the_root_is_an_object_of_resource_name_to_absolute_url(store: Store) -> None:
    names = (
        *("projects", "project_owners", "project_blocks", "project_attribute_keys", "project_attributes"),
        *("consumption_metadatas", "consumption_records", "project_runs", "project_results", "registry/connections"),
    )
    assert await store.get("") == {name: f"{store.url}/api/v1/{name}/" for name in names}

"""The catalog over REST: who may do what, what comes back, and what is refused."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import jsonschema
import pytest

from infra.errors import PartUnavailable
from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog.commands import AddUser, Command, IssueUserToken
from streams.catalog.outcome import Outcome
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView
from tests.fakes import website
from tests.fakes.website import Website
from web.server import create_app, serve

HASH = "$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHQ$ZXhhbXBsZQ"
ADMIN, OPERATOR, VIEWER, READ_ONLY = "pm1_admin", "pm1_op", "pm1_viewer", "pm1_op_read"
LATER = 4_000_000_000_000


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> tuple[int, str]:
        return self.status, self.json["code"]


class Api:
    """The REST API as one token sees it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __call__(self, method: str, path: str, body: object = None, token: str = OPERATOR, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        given: dict[str, Any] = {"json": body} if body is not None else {}
        if isinstance(data := options.pop("data", None), bytes | str):
            given["data"] = io.BytesIO(data if isinstance(data, bytes) else data.encode())
        async with self._session.request(method, f"/api/v1/{path}", headers=headers, **given, **options) as answer:
            return Answer(answer.status, answer.headers, await answer.text())


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    running = Website(make_settings())
    for command in (
        AddUser(name="olga", role="operator", password_hash=HASH),
        AddUser(name="boss", role="admin", password_hash=HASH),
        IssueUserToken(name="boss", token_sha256=hash_of(ADMIN), scope="read write admin", expires_at_ms=LATER),
        IssueUserToken(name="olga", token_sha256=hash_of(OPERATOR), scope="read write admin", expires_at_ms=LATER),
        IssueUserToken(name="olga", token_sha256=hash_of(READ_ONLY), scope="read", expires_at_ms=LATER),
        IssueUserToken(name="ann", token_sha256=hash_of(VIEWER), scope="read write admin", expires_at_ms=LATER),
    ):
        assert running.catalog.add(command).accepted
    yield running
    running.close()


@pytest.fixture
async def api(site: Website) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession(site.url) as session:
        yield Api(session)


# ---- sensors


async def test_a_sensor_from_registration_to_its_return(site: Website, api: Api) -> None:
    facts = {
        "units": "base",
        "zone": "Europe/Paris",
        "owner": "Mill AG",
        "address": "Höhenweg 1",
        "category": "sub",
        "zero_based": True,
        "nominal_voltage_v": 230,
        "contracted_power_w": 36_000.0,
        "thresholds": {"sag_pct": 88},
    }
    made = await api("POST", "sensors", {"sensor_id": "REST000001", **facts})
    assert (made.status, made.headers["Location"], made.headers["Cache-Control"]) == (
        201,
        "/api/v1/sensors/rest000001",
        "no-store",
    )
    secret = made.json["secret"]
    assert site.catalog.state.sensors["rest000001"].secret_sha256 == hash_of(secret)
    seen = (await api("GET", "sensors/REST000001", token=VIEWER)).json
    assert seen | facts == seen
    assert (seen["sensor_id"], seen["registration"], seen["tokens"]) == ("rest000001", "new", [])
    assert (await api("POST", "sensors", {"sensor_id": "rest000001"})).code == (409, "sensor_exists")

    issued = await api("POST", "sensors/rest000001/tokens", {"days": 2})
    assert (issued.status, issued.headers["Cache-Control"]) == (201, "no-store")
    assert hash_of(issued.json["token"]) in site.catalog.state.sensor_tokens
    revoked = await api("POST", "sensors/rest000001/revoke")
    assert (revoked.status, revoked.json["registration"]) == (200, "revoked")
    assert (await api("POST", "sensors/rest000001/tokens")).code == (409, "sensor_disabled")
    back = await api("POST", "sensors/rest000001/secret")
    assert (back.status, back.headers["Cache-Control"], back.json["registration"]) == (200, "no-store", "new")
    assert back.json["secret"] != secret
    later = await api("GET", "sensors/rest000001")
    for told in (secret, back.json["secret"], issued.json["token"]):
        assert told not in later.text
        assert hash_of(told) not in later.text


async def test_a_change_leaves_what_it_does_not_name(site: Website, api: Api) -> None:
    await api("POST", "sensors", {"sensor_id": "part000001", "owner": "A", "thresholds": {"a": 1, "b": 2}})
    assert (await api("PUT", "sites/hall", {"zone": "America/Lima"})).status == 200
    changed = await api("PATCH", "sensors/part000001", {"site": "hall", "thresholds": {"b": None, "c": 3}})
    assert changed.status == 200
    found = changed.json
    assert (found["owner"], found["site"], found["zone"], found["own_zone"]) == ("A", "hall", "America/Lima", "Asia/Seoul")
    assert found["thresholds"] == {"a": 1, "c": 3}
    assert found == (await api("GET", "sensors/part000001")).json
    assert (await api("DELETE", "sites/hall")).code == (409, "site_in_use")


async def test_another_tariff_without_a_day_is_told_to_change_earlier_bills(site: Website, api: Api) -> None:
    await api("POST", "sensors", {"sensor_id": "bill000001", "tariff": "linky/base"})
    dated = await api("PATCH", "sensors/bill000001", {"tariff": "linky/hchp", "valid_from": "2020-02-01"})
    assert "note" not in dated.json
    undated = await api("PATCH", "sensors/bill000001", {"tariff": "linky/tempo"})
    told = "tariff linky/hchp is now linky/tempo for all days since 2020-02-01: bills of months that are over change, too; name "
    assert undated.json["note"].startswith(told)
    assert "note" not in (await api("GET", "sensors/bill000001")).json


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "sensor_id", "missing_field"),
        ({"sensor_id": "12"}, "sensor_id", "out_of_range"),
        ({"sensor_id": 5}, "sensor_id", "wrong_type"),
        ({"sensor_id": "bad000001", "zone": "Mars/Olympus"}, "zone", "out_of_range"),
        ({"sensor_id": "bad000001", "zone": "../etc/passwd"}, "zone", "out_of_range"),
        ({"sensor_id": "bad000001", "units": "W"}, "units", "out_of_range"),
        ({"sensor_id": "bad000001", "site": "nowhere"}, "site", "unknown_site"),
        ({"sensor_id": "bad000001", "owner": "a\nb"}, "owner", "out_of_range"),
        ({"sensor_id": "bad000001", "owner": "x" * 201}, "owner", "out_of_range"),
        ({"sensor_id": "bad000001", "nominal_voltage_v": -1}, "nominal_voltage_v", "out_of_range"),
        ({"sensor_id": "bad000001", "zero_based": "yes"}, "zero_based", "wrong_type"),
        ({"sensor_id": "bad000001", "thresholds": {"Bad Name": 1}}, "thresholds", "out_of_range"),
        ({"sensor_id": "bad000001", "colour": "red"}, "colour", "unknown_field"),
        ({"sensor_id": "bad000001", "secret_sha256": "a" * 64}, "secret_sha256", "unknown_field"),
    ],
)
async def test_what_is_wrong_with_a_new_sensor_is_named(
    site: Website, api: Api, body: dict[str, Any], field: str, code: str
) -> None:
    refused = await api("POST", "sensors", body)
    assert (refused.code, refused.json["field"]) == ((422, code), field)
    assert refused.headers["Content-Type"].startswith("application/problem+json")
    assert "expected" in refused.json["detail"] or "first" in refused.json["detail"]
    assert "bad000001" not in site.catalog.state.sensors


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"{", "application/json", (422, "bad_json")),
        (b"[]", "application/json", (422, "not_an_object")),
        (b"\xff", "application/json", (422, "bad_json")),
        (b'{"sensor_id":"bad000002","owner":"\\ud800"}', "application/json", (422, "bad_json")),
        (b"[" * 100_000, "application/json", (422, "bad_json")),
        (b"{}", "text/plain", (415, "unsupported_media_type")),
        (b'{"a":"' + b"x" * 2_000_000 + b'"}', "application/json", (413, "request_entity_too_large")),
    ],
)
async def test_no_body_makes_it_fail(api: Api, body: bytes, kind: str, expected: tuple[int, str]) -> None:
    for method, path in (("POST", "sensors"), ("PATCH", "sensors/gre000001"), ("PUT", "sites/x")):
        assert (await api(method, path, data=body, headers={"Content-Type": kind})).code == expected


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "sensors/none000001", None),
        ("PATCH", "sensors/none000001", {"owner": "x"}),
        ("POST", "sensors/none000001/revoke", None),
        ("POST", "sensors/none000001/secret", None),
        ("POST", "sensors/none000001/tokens", None),
        ("GET", "sites/none", None),
        ("DELETE", "sites/none", None),
        ("GET", "users/nobody", None),
        ("PATCH", "users/nobody", {"role": "viewer"}),
        ("DELETE", "users/nobody", None),
        ("POST", "users/nobody/tokens", None),
        ("DELETE", "users/boss/tokens/000000000000", None),
        ("GET", "tariffs/none", None),
        ("GET", "tariffs/none/2026-01-01", None),
        ("DELETE", "tariffs/none/2026-01-01", None),
    ],
)
async def test_what_is_not_there_is_404(api: Api, method: str, path: str, body: object) -> None:
    refused = await api(method, path, body, token=ADMIN)
    assert refused.status == 404
    assert refused.json["code"].startswith("unknown_")


async def test_the_list_is_paged_and_searched(api: Api) -> None:
    for k in range(5):
        await api("POST", "sensors", {"sensor_id": f"page{k:06d}", "owner": "Pager Ltd", "category": "special"})
    first = (await api("GET", "sensors?owner=pager%20ltd&sort=id&limit=2", token=VIEWER)).json
    second = (await api("GET", "sensors?owner=pager%20ltd&sort=id&limit=2&offset=2", token=VIEWER)).json
    assert [s["id"] for s in first["sensors"] + second["sensors"]] == [f"page{k:06d}" for k in range(4)]
    assert (first["matching"], first["limit"], second["offset"]) == (5, 2, 2)
    assert first["sensors"][0] | {"category": "special", "registration": "new", "site": ""} == first["sensors"][0]
    assert (await api("GET", "sensors?q=PAGER&category=special&state=new")).json["matching"] == 5
    assert (await api("GET", "sensors?q=pager&state=revoked")).json["matching"] == 0
    for query, code in (
        ("state=dead", "bad_state"),
        ("category=x", "bad_category"),
        ("offset=-1", "bad_offset"),
        ("sort=x", "bad_sort"),
    ):
        assert (await api("GET", f"sensors?{query}")).code == (422, code)


# ---- who may do what


CHANGES: list[tuple[str, str, object, str]] = [
    ("POST", "sensors", {"sensor_id": "role000001"}, "operator"),
    ("PATCH", "sensors/gre000001", {"owner": "x"}, "operator"),
    ("POST", "sensors/gre000002/tokens", {}, "operator"),
    ("POST", "sensors/import?dry_run=true", None, "operator"),
    ("PUT", "sites/role", {"zone": "UTC"}, "operator"),
    ("GET", "users", None, "admin"),
    ("POST", "users", {"name": "role", "role": "viewer"}, "admin"),
    ("PATCH", "users/ann", {"role": "viewer"}, "admin"),
    ("POST", "users/ann/tokens", {"scope": "read"}, "admin"),
    ("PUT", "tariffs/role/2026-01-01", {}, "admin"),
]


@pytest.mark.parametrize(("method", "path", "body", "role"), CHANGES)
async def test_a_role_and_a_scope_are_needed(api: Api, method: str, path: str, body: object, role: str) -> None:
    assert (await api(method, path, body, token=VIEWER)).code == (403, "role_missing")
    asked = await api(method, path, body, token=OPERATOR)
    assert asked.status in (200, 201, 415) if role == "operator" else asked.code == (403, "role_missing")
    without = await api(method, path, body, token=READ_ONLY if role == "operator" else website.SENSORLESS)
    assert without.code == (403, "scope_missing")
    assert (await api(method, path, body, token="pm1_nobody")).code == (401, "not_signed_in")
    assert (await api(method, path, body, token=website.LINK)).code == (401, "not_signed_in")


async def test_a_session_may_read_and_not_change(site: Website) -> None:
    async with aiohttp.ClientSession(site.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(f"/signin?token={website.LINK}"):
            pass
        async with session.get("/api/v1/sensors/gre000001") as answer:
            assert answer.status == 200
        for method, path in (("POST", "sensors"), ("PUT", "sites/x"), ("DELETE", "sites/x"), ("PATCH", "sensors/gre000001")):
            async with session.request(method, f"/api/v1/{path}", json={}) as answer:
                assert (answer.status, (await answer.json(content_type=None))["code"]) == (403, "token_needed")


# ---- sites, people, tariffs


async def test_a_site(api: Api) -> None:
    facts = {"site_id": "mill", "zone": "Europe/Paris", "name": "The mill", "address": "", "sensors": 0}
    made = await api("PUT", "sites/mill", {"zone": "Europe/Paris", "name": "The mill"})
    assert (made.status, made.json) == (200, facts)
    assert (await api("PUT", "sites/mill", {"zone": "Asia/Tokyo"})).json["zone"] == "Asia/Tokyo"
    assert (await api("GET", "sites?q=MILL", token=VIEWER)).json == {
        "total": 1,
        "limit": 100,
        "offset": 0,
        "sites": [facts | {"zone": "Asia/Tokyo", "name": ""}],
    }
    assert (await api("DELETE", "sites/mill")).status == 204
    assert (await api("GET", "sites/mill")).status == 404
    for name, body, field in (("Bad", {"zone": "UTC"}, "site_id"), ("x", {}, "zone"), ("x", {"zone": "UTC", "o": 1}, "o")):
        assert (await api("PUT", f"sites/{name}", body)).json["field"] == field


async def test_a_person(site: Website, api: Api) -> None:
    def ask(method: str, path: str, body: object = None) -> Any:
        return api(method, path, body, token=ADMIN)

    made = await ask("POST", "users", {"name": "zoe", "role": "viewer"})
    assert (made.status, made.json["one_time"], made.headers["Cache-Control"]) == (201, True, "no-store")
    assert len(made.json["one_time_password"]) == 19
    assert (await ask("POST", "users", {"name": "zoe", "role": "viewer"})).code == (409, "user_exists")
    assert (await ask("PATCH", "users/zoe", {"role": "operator"})).json["role"] == "operator"
    assert (await ask("PATCH", "users/zoe", {"role": "king"})).json["field"] == "role"
    assert (await ask("PATCH", "users/zoe", {"password_hash": "x"})).code == (422, "unknown_field")

    issued = await ask("POST", "users/zoe/tokens", {"scope": "write read", "days": 5})
    assert (issued.status, issued.json["scope"], issued.headers["Cache-Control"]) == (201, "read write", "no-store")
    token, short = issued.json["token"], issued.json["id"]
    assert (await api("POST", "sensors", {"sensor_id": "zoes000001"}, token=token)).status == 201
    listed = await ask("GET", "users/zoe/tokens")
    assert [one["id"] for one in listed.json["tokens"]] == [short]
    assert token not in listed.text
    assert (await ask("POST", "users/zoe/tokens", {"scope": "everything"})).json["field"] == "scope"
    assert (await ask("POST", "users/zoe/tokens", {"days": True})).json["field"] == "days"
    assert (await ask("DELETE", f"users/zoe/tokens/{short}")).status == 204
    assert (await api("GET", "sensors", token=token)).status == 401

    fresh = await ask("POST", "users/zoe/password")
    assert fresh.json["one_time_password"] != made.json["one_time_password"]
    everybody = await ask("GET", "users?limit=2")
    assert (len(everybody.json["users"]), everybody.json["total"]) == (2, len(site.catalog.state.users))
    assert "argon2" not in everybody.text
    assert (await ask("DELETE", "users/zoe")).status == 204
    assert (await ask("GET", "users/zoe")).status == 404


async def test_a_tariff_by_date(api: Api) -> None:
    async def put(day: str, document: object) -> Answer:
        return await api("PUT", f"tariffs/blue/{day}", document, token=ADMIN)

    first = await put("2026-01-01", {"price": 0.2, "name": "é"})
    version = {"tariff_id": "blue", "valid_from": "2026-01-01", "document": {"price": 0.2, "name": "é"}}
    assert (first.status, first.json) == (200, version)
    assert (await put("2026-07-01", {"price": 0.3})).status == 200
    assert (await api("GET", "tariffs/blue?on=2026-06-30", token=VIEWER)).json == version
    assert (await api("GET", "tariffs/blue", token=VIEWER)).json["document"] == {"price": 0.3}
    assert (await api("GET", "tariffs/blue/2026-01-01", token=VIEWER)).json == version
    assert (await api("GET", "tariffs/blue/2026-01-02", token=VIEWER)).status == 404
    assert (await api("GET", "tariffs/blue?on=2025-01-01", token=VIEWER)).status == 404
    assert (await api("GET", "tariffs/blue?on=soon", token=VIEWER)).json["field"] == "on"
    assert (await api("GET", "tariffs", token=VIEWER)).json["tariffs"] == [
        {"tariff_id": "blue", "valid_from": ["2026-01-01", "2026-07-01"]}
    ]
    assert (await put("2026-02-30", {})).json["field"] == "valid_from"
    for bad in (b"[]", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\\ud800"}', b"\xff", b'{"a":"' + b"x" * 600_000 + b'"}'):
        refused = await api("PUT", "tariffs/blue/2026-01-01", data=bad, token=ADMIN)
        assert refused.code == (422, "bad_document")
    assert (await api("DELETE", "tariffs/blue/2026-01-01", token=ADMIN)).status == 204
    assert (await api("DELETE", "tariffs/blue/2026-07-01", token=ADMIN)).status == 204
    assert (await api("GET", "tariffs")).json["total"] == 0


# ---- many at once


async def test_a_file_of_sensors_and_the_same_again(site: Website, api: Api) -> None:
    content = "\ufeffSensor ID;Owner;Nominal voltage V\r\n" + "".join(f"many{k:06d};Mill AG;230,5\r\n" for k in range(100))
    csv = {"Content-Type": "text/csv; charset=utf-8"}

    async def bring_in(text: str, query: str = "") -> Answer:
        return await api("POST", f"sensors/import{query}", data=text.encode(), headers=csv)

    dry = (await bring_in(content, "?dry_run=true")).json
    assert (dry["added"], dry["dry_run"]) == (100, True)
    assert "secret" not in dry["rows"][0]
    assert "many000000" not in site.catalog.state.sensors
    once = await bring_in(content + "many000000;Other;\r\n12;x;\r\n")
    assert (once.status, once.headers["Cache-Control"]) == (200, "no-store")
    found = once.json
    assert [found[name] for name in ("added", "unchanged", "refused", "unknown")] == [100, 0, 2, 0]
    assert {row["secret"] for row in found["rows"][:100]} == {row["secret"] for row in found["rows"] if "secret" in row}
    stored = site.catalog.state.sensors["many000099"]
    assert (stored.secret_sha256, stored.nominal_voltage_v) == (hash_of(found["rows"][99]["secret"]), 230.5)
    assert [(row["line"], row["code"]) for row in found["rows"][100:]] == [(102, "repeated"), (103, "out_of_range")]
    again = (await bring_in(content)).json
    assert [again[name] for name in ("added", "unchanged", "refused")] == [0, 100, 0]
    assert "secret" not in json.dumps(again)
    assert (await bring_in("colour\r\nred\r\n")).code == (422, "bad_sheet")
    assert (await bring_in("sensor_id\r\n" + "x" * 1_100_000)).status == 413
    assert (await bring_in(content, "?dry_run=perhaps")).json["field"] == "dry_run"


async def test_a_log_that_is_away_is_503(site: Website, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(command: Command, *, actor: str = "") -> Outcome:
        raise PartUnavailable("no answer from Kafka; start it with `powermon up`")

    monkeypatch.setattr(site.catalog, "submit", away)
    for method, path, body in (("POST", "sensors", {"sensor_id": "away000001"}), ("PUT", "sites/x", {"zone": "UTC"})):
        refused = await api(method, path, body)
        assert (refused.code, refused.headers["Retry-After"]) == ((503, "unavailable"), "5")
    refused = await api("POST", "sensors/import", data=b"sensor_id\naway000001\n", headers={"Content-Type": "text/csv"})
    assert refused.code == (503, "unavailable")


# ---- the document


async def test_the_document_names_every_route_and_no_other(site: Website) -> None:
    async with aiohttp.ClientSession(site.url) as session:  # nobody need sign in to read it
        async with session.get("/api/v1/openapi.json") as answer:
            document = await answer.json()
        async with session.get("/api/v1/docs") as answer:
            page = await answer.text()
    app = create_app(site.settings, site.db, site.catalog)
    routes = {
        (r.method, r.resource.canonical) for r in app.router.routes() if r.resource and r.resource.canonical.startswith("/api/")
    }
    routes -= {("GET", "/api/v1/openapi.json"), ("GET", "/api/v1/docs")}
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    # The datastore has one route for all methods of a path, and describes what it has itself.
    theirs = {path for method, path in routes if method == "*"}
    own = {(method, path) for method, path in described if f"{path.removesuffix('/')}{{slash}}" not in theirs}
    assert own - {("GET", "/registry/summary/")} == {(method, path) for method, path in routes if method not in ("HEAD", "*")}
    assert theirs == {f"{path.removesuffix('/')}{{slash}}" for _, path in described - own}
    assert all(path in page for _, path in described)
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))
    named = set(document["components"]["schemas"])
    assert {ref.rpartition("/")[2] for ref in _refs(document)} == named


async def test_answers_are_as_the_document_says(site: Website, api: Api) -> None:
    async with aiohttp.ClientSession(site.url) as session, session.get("/api/v1/openapi.json") as answer:
        document = await answer.json()
    assert (await api("PUT", "sites/fits", {"zone": "UTC"})).status == 200
    assert (await api("PUT", "tariffs/fits/2026-01-01", {"a": 1}, token=ADMIN)).status == 200
    asked: list[tuple[str, str, str, object]] = [
        ("POST", "sensors", "sensors", {"sensor_id": "fits000001", "site": "fits", "thresholds": {"a": 1}}),
        ("POST", "sensors/{sensor_id}/tokens", "sensors/fits000001/tokens", {}),
        ("GET", "sensors", "sensors", None),
        ("GET", "sensors/{sensor_id}", "sensors/fits000001", None),
        ("PATCH", "sensors/{sensor_id}", "sensors/fits000001", {"thresholds": {"a": None}}),
        ("POST", "sensors/{sensor_id}/secret", "sensors/fits000001/secret", None),
        ("GET", "sites", "sites", None),
        ("POST", "users", "users", {"name": "fit", "role": "viewer"}),
        ("POST", "users/{name}/tokens", "users/fit/tokens", {"days": 3}),
        ("GET", "users/{name}/tokens", "users/fit/tokens", None),
        ("GET", "tariffs", "tariffs", None),
        ("GET", "tariffs/{tariff_id}/{day}", "tariffs/fits/2026-01-01", None),
        ("GET", "status", "status", None),
        ("GET", "sensors/{sensor_id}", "sensors/none000001", None),
    ]
    for method, template, path, body in asked:
        operation = document["paths"][f"/api/v1/{template}"][method.lower()]
        answered = await api(method, path, body, token=ADMIN)
        described = operation["responses"][str(answered.status)]["content"]
        (schema,) = (one["schema"] for media, one in described.items() if answered.headers["Content-Type"].startswith(media))
        jsonschema.validate(answered.json, {**schema, "components": document["components"]})
        if body is not None:
            taken = operation["requestBody"]["content"]["application/json"]["schema"]
            jsonschema.validate(body, {**taken, "components": document["components"]})


def _refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for one in part.values():
            yield from _refs(one)
    elif isinstance(part, list):
        for one in part:
            yield from _refs(one)


# ---- on the real log


async def test_two_servers_race_for_one_name_and_readers_see_their_writes(
    site: Website, kafka: str, registry: str, make_settings: Callable[..., Settings]
) -> None:
    known = Registry(registry, make_settings().schema_cache)
    views = [CatalogView(kafka, known), CatalogView(kafka, known)]
    await asyncio.gather(*(view.ready(20) for view in views))
    token = f"pm1_race{time.time_ns()}"
    await views[0].submit(AddUser(name="racer", role="operator", password_hash=HASH))
    issued = IssueUserToken(name="racer", token_sha256=hash_of(token), scope="read write", expires_at_ms=LATER)
    for view in views:  # so that each has read the other's
        assert (await view.submit(issued)).code in ("accepted", "token_exists")
    settings = [make_settings(), make_settings()]
    runners = [await serve(create_app(s, site.db, v), s) for s, v in zip(settings, views, strict=True)]
    async with aiohttp.ClientSession(settings[0].web) as one, aiohttp.ClientSession(settings[1].web) as two:
        doors = Api(one), Api(two)
        for k in range(5):
            name = f"duel{k:06d}"
            answers = await asyncio.gather(*(door("POST", "sensors", {"sensor_id": name}, token=token) for door in doors))
            assert sorted(answer.status for answer in answers) == [201, 409]
            for door in doors:  # whoever was answered reads it at once, also the one who lost
                assert (await door("GET", f"sensors/{name}", token=token)).status == 200
            winner = next(answer for answer in answers if answer.status == 201)
            for view in views:
                assert view.state.sensors[name].secret_sha256 == hash_of(winner.json["secret"])
        content = "sensor_id\n" + "".join(f"both{k:06d}\n" for k in range(200))
        reports = await asyncio.gather(
            *(door("POST", "sensors/import", data=content, headers={"Content-Type": "text/csv"}, token=token) for door in doors)
        )
        assert sum(report.json["added"] for report in reports) == 200
        assert all(report.json["added"] + report.json["unchanged"] == 200 for report in reports)
        told = {row["sensor_id"]: row["secret"] for report in reports for row in report.json["rows"] if "secret" in row}
        assert all(views[0].state.sensors[name].secret_sha256 == hash_of(secret) for name, secret in told.items())
    for runner in runners:
        await runner.cleanup()
    for view in views:
        await view.close()

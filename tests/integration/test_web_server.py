"""The web server over HTTP, on a real embedded ClickHouse."""

import io
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import aiohttp
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from infra.cli import sql as cli
from infra.errors import ConfigurationError, PartUnavailable
from infra.settings import Settings
from streams.catalog.commands import RegisterSensor
from tests.fakes import house, website
from tests.fakes.website import Website

BEARER = {"Authorization": f"Bearer {website.OPERATOR}"}


class Client:
    """A browser without a page: keeps cookies, reads every answer to its end."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def get(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        return await self._whole(self.session.get(path, **options))

    async def post(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        return await self._whole(self.session.post(path, **options))

    @staticmethod
    async def _whole(asked: Any) -> aiohttp.ClientResponse:
        answer = cast(aiohttp.ClientResponse, await asked)
        await answer.read()
        return answer


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    running = Website(make_settings())
    now = int(time.time())
    house.fill(running.db, "gre000001", [now - s for s in range(60) if s not in (20, 21)])
    house.fill_minutes(running.db, "gre000001", [now // 60 * 60 - 60 * m for m in range(60)], until_s=now)
    house.fill(running.db, "gre000777", [now - 90_000])
    house.fill_minutes(running.db, "gre000777", [(now - 90_000) // 60 * 60])
    yield running
    running.close()


@pytest.fixture
async def client(site: Website) -> AsyncIterator[Client]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(site.url, cookie_jar=jar) as session:
        yield Client(session)


async def sign_in(client: Client, name: str, password: str, **form: str) -> aiohttp.ClientResponse:
    page = await (await client.get("/signin")).text()
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf is not None
    return await client.post("/signin", data={"csrf": csrf[1], "name": name, "password": password, **form}, allow_redirects=False)


async def code(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json(content_type=None)).get("code", "")


# ---- coming in


@pytest.mark.parametrize("path", ["/", "/password", "/api/v1/sensors", "/api/v1/status", "/ws", "/nothing"])
async def test_nothing_is_shown_to_strangers(client: Client, path: str) -> None:
    assert await code(await client.get(path)) == (401, "not_signed_in")


async def test_a_stranger_with_a_browser_is_sent_to_sign_in_and_back(client: Client) -> None:
    answer = await client.get("/?sensor=gre000001&hours=6", headers={"Accept": "text/html"}, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/signin?next=/?sensor%3Dgre000001%26hours%3D6")


async def test_health_and_assets_need_nobody(client: Client) -> None:
    for path in ("/healthz", "/readyz", "/static/powermon.css", "/static/bokeh.min.js", "/favicon.ico", "/metrics"):
        assert (await client.get(path)).status == 200, path
    assert (await client.get("/static/..%2fserver.py")).status == 404


async def test_sign_in_gives_a_session_and_sign_out_ends_it(client: Client) -> None:
    answer = await sign_in(client, " Ann ", website.VIEWER_PASSWORD)
    assert answer.status == 303
    cookie = answer.cookies["powermon"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert not cookie["secure"]
    page = await (await client.get("/")).text()
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf is not None
    assert await code(await client.post("/signout", data={"csrf": "guess"})) == (403, "form_expired")
    assert (await client.post("/signout", data={"csrf": csrf[1]}, allow_redirects=False)).status == 303
    client.session.cookie_jar.update_cookies({"powermon": cookie.value})
    assert (await client.get("/api/v1/status")).status == 401


async def test_the_cookie_is_for_tls_only_behind_tls(site: Website) -> None:
    async with aiohttp.ClientSession(site.url, headers={"X-Forwarded-Proto": "https"}) as session:
        answer = await Client(session).get(f"/signin?token={website.LINK}", allow_redirects=False)
        assert answer.cookies["powermon"]["secure"] is True


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("nobody", "wrong"), ("", ""), ("ann\x00", "x" * 10_000)])
async def test_wrong_names_and_wrong_passwords_look_alike(client: Client, name: str, password: str) -> None:
    answer = await sign_in(client, name, password)
    assert answer.status == 403
    assert "The name or the password is wrong." in await answer.text()
    assert "powermon" not in answer.cookies


async def test_a_form_from_elsewhere_is_refused(client: Client) -> None:
    answer = await sign_in(client, "ann", website.VIEWER_PASSWORD, csrf="other")
    assert answer.status == 403
    page = await (await client.get("/signin")).text()
    csrf = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
    form = {"csrf": csrf, "name": "ann", "password": website.VIEWER_PASSWORD}
    answer = await client.post("/signin", data=form, headers={"Origin": "https://evil.example"}, allow_redirects=False)
    assert answer.status == 403


async def test_guessing_is_slowed_down(client: Client) -> None:
    statuses = [(await sign_in(client, "guessed", "x")).status for _ in range(10)]
    assert statuses == [403] * 8 + [429] * 2


async def test_a_one_time_password_must_be_changed_first(site: Website, client: Client) -> None:
    assert (await sign_in(client, "new", website.ONE_TIME)).status == 303
    answer = await client.get("/", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/password")
    assert await code(await client.get("/api/v1/sensors")) == (403, "password_must_change")

    async def change(old: str, new: str, again: str) -> int:
        page = await (await client.get("/password")).text()
        csrf = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
        form = {"csrf": csrf, "old": old, "new": new, "again": again}
        return (await client.post("/password", data=form, allow_redirects=False)).status

    fresh = "seven-quiet-rivers"
    assert await change("wrong", fresh, fresh) == 403
    assert await change(website.ONE_TIME, fresh, "other") == 422
    assert await change(website.ONE_TIME, website.ONE_TIME, website.ONE_TIME) == 422
    assert await change(website.ONE_TIME, fresh, fresh) == 303
    assert (await client.get("/api/v1/sensors")).status == 200
    assert not site.catalog.state.users["new"].one_time
    assert (await sign_in(client, "new", website.ONE_TIME)).status == 403


async def test_a_link_signs_a_browser_in(client: Client) -> None:
    answer = await client.get(f"/signin?token={website.LINK}", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert (await client.get("/api/v1/status")).status == 200


@pytest.mark.parametrize("token", ["pm1_unknown", website.READER, "", "x" * 5000])
async def test_other_tokens_are_no_links(client: Client, token: str) -> None:
    assert (await client.get(f"/signin?token={token}", allow_redirects=False)).status == 403


async def test_every_answer_carries_the_security_headers(client: Client) -> None:
    await client.get(f"/signin?token={website.LINK}")
    for path in ("/", "/signin", "/api/v1/status", "/static/live.js", "/nothing"):
        headers = (await client.get(path)).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe-eval" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


# ---- pages and their plots


async def test_a_page_loads_nothing_from_elsewhere(client: Client) -> None:
    await client.get(f"/signin?token={website.LINK}")
    page = await (await client.get("/?sensor=gre000001")).text()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert [s for s in sources if not s.startswith(("/", "#"))] == []


async def test_scripts_in_a_page_are_marked_as_ours(client: Client) -> None:
    await client.get(f"/signin?token={website.LINK}")
    answer = await client.get("/?sensor=gre000001")
    nonce = re.search(r"'nonce-([^']+)'", answer.headers["Content-Security-Policy"])
    assert nonce is not None
    inline = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", await answer.text())
    assert all(f'nonce="{nonce[1]}"' in attributes or "application/json" in attributes for attributes in inline)


async def test_the_socket_is_for_our_own_pages(site: Website, client: Client) -> None:
    await client.get(f"/signin?token={website.LINK}")
    page = await (await client.get("/?sensor=gre000001")).text()
    token = re.findall(r'"token":"([^"]+)"', page)[0]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.session.ws_connect("/ws", protocols=["bokeh", token], origin="https://evil.example")
    assert refused.value.status == 403
    socket = await client.session.ws_connect("/ws", protocols=["bokeh", token], origin=site.url)
    first = await socket.receive(timeout=10)
    assert "ACK" in first.data
    await socket.close()


async def test_an_unknown_sensor_is_said_to_be_unknown(client: Client) -> None:
    await client.get(f"/signin?token={website.LINK}")
    answer = await client.get("/", params={"sensor": "<b>zzz000001"})
    text = await answer.text()
    assert answer.status == 404
    assert "No sensor called &lt;b&gt;zzz000001" in text


async def test_the_list_of_sensors(site: Website, client: Client) -> None:
    found = await (await client.get("/api/v1/sensors", headers=BEARER)).json()
    by_id = {s["id"]: s for s in found["sensors"]}
    assert set(by_id) >= {"gre000001", "gre000002", "gre000777"}
    assert by_id["gre000777"]["state"] == "silent"
    assert by_id["gre000002"] == {
        "id": "gre000002",
        "state": "never",
        "detail": "nothing received yet",
        "newest_s": None,
        "power_w": None,
        "registration": "new",
        "owner": "",
        "address": "",
        "category": "main",
        "site": "",
        "anomalies": 0,
    }
    assert by_id["gre000777"]["registration"] is None
    searched = await (await client.get("/api/v1/sensors?q=777&limit=5", headers=BEARER)).json()
    assert [s["id"] for s in searched["sensors"]] == ["gre000777"]
    assert await code(await client.get("/api/v1/sensors?limit=no", headers=BEARER)) == (422, "bad_limit")
    site.catalog.add(RegisterSensor(sensor_id="late000001", secret_sha256="a" * 64))
    site.catalog.trouble = "the broker is away"
    assert (await client.get("/readyz")).status == 503
    site.catalog.trouble = None


# ---- queries


async def ask(client: Client, sql: str, form: str = "JSONEachRow", token: str = website.OPERATOR) -> aiohttp.ClientResponse:
    headers = {"Authorization": f"Bearer {token}"}
    return await client.post("/api/v1/sql", json={"sql": sql, "format": form}, headers=headers)


async def test_a_query_is_answered_in_the_format_asked_for(client: Client) -> None:
    sql = "SELECT sensor_id, count() AS n FROM readings WHERE sensor_id = 'gre000001' GROUP BY sensor_id"
    answer = await ask(client, sql)
    assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
    assert await answer.text() == '{"sensor_id":"gre000001","n":174}\n'
    assert await (await ask(client, sql, "CSVWithNames")).text() == '"sensor_id","n"\n"gre000001",174\n'
    assert "gre000001" in await (await ask(client, sql, "PrettyCompact")).text()
    parquet = await (await ask(client, sql, "Parquet")).read()
    assert pq.read_table(io.BytesIO(parquet)).num_rows == 1
    text = await client.post("/api/v1/sql?format=TSV", data=sql, headers={**BEARER, "Content-Type": "text/plain"})
    assert await text.text() == "gre000001\t174\n"


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("DROP TABLE readings_raw", "DROP came"),
        ("SELECT 1; SELECT 2", "several statements"),
        ("WITH 1 AS x INSERT INTO minutes_raw (probe) SELECT 1", ""),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", "file()"),
        ("SELECT 1 SETTINGS readonly = 0", "readonly"),
        ("SELECT nonsense FROM minutes", "nonsense"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT number FROM numbers(3000000)", "max rows"),
    ],
)
async def test_a_query_that_is_refused_says_why(client: Client, sql: str, says: str) -> None:
    answer = await ask(client, sql)
    body: dict[str, Any] = await answer.json(content_type=None)
    assert (answer.status, body["code"]) == (422, "query_refused")
    assert says in body["detail"]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (website.READER, (403, "role_missing")),
        (website.SENSORLESS, (403, "scope_missing")),
        (website.LINK, (401, "not_signed_in")),
        ("pm1_nobody", (401, "not_signed_in")),
    ],
)
async def test_queries_are_for_administrators(client: Client, token: str, expected: tuple[int, str]) -> None:
    assert await code(await ask(client, "SELECT 1", token=token)) == expected


async def test_a_token_is_not_refused_while_the_catalog_is_being_read(client: Client, site: Website) -> None:
    site.catalog.trouble = "the catalog is being read, 3 commands so far"
    try:
        assert await code(await ask(client, "SELECT 1", token="pm1_nobody")) == (503, "unavailable")
    finally:
        site.catalog.trouble = None


async def test_no_sensor_is_unknown_while_the_catalog_is_being_read(client: Client, site: Website) -> None:
    site.catalog.trouble, site.catalog.caught_up = "the catalog is being read, 3 commands so far", False
    try:
        assert await code(await client.get("/api/v1/sensors/xyz000001", headers=BEARER)) == (503, "unavailable")
        assert (await ask(client, "SELECT 1")).status == 200
    finally:
        site.catalog.trouble, site.catalog.caught_up = None, True


async def test_a_session_is_no_key_to_queries(client: Client) -> None:
    await sign_in(client, "root", website.ADMIN_PASSWORD)
    assert await code(await client.post("/api/v1/sql", json={"sql": "SELECT 1"})) == (403, "token_needed")


@pytest.mark.parametrize("body", [b"{", b'{"sql": 5}', b'{"sql": "SELECT 1", "other": 1}', b"x" * 300_000, b"\xff\xfe"])
async def test_bad_bodies_are_refused_not_failed(client: Client, body: bytes) -> None:
    for kind in ("application/json", "text/plain"):
        answer = await client.post("/api/v1/sql", data=body, headers={**BEARER, "Content-Type": kind})
        assert answer.status == 422


# ---- the command line


def run_sql(site: Website, monkeypatch: pytest.MonkeyPatch, *args: str) -> Any:
    monkeypatch.setenv("POWERMON_DATA", str(site.settings.data))
    monkeypatch.setenv("POWERMON_WEB_PORT", str(site.settings.web_port))
    return CliRunner().invoke(cli.sql, args)


def test_powermon_sql_prints_a_table_or_a_format(site: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    site.settings.operator_token.write_text(website.OPERATOR + "\n")
    table = run_sql(site, monkeypatch, "SELECT 7 AS seven")
    assert table.exit_code == 0
    assert "seven" in table.output
    assert "\x1b" not in table.output
    assert run_sql(site, monkeypatch, "SELECT 7 AS seven", "--format", "CSV").output.splitlines()[-1] == "7"


def test_powermon_sql_says_what_is_wrong(site: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    site.settings.operator_token.write_text(website.OPERATOR)
    with pytest.raises(cli.QueryFailed, match="DROP came"):
        raise run_sql(site, monkeypatch, "DROP TABLE x").exception
    site.settings.operator_token.write_text("pm1_old")
    with pytest.raises(ConfigurationError, match="operator's token"):
        raise run_sql(site, monkeypatch, "SELECT 1").exception
    site.settings.operator_token.unlink()
    with pytest.raises(ConfigurationError, match="powermon up"):
        raise run_sql(site, monkeypatch, "SELECT 1").exception
    with pytest.raises(PartUnavailable, match="powermon up"):
        cli.ask("http://127.0.0.1:1", "t", "SELECT 1", "CSV", io.BytesIO())

"""A token leaked from any topic, log, table or backup is useless: nothing the stack writes holds one, and hashes are none."""

import asyncio
import base64
import functools
import json
import re
import shutil
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.settings import Settings
from schemas import topics
from schemas.dead_letter import decode_letter
from schemas.registry import Registry
from streams.catalog.tokens import hash_of
from tests import hostile
from tests.stack import Stack, publish, read_all
from tests.waiting import until

SENSOR, OTHER = "leak000001", "leak000002"
SECOND = json.loads(hostile.VALID[0])
del SECOND["token"]


@pytest.fixture
def stack(make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Stack]:
    found = Stack(make_settings(log_level="DEBUG"), tmp_path)
    yield found
    found.stop()


class Known:
    """Everything that opens a door, as it was given out."""

    def __init__(self) -> None:
        self.all: dict[str, str] = {}

    def keep(self, what: str, value: str) -> str:
        assert len(value) >= 16, what
        self.all[value] = what
        return value

    def within(self, data: bytes) -> set[str]:
        data = data.rstrip(b"\0")  # the log's index files are made larger than what is in them
        return {what for value, what in self.all.items() if any(form in data for form in forms(value))}


@functools.cache
def forms(value: str) -> tuple[bytes, ...]:
    """A value as it may stand in a file: plain, in hexadecimal digits, and in either base64, from any byte on."""
    plain = value.encode()
    found = {plain, plain.hex().encode(), plain.hex().upper().encode(), value.encode("utf-16-le")}
    for before in range(3):
        # Of the first and the last group of four digits some bits belong to the neighbours.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(b"\0" * before + plain).rstrip(b"=")[4 if before else 0 : -1])
    return tuple(found)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda plain: plain, id="plain"),
        pytest.param(lambda plain: plain.hex().encode(), id="hex"),
        pytest.param(lambda plain: base64.b64encode(b"Basic:" + plain + b"!"), id="base64"),
        pytest.param(lambda plain: base64.b64encode(b"x" + plain + b"yz"), id="base64 from the second byte on"),
        pytest.param(lambda plain: base64.urlsafe_b64encode(b"xy" + plain), id="base64 for addresses, from the third byte on"),
    ],
)
def test_what_would_be_found(written: Callable[[bytes], bytes]) -> None:
    known = Known()
    value = known.keep("a secret", "pm1s_" + "_-Zq7/+9" * 4)
    assert known.within(b"before " + written(value.encode()) + b" after" + b"\0" * 9) == {"a secret"}
    assert known.within(written(value.swapcase().encode())) == set()


async def test_nothing_that_is_written_opens_a_door(stack: Stack, tmp_path: Path) -> None:
    known = Known()
    settings = stack.settings
    operator = known.keep("operator's token", settings.operator_token.read_text().strip())
    secret = known.keep("secret", stack.run("sensors", "add", SENSOR).strip())
    known.keep("token by command", stack.run("tokens", "issue", "--sensor", SENSOR).strip())
    password = known.keep("one-time password", stack.run("users", "add", "ann", "--role", "viewer").strip())
    person = known.keep("user's token", stack.run("tokens", "issue", "--user", "ann").strip())
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = {"Authorization": f"Bearer {operator}"}
        await by_rest(http, settings, known, admin)
        token = await by_http(http, settings, known, secret)
        await over_websockets(http, settings, token, secret)
        session = await by_browser(http, settings, known, password)
        await asyncio.to_thread(provoke_dead_letters, stack)
        await asyncio.to_thread(stack.wait_settled)
        metrics = [await text(http, f"{address}/metrics") for address in addresses(settings)]
        assert all("powermon_" in one or "python_info" in one for one in metrics)
        assert known.within("".join(metrics).encode()) == set()
        found_in_tables(stack, known)
        found_in_topics(settings, known)
        await hashes_open_nothing(http, settings, [secret, token, person, operator, session])
    stack.stop()
    until((settings.data / "web-sessions.json").exists, "the sessions are saved")
    found_in_backup(settings, known, tmp_path / "backup")
    assert known.within(stack.log.read_bytes()) == set()
    assert (settings.operator_token.stat().st_mode | settings.registry_key.stat().st_mode) & 0o077 == 0


def addresses(settings: Settings) -> list[str]:
    ports = [settings.gateway_port, settings.web_port, *settings.worker_ports.values()]
    return [f"http://127.0.0.1:{port}" for port in ports]


async def text(http: aiohttp.ClientSession, url: str, **options: Any) -> str:
    async with http.get(url, **options) as answer:
        return await answer.text()


async def by_rest(http: aiohttp.ClientSession, settings: Settings, known: Known, admin: dict[str, str]) -> None:
    """A sensor, a token and a person over REST, and refusals that hold them."""

    async def ask(path: str, body: Any, **headers: str) -> tuple[int, str]:
        async with http.post(f"{settings.web}/api/v1/{path}", json=body, headers={**admin, **headers}) as answer:
            return answer.status, await answer.text()

    for what, path, body in (
        ("REST secret", "sensors", {"sensor_id": OTHER}),
        ("REST new secret", f"sensors/{OTHER}/secret", {}),
        ("REST token", f"sensors/{OTHER}/tokens", {}),
        ("REST password", "users", {"name": "bob", "role": "viewer"}),
        ("REST user's token", "users/bob/tokens", {}),
        ("partner's token", "registry/connections/", {}),
        ("chosen partner's token", "registry/connections/", {"token": str(uuid.UUID(int=2**127 + 1, version=4))}),
    ):
        status, told = await ask(path, body)
        assert status in (200, 201), (what, told)
        values = re.findall(r'"(?:token|secret|one_time_password)": ?"([^"]{16,})"', told)
        assert values, (what, told)
        for value in values:
            known.keep(what, value)
    for value in list(known.all):
        assert (await ask("registry/connections/", {"token": f"{value}-", "projects": [value]}))[0] == 400
        for header in (f"Token {value}", f"Token {value} {value}", f"Token {hash_of(value)}"):
            async with http.get(f"{settings.web}/registry/summary/", headers={"Authorization": header}) as answer:
                assert (answer.status == 200) == ("partner's token" in known.all[value] and header == f"Token {value}")
        assert (await ask("sensors", {"sensor_id": value, "secret": value}))[0] == 422
        assert (await ask(f"sensors/{value}/tokens", {value: value}))[0] in (404, 422)
        async with http.get(f"{settings.web}/api/v1/nothing/{value}?token={value}", headers=admin) as answer:
            assert answer.status == 404
        async with http.get(f"{settings.web}/api/v1/sensors", headers={"Authorization": f"Bearer {value}x"}) as answer:
            assert answer.status == 401


async def by_http(http: aiohttp.ClientSession, settings: Settings, known: Known, secret: str) -> str:
    """Boot, refresh and posts, good ones and ones that fail everywhere; returns a live token."""
    gateway = f"http://127.0.0.1:{settings.gateway_port}"

    async def ask(path: str, body: Any, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with http.post(f"{gateway}/{path}", data=data, headers=sent) as answer:
            told = await answer.json(content_type=None)
            if "token" in told:
                known.keep(f"token of {path}", told["token"])
            return answer.status, told

    boot = {"sensor_id": SENSOR, "secret": secret, "version": "221013", "firmware": "1.0"}
    status, booted = await ask("powermon/boot", boot)
    assert status == 200
    first = booted["token"]
    status, refreshed = await ask("powermon/token", {"sensor_id": SENSOR, "token": first})
    assert status == 200
    token = refreshed["token"]
    post = SECOND | {"sensor_id": SENSOR}
    assert (await ask("powermon/data", post | {"token": token}))[0] == 202
    assert (await ask("powermon/data", post | {"timestamp": 1_700_000_001}, Authorization=f"Bearer {first}"))[0] == 202
    assert (await ask("powermon/boot", boot | {"firmware": f"1.0 {secret}"}))[0] == 200
    batch = {"version": "221013", "sensor_id": SENSOR, "token": token}
    records = [{"timestamp": 1_700_000_100, "data": SECOND["data"]}, {"timestamp": token, "data": token}, {token: token}]
    assert (await ask("powermon/data/batch", batch | {"records": records}))[0] == 202
    for value in (token, secret):
        for path in ("powermon/data", "powermon/data/batch", "powermon/boot", "powermon/token", "powermon/time"):
            for body in (
                {"sensor_id": value, "token": value},
                post | {"token": value, "version": value},
                post | {"token": token, "data": [{value: value, "probe_type": value}]},
                boot | {"secret": value + "x", "firmware": value},
                boot | {"sensor_id": OTHER, "secret": value, "token": value},
                {value: 1, "sensor_id": value},
                f'{{"{value}":1,"{value}":2}}'.encode(),
                value.encode(),
                b"\xff" + value.encode(),
            ):
                status, answer = await ask(path, body)
                assert status != 500
                assert value not in json.dumps(answer)
            await ask(path, {}, Content_Type=value)
            await ask(path, {}, Content_Encoding=value)
        assert (await ask(f"powermon/{value}", {}))[0] == 404
        assert (await ask(f"powermon/ws/{value}/calls?token={value}", {"action": value}, Authorization=f"Bearer {value}"))[
            0
        ] == 401
    status, booted = await ask("powermon/boot", boot)  # the others have been retired by now
    assert status == 200
    return str(booted["token"])


async def over_websockets(http: aiohttp.ClientSession, settings: Settings, token: str, secret: str) -> None:
    """A second by each way in, and frames that fail."""
    url = f"http://127.0.0.1:{settings.gateway_port}/powermon/ws/"
    names = {"probe_id": "probe", "probe_type": "probeType", "pf": "powerfactor"}
    sampled = [{names.get(name, name): value for name, value in probe.items()} for probe in SECOND["data"]]
    meter = {"connectorId": 1, "transactionId": 1, "meterValue": [{"timestamp": 1_700_000_200, "sampledValue": sampled}]}
    async with http.ws_connect(url + SENSOR, headers={"Authorization": f"Bearer {token}"}) as ws:
        for action, payload in (("MeterValues", meter), (token, {token: token}), ("MeterValues", {"meterValue": token})):
            await ws.send_json([2, token[:36], action, payload])
            answer = await ws.receive_json(timeout=20)
        await ws.send_str(token)
        assert (await ws.receive_json(timeout=20))[0] == 4
    for sensor_id, shown in ((SENSOR, secret), (SENSOR, secret + "x"), (OTHER, secret)):
        async with http.ws_connect(url + sensor_id) as ws:
            await ws.send_json([2, "1", "BootNotification", {"secret": shown, "firmware": shown}])
            answer = await ws.receive_json(timeout=20)
            assert (answer[2]["status"] == "Accepted") == (shown == secret and sensor_id == SENSOR)
    async with http.ws_connect(url + SENSOR, protocols=(token,)) as ws:
        await ws.send_json([2, "1", "Heartbeat", {"token": token}])
        assert (await ws.receive_json(timeout=20))[0] == 4


async def by_browser(http: aiohttp.ClientSession, settings: Settings, known: Known, password: str) -> str:
    """Sign in, also with the password where the name belongs; returns the session's id."""
    cookies: dict[str, str] = {}

    async def sign_in(name: str, word: str) -> int:
        cookies.clear()
        async with http.get(f"{settings.web}/signin") as answer:
            csrf = re.search(r'name="csrf" value="([^"]+)"', await answer.text())
            assert csrf is not None
            cookies.update({name: one.value for name, one in answer.cookies.items()})
        form = {"csrf": csrf[1], "name": name, "password": word}
        header = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        async with http.post(f"{settings.web}/signin", data=form, headers=header, allow_redirects=False) as answer:
            for line in answer.headers.getall("Set-Cookie", []):
                cookies.update({name: one.value for name, one in SimpleCookie(line).items()})
            return answer.status

    assert await sign_in(password, "ann") == 403
    assert await sign_in("ann", password) == 303
    return known.keep("session", cookies["powermon"])


def provoke_dead_letters(stack: Stack) -> None:
    """Messages that nobody can read, in every topic that is read, made of the good ones beside them."""
    settings = stack.settings
    sent = 0
    for topic in (topics.READINGS, topics.CATALOG):
        good = [(message.key(), message.value()) for message in read_all(settings, topic)]
        assert good, topic.name
        broken = [
            (key, damaged)
            for key, value in good[:5]
            for damaged in (value[:-7], b"\xff" + value, value[:4] + b"\xff" + value[5:])
        ]
        publish(settings, topic, broken)
        sent += len(broken)
    registry = Registry(settings.registry, settings.schema_cache)

    def letters() -> set[str]:
        found = [decode_letter(message.value(), registry.schema_of) for message in read_all(settings, topics.DEAD_LETTERS)]
        return {one.source_topic for one in found if one.message_value}

    until(lambda: topics.READINGS.name in letters(), "dead letters are written", 60)


def found_in_topics(settings: Settings, known: Known) -> None:
    for topic in topics.ALL:
        for message in read_all(settings, topic):
            headers = b"".join(value or b"" for _, value in message.headers() or [])
            found = known.within((message.key() or b"") + (message.value() or b"") + headers)
            assert not found, (topic.name, message.offset())


def found_in_backup(settings: Settings, known: Known, backup: Path) -> None:
    """A copy of the data folder: segments of the log, the registry, parts of tables, snapshots, log lines."""
    keys = {settings.operator_token.name, settings.registry_key.name}
    shutil.copytree(settings.data, backup, ignore=lambda folder, names: keys & set(names))
    files = [path for path in sorted(backup.rglob("*")) if path.is_file()]
    names = {str(path.relative_to(backup)) for path in files}
    for part in ("sensor.readings-", "dead.letters-", "catalog.commands-", "clickhouse", "logs/", "snapshot"):
        assert any(part in name for name in names), (part, sorted(names)[:50])
    leaks = {str(path.relative_to(backup)): found for path in files if (found := known.within(path.read_bytes()))}
    assert leaks == {}


def found_in_tables(stack: Stack, known: Known) -> None:
    names = stack.rows(
        "SELECT database, name FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')"
    )
    assert len(names) > 2
    tables = [f"`{one['database']}`.`{one['name']}`" for one in names if not one["name"].startswith(".")]
    for table in tables:
        assert (
            known.within(stack.run("sql", f"SELECT * FROM {table} LIMIT 10000", "--format", "JSONEachRow").encode()) == set()
        ), table


async def hashes_open_nothing(http: aiohttp.ClientSession, settings: Settings, values: list[str]) -> None:
    """What stands in the log instead is no key."""
    kept = "".join(message.value().decode("latin-1") for message in read_all(settings, topics.CATALOG))
    kept += (settings.data / "web-sessions.json").read_text()
    gateway = f"http://127.0.0.1:{settings.gateway_port}"
    for digest in map(hash_of, values):
        assert digest in kept
        for body in (
            SECOND | {"sensor_id": SENSOR, "token": digest},
            {"sensor_id": SENSOR, "secret": digest, "version": "221013"},
        ):
            for path in ("data", "boot", "token"):
                async with http.post(f"{gateway}/powermon/{path}", json=body) as answer:
                    assert answer.status in (401, 429), (path, await answer.text())
        for headers in ({"Authorization": f"Bearer {digest}"}, {"Cookie": f"powermon={urllib.parse.quote(digest)}"}):
            async with http.get(f"{settings.web}/api/v1/sensors", headers=headers) as answer:
                assert answer.status in (401, 429), headers

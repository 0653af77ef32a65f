"""The gateway's other doors as a sensor, a browser and an attacker see them: real broker, real registry, real sockets."""

import asyncio
import contextlib
import gzip
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
import trustme

from infra import checks
from infra.certificate import Certificate
from infra.errors import ConfigurationError
from infra.settings import Settings
from producers.gateway import app, tls
from producers.gateway.doors import CODES
from schemas.registry import Registry
from streams.catalog.commands import IssueToken, RegisterSensor, RevokeSensor
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView

SECRET = "pms_a-secret-that-must-never-be-seen-anywhere"
TOKEN = "pm1_entrance-token-that-must-never-be-seen"
END_MS = 4_000_000_000_000
SAMPLE = json.loads((Path(__file__).parents[1] / "golden" / "sensor_samples" / "valid_mixed.json").read_text())
Answer = tuple[int, Any, Any]


@dataclass
class Doors:
    """A running gateway, a client of it, and the catalog beside it."""

    gateway: app.Gateway
    http: aiohttp.ClientSession
    view: CatalogView
    settings: Settings

    async def ask(self, path: str, body: Any = None, method: str = "POST", **headers: str) -> Answer:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | headers if data is not None else headers
        async with self.http.request(method, self.gateway.address + path, data=data, headers=sent) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if "json" in answer.content_type and text else text, answer.headers

    async def boot(self, sensor_id: str, secret: str = SECRET, **more: Any) -> Answer:
        return await self.ask("/powermon/boot", {"sensor_id": sensor_id, "secret": secret, "version": "221013"} | more)

    async def add(self, sensor_id: str, *, token: str = "", revoked: bool = False, expires_at_ms: int = END_MS) -> None:
        """Register a sensor with SECRET; the gateway knows it when this returns."""
        await self.view.submit(RegisterSensor(sensor_id=sensor_id, secret_sha256=hash_of(SECRET)))
        if token:
            end = expires_at_ms
            issue = IssueToken(
                sensor_id=sensor_id, token_sha256=hash_of(token), issued_at_ms=0, expires_at_ms=end, refresh_at_ms=end
            )
            await self.view.submit(issue)
        if revoked:
            await self.view.submit(RevokeSensor(sensor_id=sensor_id))
        async with asyncio.timeout(20):
            while self.gateway._view.offset < self.view.offset:
                await self.ask("/healthz", method="GET")


@asynccontextmanager
async def served(settings: Settings, ca: ssl.SSLContext | None = None) -> AsyncIterator[Doors]:
    registry = Registry(settings.registry, settings.schema_cache)
    view = CatalogView(settings.kafka, registry)
    await view.ready(20)
    gateway = await app.start(settings)
    try:
        await gateway.ready(20)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ca or True)) as http:
            yield Doors(gateway, http, view, settings)
    finally:
        await gateway.stop()
        await view.close()


@pytest.fixture
async def doors(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> AsyncIterator[Doors]:
    async with served(make_settings(kafka_bootstrap=kafka, registry_url=registry, gateway_trusted_proxies="127.0.0.1")) as found:
        yield found


@pytest.fixture
def numbers(request: pytest.FixtureRequest) -> str:
    """A sensor's name that no other test has."""
    return "".join(c for c in request.node.name if c.isalpha())[:40].lower()


async def test_from_a_secret_to_a_second_that_is_safe(doors: Doors, numbers: str) -> None:
    sensor = f"{numbers}000001"
    await doors.add(sensor)
    before_ms = time.time_ns() // 1_000_000
    status, booted, headers = await doors.boot(sensor.upper(), firmware="1.4", t0=-5)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert booted["token"].startswith("pm1_")
    host = doors.gateway.address.removeprefix("http://")
    assert booted | {"token": "", "time": ""} == {
        "token": "", "token_type": "Bearer", "expires_in": 604800, "refresh_after": 302400, "host": host,
        "urls": {"data": "/powermon/data", "batch": "/powermon/data/batch", "time": "/powermon/time",
                 "token": "/powermon/token", "ws": "/powermon/ws"},
        "settings": {"post_interval_s": 1, "samples_per_second": 20, "time_sync_interval_s": 86400, "batch_max_seconds": 600},
        "time": "",
    }  # fmt: skip
    assert booted["time"]["t0"] == -5
    assert before_ms <= booted["time"]["t1"] <= booted["time"]["t2"] <= time.time_ns() // 1_000_000
    post = SAMPLE | {"sensor_id": sensor, "token": booted["token"]}
    assert (await doors.ask(booted["urls"]["data"], post))[0] == 202


async def test_two_tokens_live_a_third_retires_the_oldest(doors: Doors, numbers: str) -> None:
    sensor = f"{numbers}000001"
    await doors.add(sensor)
    first = (await doors.boot(sensor))[1]["token"]
    status, answer, _ = await doors.ask("/powermon/token/", {"sensor_id": sensor}, Authorization=f"Bearer {first}")
    assert (status, set(answer)) == (200, {"token", "token_type", "expires_in", "refresh_after"})
    second = answer["token"]

    async def post(token: str) -> tuple[int, str]:
        status, answer, _ = await doors.ask("/powermon/data", SAMPLE | {"sensor_id": sensor, "token": token})
        return status, answer.get("code", "")

    assert [await post(first), await post(second)] == [(202, ""), (202, "")]
    # This answer is lost on its way: the sensor still has the second token, and asks with it again.
    await doors.ask("/powermon/token", {"sensor_id": sensor, "token": second})
    status, answer, _ = await doors.ask("/powermon/token", None, Authorization=f"Bearer {second}")
    assert status == 200
    assert await post(answer["token"]) == (202, "")
    assert await post(first) == (401, "token_invalid")
    assert (await doors.ask("/powermon/token", {"sensor_id": sensor, "secret": SECRET}))[0] == 200


async def test_a_revoked_sensor_is_disabled_at_every_door(doors: Doors, numbers: str) -> None:
    sensor = f"{numbers}000001"
    await doors.add(sensor)
    token = (await doors.boot(sensor))[1]["token"]
    await doors.view.submit(RevokeSensor(sensor_id=sensor))
    async with asyncio.timeout(20):
        while (await doors.boot(sensor))[0] != 403:
            pass
    for path, body in (
        ("/powermon/boot", {"sensor_id": sensor, "secret": SECRET}),
        ("/powermon/token", {"sensor_id": sensor, "secret": SECRET}),
        ("/powermon/token", {"token": token}),
        ("/powermon/data", SAMPLE | {"sensor_id": sensor, "token": token}),
    ):
        status, answer, _ = await doors.ask(path, body)
        assert (status, answer["code"], answer["retry"]) == (403, "sensor_disabled", True), path


async def test_wrong_secrets_tell_nothing_and_are_limited(
    doors: Doors, numbers: str, log_output: structlog.testing.LogCapture
) -> None:
    sensor, unknown = f"{numbers}000001", f"{numbers}000002"
    await doors.add(sensor)
    for address, sensor_id in (("198.51.100.1", sensor), ("198.51.100.2", unknown)):
        answers = []
        for _ in range(11):
            body = {"sensor_id": sensor_id, "secret": SECRET + "x", "version": "221013"}
            answers.append(await doors.ask("/powermon/boot", body, **{"X-Forwarded-For": address}))
        assert [status for status, _, _ in answers] == [401] * 10 + [429]
        assert {json.dumps(answer) for _, answer, _ in answers[:10]} == {
            '{"status": 401, "code": "token_invalid", "field": "secret", '
            '"detail": "sensor_id and secret do not belong together", "retry": true}'
        }
        assert answers[10][1]["code"] == "rate_limited"
        assert 1 <= int(answers[10][2]["Retry-After"]) <= 60
    elsewhere = await doors.ask("/powermon/token", {"sensor_id": f"{numbers}000003", "secret": "x"})
    assert elsewhere[0] == 401, "another address, another sensor"
    assert (await doors.boot(sensor))[0] == 200, "nobody keeps a sensor out by guessing"
    refused = [line for line in log_output.entries if line["event"] == "secret refused"]
    assert refused[0] | {"log_level": ""} == {
        "event": "secret refused", "sensor_id": sensor, "address": "198.51.100.1", "more": 0, "log_level": "",
    }  # fmt: skip
    assert SECRET not in str(log_output.entries)
    figures = (await doors.ask("/metrics", method="GET"))[1]
    assert 'powermon_gateway_limited_total{by="secret"} 2.0' in figures
    assert "powermon_gateway_secrets_refused_total 23.0" in figures
    assert 'powermon_gateway_tokens_issued_total{by="secret"} 1.0' in figures
    assert "powermon_gateway_boots_total 1.0" in figures
    assert SECRET not in figures


async def test_time_needs_no_token(doors: Doors) -> None:
    for t0 in (None, 0, -(10**12), "noon", 1.5, [1], 10**30):
        status, answer, _ = await doors.ask("/powermon/time", {"sensor_id": "nobody000001", "t0": t0})
        assert status == 200
        assert answer["t0"] == (t0 if type(t0) is int and t0 < 10**20 else None)
        assert type(answer["t1"]) is type(answer["t2"]) is int
    assert (await doors.ask("/powermon/time/", {"sensor_id": "nobody000001"}))[1]["t0"] is None


async def test_what_is_there(doors: Doors) -> None:
    for path in ("/", "/powermon", "/powermon/"):
        status, listed, _ = await doors.ask(path, method="GET")
        assert status == 200
        assert {"/powermon/boot", "/powermon/data/batch"} <= {door["path"] for door in listed["doors"]}
        status, page, _ = await doors.ask(path, method="GET", Accept="text/html,*/*;q=0.8")
        assert (status, page[:15]) == (200, "<!doctype html>")
        assert "href='/powermon/docs'" in page
        assert (await doors.ask(path, method="HEAD"))[:2] == (200, "")
        assert (await doors.ask(path, {}))[1]["code"] == "method_not_allowed"
    for slash in ("", "/"):
        status, document, _ = await doors.ask("/powermon/openapi.json" + slash, method="GET")
        assert (status, document["openapi"]) == (200, "3.1.0")
        status, page, headers = await doors.ask("/powermon/docs" + slash, method="GET")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert 'href="/powermon/openapi.json"' in page
    assert (await doors.ask("/powermon/nothing", method="GET"))[0] == 404


SENSOR, OTHER, GONE, LATE = "replies000001", "replies000002", "replies000003", "replies000004"


def post(**changes: Any) -> bytes:
    return json.dumps(SAMPLE | {"sensor_id": SENSOR, "token": TOKEN} | changes).encode()


def probe(**changes: Any) -> list[dict[str, Any]]:
    return [SAMPLE["data"][0] | changes]


GZIP = {"Content-Encoding": "gzip"}
REPLIES: list[tuple[int, str, bytes, dict[str, str]]] = [
    (400, "bad_json", b"{", {}),
    (400, "bad_encoding", b'{"a":"\xff"}', {}),
    (400, "duplicate_key", b'{"a":1,"a":1}', {}),
    (400, "too_deep", b"[" * 33 + b"]" * 33, {}),
    (400, "bad_gzip", b"{}", GZIP),
    (401, "token_missing", json.dumps({"sensor_id": SENSOR}).encode(), {}),
    (401, "token_invalid", post(token="x"), {}),
    (401, "token_expired", post(sensor_id=LATE, token=TOKEN + "late"), {}),
    (403, "token_sensor_mismatch", post(sensor_id=OTHER), {}),
    (403, "sensor_disabled", post(sensor_id=GONE, token=TOKEN + "gone"), {}),
    (413, "body_too_large", gzip.compress(bytes(10_000_000)), GZIP),
    (415, "unsupported_media_type", b"{}", {"Content-Type": "text/plain"}),
    (415, "unsupported_content_encoding", b"{}", {"Content-Encoding": "br"}),
    (422, "not_an_object", b"[]", {}),
    (422, "missing_field", b"{}", {}),
    (422, "wrong_type", post(sensor_id=5), {}),
    (422, "bad_version", post(version="x"), {}),
    (422, "bad_sensor_id", post(sensor_id="x"), {}),
    (422, "timestamp_too_old", post(timestamp=5), {}),
    (422, "timestamp_future", post(timestamp=10**25), {}),
    (422, "bad_probe_count", post(data=[]), {}),
    (422, "bad_probe_id", post(data=probe(probe_id=4)), {}),
    (422, "duplicate_probe", post(data=probe(probe_id=1) * 2), {}),
    (422, "bad_probe_type", post(data=probe(probe_type="X")), {}),
    (422, "sample_count", post(data=probe(power=[1] * 17)), {}),
    (422, "out_of_range", post(data=probe(pf=[101] * 20, power=[1] * 20, voltage=1)), {}),
]
PROVED_ELSEWHERE = {(404, "not_found"), (405, "method_not_allowed"), (408, "timeout"), (429, "rate_limited")} | {
    (500, "unavailable"), (503, "unavailable"), (403, "scope_missing"), (403, "wrong_kind"), (426, "upgrade_required"),
    (504, "unavailable"),
}  # fmt: skip


async def test_every_reply_of_the_table(doors: Doors) -> None:
    await doors.add(SENSOR, token=TOKEN)
    await doors.add(OTHER)
    await doors.add(GONE, token=TOKEN + "gone", revoked=True)
    await doors.add(LATE, token=TOKEN + "late", expires_at_ms=1)
    assert (await doors.ask("/powermon/data", post()))[0] == 202
    for status, code, raw, headers in REPLIES:
        found, answer, _ = await doors.ask("/powermon/data", raw, **headers)
        assert (found, answer["code"], answer["status"]) == (status, code, status)
        assert answer["retry"] is (status in (401, 403))
        if status < 422 and status not in (401, 403):  # the doors without a token in the body refuse the same
            for path in ("/powermon/data/batch", "/powermon/boot", "/powermon/token", "/powermon/time"):
                found, answer, _ = await doors.ask(path, raw, **headers)
                assert (found, answer["code"]) == (status, code), path
    assert {(s, c) for s, c, _, _ in REPLIES} | PROVED_ELSEWHERE == {(s, c) for s, codes in CODES.items() for c in codes}


async def test_a_fault_of_ours_is_500_and_says_retry(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fault(_: Any) -> Any:
        raise RuntimeError(TOKEN)

    monkeypatch.setattr(doors.gateway, "_hot", fault)
    status, answer, headers = await doors.ask("/powermon/data", post())
    assert (status, answer["code"], answer["retry"], headers["Retry-After"]) == (500, "unavailable", True, "5")
    assert TOKEN not in str(answer)


async def test_one_address_is_limited_not_its_neighbours(
    kafka: str, registry: str, make_settings: Callable[..., Settings], log_output: structlog.testing.LogCapture
) -> None:
    limits = {"gateway_address_rate_per_s": 1, "gateway_address_burst": 5, "gateway_trusted_proxies": "127.0.0.1"}
    async with served(make_settings(kafka_bootstrap=kafka, registry_url=registry, **limits)) as doors:

        async def status(address: str) -> tuple[int, str | None]:
            found, _, headers = await doors.ask("/powermon", method="GET", **{"X-Forwarded-For": address})
            return found, headers.get("Retry-After")

        found = [await status("2001:db8::1"), *[await status("2001:db8::2") for _ in range(9)]]
        assert (429, "1") in found
        assert found[0] == (200, None)
        assert await status("2001:db9::1") == (200, None)
        assert (await doors.ask("/readyz", method="GET"))[0] == 200, "the proxy's own questions are not limited"
    (line,) = [line for line in log_output.entries if line["event"] == "address limited"][:1]
    assert line["address"] == "2001:db8::/64"


@pytest.fixture
def log_output() -> Any:
    with structlog.testing.capture_logs() as entries:
        capture = structlog.testing.LogCapture()
        capture.entries = entries
        yield capture


async def test_slow_clients_are_cut_off_and_others_served_meanwhile(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors.gateway._runner.server, "head_s", 0.2)
    doors.gateway.arrivals._patience_s = 0.2
    host, port = doors.gateway.address.removeprefix("http://").split(":")
    starts = [
        b"POST /powermon/data HTTP/1.1\r\nHost: x\r\n",
        b"POST /powermon/data HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX",
    ] * 20

    async def slow(start: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(start)
        trickle = asyncio.create_task(drip(writer))
        found = b""
        with contextlib.suppress(ConnectionResetError):  # it goes on sending, so its system may throw the answer away
            found = await reader.read()
        trickle.cancel()
        writer.close()
        return found

    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(0.05)
            writer.write(b"a")

    clients = asyncio.gather(*map(slow, starts))
    await doors.add("slow000001", token=TOKEN + "slow")
    served_meanwhile = 0
    while not clients.done():
        assert (await doors.ask("/powermon/data", post(sensor_id="slow000001", token=TOKEN + "slow")))[0] == 202
        served_meanwhile += 1
    answers = list(filter(None, await clients))
    assert answers
    for answer in answers:
        assert b" 408 " in answer
        assert b'"code": "timeout"' in answer
    assert served_meanwhile > 1


async def test_connections_have_a_limit_and_are_told(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> None:
    async with served(make_settings(kafka_bootstrap=kafka, registry_url=registry, gateway_connections=3)) as doors:
        host, port = doors.gateway.address.removeprefix("http://").split(":")
        held = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        for reader, writer in held:  # the gateway knows them all when it has answered
            writer.write(request)
            assert b" 200 " in await reader.readline()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"Retry-After: 30\r\n" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "unavailable"
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(20):
            while True:
                try:
                    status, figures, _ = await doors.ask("/metrics", method="GET")
                except aiohttp.ClientError:
                    continue
                if status == 200:
                    break
        assert 'powermon_gateway_limited_total{by="connections"}' in figures
        assert "powermon_gateway_connections 1.0" in figures


def write_certificate(folder: Path, ca: trustme.CA, name: str = "127.0.0.1") -> tuple[Path, Path]:
    issued = ca.issue_cert(name)
    chain, key = folder / "gateway.pem", folder / "gateway.key"
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return chain, key


async def test_tls_and_a_renewed_certificate(
    kafka: str, registry: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    first, second = trustme.CA(), trustme.CA()
    chain, key = write_certificate(tmp_path, first)
    files = {"gateway_tls_cert": str(chain), "gateway_tls_key": str(key)}
    contexts = {}
    for ca in (first, second):
        contexts[ca] = ssl.create_default_context()
        ca.configure_trust(contexts[ca])
    settings = make_settings(kafka_bootstrap=kafka, registry_url=registry, **files)
    async with served(settings, contexts[first]) as doors:
        assert doors.gateway.address.startswith("https://")
        await doors.add("secure000001")
        assert (await doors.boot("secure000001"))[0] == 200

        async def fingerprint() -> bytes:
            host, port = doors.gateway.address.removeprefix("https://").split(":")
            anyone = ssl.create_default_context()
            anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
            _, writer = await asyncio.open_connection(host, int(port), ssl=anyone)
            found: bytes = writer.get_extra_info("ssl_object").getpeercert(True)
            assert writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
            writer.transport.abort()
            return found

        before = await fingerprint()
        certificate = doors.gateway.certificate
        assert certificate is not None
        assert not certificate.look()
        chain.write_bytes(second.issue_cert("127.0.0.1").cert_chain_pems[0].bytes())  # its key is not there yet
        assert not certificate.look()
        assert await fingerprint() == before
        write_certificate(tmp_path, second)
        assert certificate.look()
        assert await fingerprint() != before
        findings = {finding.what: finding for finding in await asyncio.to_thread(lambda: list(checks.all_of(settings)))}
        assert findings["certificate"].fine
        assert findings["certificate"].saw.startswith("good until ")
        assert findings["gateway"].fine, findings["gateway"].saw


async def test_who_does_not_shake_hands_is_counted_and_cut(
    kafka: str,
    registry: str,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts = b"", bytes.fromhex("16030100f1010000ed0303"), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    monkeypatch.setattr(tls, "HANDSHAKE_S", 1.0)
    ca = trustme.CA()
    chain, key = write_certificate(tmp_path, ca)
    context = ssl.create_default_context()
    ca.configure_trust(context)
    files = {"gateway_tls_cert": str(chain), "gateway_tls_key": str(key)}
    async with served(
        make_settings(kafka_bootstrap=kafka, registry_url=registry, gateway_connections=3, **files), context
    ) as doors:
        host, port = doors.gateway.address.removeprefix("https://").split(":")
        meters = doors.gateway._meters
        held = [await asyncio.open_connection(host, int(port)) for _ in starts]
        async with asyncio.timeout(20):
            while meters.connections < 3 and not meters.limited:  # noqa: ASYNC110 -- nobody signals it
                await asyncio.sleep(0)
        reader, writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        assert meters.limited["connections"] == 1
        for (_, writer), start in zip(held, starts, strict=True):
            writer.write(start)
        for reader, writer in held:
            with contextlib.suppress(ConnectionError):
                assert b" 2" not in await reader.read()
            writer.close()
        assert (await doors.ask("/healthz", method="GET"))[0] == 200
        assert meters.connections == 1
        await doors.add("shaken000001")
        assert (await doors.boot("shaken000001"))[0] == 200
    assert meters.connections == 0


def test_certificates_that_cannot_be_used_are_explained(tmp_path: Path, make_settings: Callable[..., Settings]) -> None:
    chain, key = write_certificate(tmp_path, trustme.CA())
    other = tmp_path / "other"
    other.mkdir()
    _, foreign = write_certificate(other, trustme.CA())
    assert Certificate(str(chain), str(key)).problem() is None
    assert "KEY_VALUES_MISMATCH" in str(Certificate(str(chain), str(foreign)).problem())
    assert "No such file" in str(Certificate(str(chain), str(tmp_path / "none")).problem())
    with pytest.raises(ConfigurationError, match="set POWERMON_GATEWAY_TLS_KEY too"):
        checks.certificate.of_gateway(make_settings(gateway_tls_cert=str(chain)))

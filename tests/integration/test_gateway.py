"""The gateway as sensors see it: a real client, a real broker, a real registry."""

import asyncio
import contextlib
import gzip
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from confluent_kafka import Consumer, TopicPartition

from infra import logs
from infra.settings import Settings
from producers.gateway import app
from schemas import topics, wire
from schemas.registry import Registry
from streams.catalog.commands import IssueToken, RegisterSensor
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView
from tests.conftest import MakeKafka
from tests.stack import ends_of

GOLDEN = Path(__file__).parents[1] / "golden" / "sensor_samples"
INDEX = json.loads((GOLDEN / "index.json").read_text())["files"]
TOKEN = "pm1_a-token-that-must-never-be-seen-anywhere"
SENSOR = "gresystem000001"
JSON = {"Content-Type": "application/json"}
END_MS = 4_000_000_000_000


@dataclass
class Door:
    """A running gateway and a client of it."""

    gateway: app.Gateway
    http: aiohttp.ClientSession
    registry: Registry
    settings: Settings

    async def post(self, body: Any, path: str = "/powermon/data", **headers: str) -> tuple[int, dict[str, Any], Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(self.gateway.address + path, data=io.BytesIO(data), headers=JSON | headers) as answer:
            assert answer.content_type == ("application/json" if answer.status < 300 else "application/problem+json")
            return answer.status, await answer.json(content_type=None), answer.headers

    def stored(self) -> list[dict[str, Any]]:
        """Every reading in the topic, and that no token is in any byte of it."""
        return [wire.unpack_reading(r) for r in read(self.settings.kafka, topics.READINGS, self.registry)]


def read(bootstrap: str, topic: topics.Topic, registry: Registry) -> list[dict[str, Any]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    ends = ends_of(consumer, topic.name)
    consumer.assign([TopicPartition(topic.name, p, 0) for p in ends])
    left = sum(ends.values())
    found = []
    while left:
        for message in consumer.consume(left, timeout=10):
            assert message.error() is None
            left -= 1
            assert TOKEN.encode() not in (message.value() or b"") + message.key()
            with contextlib.suppress(wire.WireError):  # other tests write noise
                found.append(wire.decode(topic, message.value(), registry.schema_of))
    consumer.close()
    return found


async def enrol(bootstrap: str, registry: Registry, sensor_id: str, token: str, **more: Any) -> None:
    view = CatalogView(bootstrap, registry)
    await view.ready(20)
    now_ms = time.time_ns() // 1_000_000
    times = {"issued_at_ms": now_ms, "expires_at_ms": END_MS, "refresh_at_ms": END_MS} | more.pop("times", {})
    await view.submit(RegisterSensor(sensor_id=sensor_id, secret_sha256="0" * 64, **more))
    await view.submit(IssueToken(sensor_id=sensor_id, token_sha256=hash_of(token), **times))
    await view.close()


@pytest.fixture
async def door(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> AsyncIterator[Door]:
    settings = make_settings(kafka_bootstrap=kafka, registry_url=registry)
    known = Registry(settings.registry, settings.schema_cache)
    await enrol(kafka, known, SENSOR, TOKEN)
    async with opened(settings, known) as found:
        yield found


@contextlib.asynccontextmanager
async def opened(settings: Settings, known: Registry, *, ready_s: float = 20) -> AsyncIterator[Door]:
    """A gateway that is stopped whatever the test finds: one that stays keeps its figures' names from all others."""
    gateway = await app.start(settings, known)
    try:
        if ready_s:
            await gateway.ready(ready_s)
        async with aiohttp.ClientSession() as http:
            yield Door(gateway, http, known, settings)
    finally:
        await gateway.stop()


def sample(name: str = "valid_mixed.json", **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((GOLDEN / name).read_text()) | {"token": TOKEN} | changes
    return body


async def test_each_sample_gets_its_status_and_code(door: Door) -> None:
    for one in INDEX:
        raw = (GOLDEN / one["file"]).read_bytes().replace(b"@TOKEN@", TOKEN.encode())
        status, answer, _ = await door.post(raw, **one["headers"])
        assert (status, answer.get("code", answer["status"])) == (one["expect_status"], one["expect_code"]), one["file"]


async def test_a_202_is_in_the_log_exactly_as_sent_without_its_token(door: Door) -> None:
    body = sample(timestamp=1_700_000_123)
    status, answer, _ = await door.post(body)
    assert status == 202
    assert answer == {"status": "accepted", "timestamp": 1_700_000_123, "server_time": answer["server_time"]}
    (found,) = [r for r in door.stored() if r["timestamp_s"] == 1_700_000_123]
    assert (found["sensor_id"], found["format_version"]) == (SENSOR, "221013")
    for sent, stored in zip(body["data"], found["probes"], strict=True):
        voltage = sent["voltage"] if isinstance(sent["voltage"], list) else [sent["voltage"]]
        assert stored == {
            "probe_id": sent["probe_id"],
            "probe_type": sent["probe_type"],
            "power_mw": sent["power"],
            "pf_pct": sent["pf"],
            "voltage_mv": voltage,
        }


async def test_every_form_of_a_good_post(door: Door) -> None:
    plain = json.dumps(sample()).encode()
    assert (await door.post(sample(sensor_id=SENSOR.upper())))[0] == 202
    assert (await door.post(plain, "/powermon/data/"))[0] == 202
    assert (await door.post(gzip.compress(plain), **{"Content-Encoding": "gzip"}))[0] == 202
    assert (await door.post(plain, **{"Content-Type": "application/json; charset=utf-8"}))[0] == 202
    without = {name: value for name, value in sample().items() if name != "token"}
    assert (await door.post(without, Authorization=f"Bearer {TOKEN}"))[0] == 202
    assert (await door.post(plain, Expect="100-continue"))[0] == 202
    async with door.http.post(
        door.gateway.address + "/powermon/data", data=plain, headers=JSON | {"Connection": "close"}
    ) as answer:
        assert answer.status == 202
        assert await answer.json()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(plain), 100):
            yield plain[at : at + 100]

    async with door.http.post(door.gateway.address + "/powermon/data", data=pieces(), headers=JSON) as answer:
        assert answer.status == 202
    status, answer, _ = await door.post(sample(data=sample()["data"][1:]))
    assert (status, answer["missing_probes"]) == (202, [1])


async def test_what_the_headers_give_away(door: Door) -> None:
    async def code(body: Any = b"{}", path: str = "/powermon/data", **headers: str) -> tuple[int, str]:
        status, answer, _ = await door.post(body, path, **headers)
        assert answer["status"] == status
        return status, answer["code"]

    assert await code(b" " * 65_537) == (413, "body_too_large")
    assert await code(b" " * 65_537, **{"Content-Type": "text/plain"}) == (413, "body_too_large")
    assert await code(b" " * (2 * 1024 * 1024 + 1), "/powermon/data/batch") == (413, "body_too_large")
    assert await code(**{"Content-Type": "text/plain", "Content-Encoding": "br"}) == (415, "unsupported_media_type")
    assert await code(**{"Content-Encoding": "br"}) == (415, "unsupported_content_encoding")
    assert await code(b"{}", **{"Content-Encoding": "gzip"}) == (400, "bad_gzip")
    assert await code(gzip.compress(bytes(10_000_000)), **{"Content-Encoding": "gzip"}) == (413, "body_too_large")
    assert await code(path="/powermon/nothing") == (404, "not_found")
    assert await code(sample(), Authorization="Bearer other") == (401, "token_invalid")
    async with door.http.get(door.gateway.address + "/powermon/data") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert (await answer.json(content_type=None))["code"] == "method_not_allowed"

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(10_000)

    async with door.http.post(door.gateway.address + "/powermon/data", data=endless(), headers=JSON) as answer:
        assert answer.status == 413


@pytest.fixture
def log_lines(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Logs as in production, at DEBUG; gives what was written so far."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(Settings(log_level="DEBUG"), "gateway")
    lines = io.StringIO()
    root.handlers[0].setStream(lines)  # type: ignore[attr-defined]
    yield lambda: lines.getvalue() + "".join(capfd.readouterr())
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


async def test_what_is_not_http_gets_json_too_and_is_not_logged(door: Door, log_lines: Callable[[], str]) -> None:
    host, port = door.gateway.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /powermon/data HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\x00\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert b" 400 Bad Request" in answer
    assert b'"retry": false' in answer
    lines = log_lines()
    assert "not HTTP" in lines
    assert TOKEN not in lines


async def test_a_token_past_its_refresh_time_says_so(door: Door) -> None:
    await enrol(door.settings.kafka, door.registry, "gre000077", TOKEN + "77", times={"refresh_at_ms": 1})
    status, answer = 0, {}
    async with asyncio.timeout(20):
        while status != 202:  # until the gateway's own view has the sensor
            status, answer, _ = await door.post(sample(sensor_id="gre000077", token=TOKEN + "77"))
    assert answer["refresh_token"] is True
    assert (await door.post(sample(sensor_id="gre000077")))[1]["code"] == "token_sensor_mismatch"


async def test_watts_are_milliwatts_in_the_log(door: Door) -> None:
    await enrol(door.settings.kafka, door.registry, "gre000078", TOKEN + "78", units="base")
    probe = {"probe_type": "CT", "power": [5] * 20, "pf": [90] * 20, "voltage": 230}
    status = 0
    async with asyncio.timeout(20):
        while status != 202:
            status, _, _ = await door.post(sample(sensor_id="gre000078", token=TOKEN + "78", data=[probe]))
    found = [r for r in door.stored() if r["sensor_id"] == "gre000078"]
    assert (found[0]["probes"][0]["power_mw"], found[0]["probes"][0]["voltage_mv"]) == ([5000] * 20, [230_000])


async def test_batches(door: Door) -> None:
    data = sample()["data"]
    records = [{"timestamp": 1_690_000_000 + k, "data": data} for k in range(600)]
    envelope = {"version": "221013", "sensor_id": SENSOR, "token": TOKEN, "records": records}
    status, answer, _ = await door.post(envelope, "/powermon/data/batch")
    assert (status, answer) == (202, {"accepted": 600, "rejected": []})
    records[3] = {"timestamp": 5, "data": data}
    records[9] = 1  # type: ignore[call-overload]
    raw = gzip.compress(json.dumps(envelope).encode())
    status, answer, _ = await door.post(raw, "/powermon/data/batch/", **{"Content-Encoding": "gzip"})
    assert (status, answer["accepted"]) == (202, 598)
    assert [(r["index"], r["timestamp"], r["code"]) for r in answer["rejected"]] == [
        (3, 5, "timestamp_too_old"),
        (9, None, "not_an_object"),
    ]
    status, answer, _ = await door.post(envelope | {"records": [1, records[3]]}, "/powermon/data/batch")
    assert (status, len(answer["rejected"])) == (422, 2)
    seconds = [r["timestamp_s"] for r in door.stored() if 1_690_000_000 <= r["timestamp_s"] < 1_690_000_600]
    assert sorted(seconds) == sorted(
        [*range(1_690_000_000, 1_690_000_600), *(1_690_000_000 + k for k in range(600) if k not in (3, 9))]
    )


async def test_a_sensor_that_posts_too_often_waits(door: Door) -> None:
    await enrol(door.settings.kafka, door.registry, "gre000079", TOKEN + "79")
    body = json.dumps(sample(sensor_id="gre000079", token=TOKEN + "79")).encode()
    async with asyncio.timeout(20):
        while (await door.post(body))[0] != 202:
            pass
    found = []
    for _ in range(40):
        found += await asyncio.gather(*[door.post(body) for _ in range(100)])
        if any(status == 429 for status, _, _ in found):
            break
    refused = [(answer["code"], answer["retry"], headers["Retry-After"]) for status, answer, headers in found if status == 429]
    assert refused[0] == ("rate_limited", True, "1")
    assert sum(status == 202 for status, _, _ in found) >= 600
    assert (await door.post(sample()))[0] == 202, "others are not held up"


async def test_health_and_figures(door: Door) -> None:
    await door.post(sample())
    for path in ("/healthz", "/readyz", "/metrics"):
        async with door.http.get(door.gateway.address + path) as answer:
            assert answer.status == 200
            text = await answer.text()
    assert "powermon_gateway_accepted_total" in text
    assert TOKEN not in text


async def test_nothing_secret_is_logged(door: Door, log_lines: Callable[[], str]) -> None:
    await door.post(sample())
    await door.post(sample(token=TOKEN + "x"))
    await door.post(sample(timestamp="x"), Authorization=f"Bearer {TOKEN}")
    await door.post(b"{" + TOKEN.encode())
    assert TOKEN not in log_lines()
    read(door.settings.kafka, topics.CATALOG, door.registry)


async def test_while_the_log_is_away_503_and_later_fine(
    make_kafka: MakeKafka, registry: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(registry_url=registry, gateway_ack_timeout_ms=1500)
    broker = make_kafka(settings)
    known = Registry(settings.registry, settings.schema_cache)
    await enrol(settings.kafka, known, SENSOR, TOKEN)
    async with opened(settings, known) as door:
        assert (await door.post(sample(timestamp=1_700_000_001)))[0] == 202
        await asyncio.to_thread(broker.kill)
        for body, path in (
            (sample(timestamp=1_700_000_002), "/powermon/data"),
            (sample(records=[sample(timestamp=1_700_000_002)]), "/powermon/data/batch"),
        ):
            status, answer, headers = await door.post(body, path)
            assert (status, answer["code"], answer["retry"], headers["Retry-After"]) == (503, "unavailable", True, "5")
        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(broker.wait_ready)
        async with asyncio.timeout(60):
            while (await door.post(sample(timestamp=1_700_000_003)))[0] != 202:
                pass
        stored = [r["timestamp_s"] for r in door.stored()]
        assert 1_700_000_002 not in stored, "what was given up is not delivered later"
        assert stored.count(1_700_000_003) >= 1
        async with asyncio.timeout(30):
            while (await door.http.get(door.gateway.address + "/readyz")).status != 200:
                pass


async def test_a_gateway_that_does_not_know_its_sensors_yet_says_503(
    registry: str, make_settings: Callable[..., Settings], kafka: str
) -> None:
    known = Registry(registry, make_settings().schema_cache)
    settings = make_settings(registry_url=registry)  # its kafka_port: nobody listens there
    async with opened(settings, known, ready_s=0) as door:
        status, answer, headers = await door.post(sample())
        assert (status, answer["code"], headers["Retry-After"]) == (503, "unavailable", "5")
        async with door.http.get(door.gateway.address + "/readyz") as ready:
            assert ready.status == 503


async def test_stopping_answers_what_is_in_flight(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(kafka_bootstrap=kafka, registry_url=registry)
    known = Registry(settings.registry, settings.schema_cache)
    await enrol(kafka, known, SENSOR, TOKEN)
    async with opened(settings, known) as door:
        posts = [asyncio.ensure_future(door.post(sample(timestamp=1_650_000_000 + k))) for k in range(50)]
        await door.post(sample())  # behind the others on the server's side
        stopping = asyncio.ensure_future(door.gateway.stop())
        answers = await asyncio.gather(*posts, return_exceptions=True)
        await stopping
    safe = [1_650_000_000 + k for k, answer in enumerate(answers) if not isinstance(answer, BaseException) and answer[0] == 202]
    stored = {r["timestamp_s"] for r in door.stored()}
    assert safe
    assert stored.issuperset(safe)

"""The WebSocket variant as sensors see it: a real client, a real gateway, a real broker and registry."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from confluent_kafka import Consumer, TopicPartition

from infra.settings import Settings
from producers.gateway import app
from schemas import topics, wire
from schemas.registry import Registry
from streams.catalog.commands import AddUser, IssueToken, IssueUserToken, RegisterSensor, RevokeSensor
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView

GOLDEN = Path(__file__).parents[1] / "golden" / "sensor_samples"
END_MS = 4_000_000_000_000
SECRET = "pms_a-secret-that-must-never-be-seen-anywhere"
ADMIN, READER = "pmu_an-administrators-token", "pmu_a-readers-token"
SENSORS = {f"ws{k:06d}": f"pm1_token-of-socket-{k}" for k in range(1, 10)}
ONE, TWO, BASE, ZERO, LEAVING, EXPIRING, FAST, ALONE, TIMED = SENSORS


@dataclass
class Edge:
    """A running gateway and a client of it."""

    gateway: app.Gateway
    http: aiohttp.ClientSession
    view: CatalogView
    settings: Settings

    def open(self, sensor_id: str, *, token: str | None = "its own", path: str = "/powermon/ws/", **more: Any) -> Any:
        token = SENSORS[sensor_id] if token == "its own" else token
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.http.ws_connect(self.gateway.address + path + sensor_id, headers=headers, max_msg_size=0, **more)

    async def call(self, sensor_id: str, body: Any, token: str | None = ADMIN) -> tuple[int, Any]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"{self.gateway.address}/powermon/ws/{sensor_id}/calls"
        async with self.http.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until the gateway has seen what was written to the catalog, or the like."""
        async with asyncio.timeout(20):
            while not true():  # noqa: ASYNC110 -- nobody signals it
                await asyncio.sleep(0.01)


@pytest.fixture
async def edge(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> AsyncIterator[Edge]:
    settings = make_settings(kafka_bootstrap=kafka, registry_url=registry)
    known = Registry(settings.registry, settings.schema_cache)
    view = CatalogView(kafka, known)
    await view.ready(20)
    if ONE not in view.state.sensors:
        await asyncio.gather(*[enrol(view, sensor_id, token) for sensor_id, token in SENSORS.items()])
        await view.submit(AddUser(name="ws-admin", role="admin", password_hash="$argon2"))
        for token, scope in ((ADMIN, "read admin"), (READER, "read")):
            digest = hash_of(token)
            await view.submit(IssueUserToken(name="ws-admin", token_sha256=digest, scope=scope, expires_at_ms=END_MS))
    gateway = await app.start(settings)
    await gateway.ready(20)
    async with aiohttp.ClientSession() as http:
        yield Edge(gateway, http, view, settings)
    await gateway.stop()
    await view.close()


async def enrol(view: CatalogView, sensor_id: str, token: str, expires_at_ms: int = END_MS) -> None:
    units: Any = "base" if sensor_id == BASE else "canonical"
    await view.submit(RegisterSensor(sensor_id=sensor_id, secret_sha256=hash_of(SECRET), units=units))
    digest = hash_of(token)
    await view.submit(
        IssueToken(
            sensor_id=sensor_id, token_sha256=digest, issued_at_ms=0, expires_at_ms=expires_at_ms, refresh_at_ms=expires_at_ms
        )
    )


def stored(bootstrap: str, *sensor_ids: str) -> list[tuple[str, bytes]]:
    """Key and value of every reading of these sensors, in log order of each."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    partitions = consumer.list_topics(topics.READINGS.name, timeout=10).topics[topics.READINGS.name].partitions
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topics.READINGS.name, p), timeout=10)[1] for p in partitions}
    consumer.assign([TopicPartition(topics.READINGS.name, p, 0) for p in partitions])
    left, found = sum(ends.values()), []
    while left:
        for message in consumer.consume(left, timeout=10):
            assert message.error() is None
            left -= 1
            assert SECRET.encode() not in (message.value() or b"")
            if message.key().decode() in sensor_ids:
                found.append((message.key().decode(), message.value()))
    consumer.close()
    return found


def readings(edge: Edge, *sensor_ids: str) -> list[dict[str, Any]]:
    known = Registry(edge.settings.registry, edge.settings.schema_cache)
    found = stored(edge.settings.kafka, *sensor_ids)
    return [wire.unpack_reading(wire.decode(topics.READINGS, value, known.schema_of)) for _, value in found]


def probes(*numbers: int, scale: int = 1) -> list[dict[str, Any]]:
    return [
        {"probe": k, "probeType": "CT", "power": [1000 * scale] * 20, "powerfactor": [90] * 20, "voltage": 230 * scale}
        for k in numbers
    ]


def meter(timestamp: Any, sampled: Any = None, frame_id: str = "m") -> str:
    sampled = probes(1, 2, 3) if sampled is None else sampled
    entries = [{"timestamp": one, "sampledValue": sampled} for one in (timestamp if isinstance(timestamp, list) else [timestamp])]
    return json.dumps([2, frame_id, "MeterValues", {"connectorId": 1, "transactionId": 1, "meterValue": entries}])


async def ask(ws: aiohttp.ClientWebSocketResponse, frame: Any) -> Any:
    await (
        ws.send_bytes(frame) if isinstance(frame, bytes) else ws.send_str(frame if isinstance(frame, str) else json.dumps(frame))
    )
    return await ws.receive_json(timeout=20)


async def closed_with(ws: aiohttp.ClientWebSocketResponse) -> int | None:
    message = await ws.receive(timeout=20)
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING), message
    return ws.close_code


# ---- MeterValues


async def test_meter_values_are_in_the_log_byte_for_byte_as_a_post_would_have_written_them(edge: Edge) -> None:
    for number, sample in enumerate(sorted(GOLDEN.glob("valid_*.json"))):
        post = json.loads(sample.read_text()) | {"sensor_id": ONE, "token": SENSORS[ONE], "timestamp": 1_700_000_000 + number}
        names = {"probe_id": "probe", "probe_type": "probeType", "pf": "powerfactor"}
        sampled = [{names.get(name, name): value for name, value in probe.items()} for probe in post["data"]]
        async with edge.http.post(edge.gateway.address + "/powermon/data", json=post) as answer:
            assert answer.status == 202
        async with edge.open(ONE, path="/powermon/data/" if number % 2 else "/powermon/ws/") as ws:
            assert await ask(ws, meter(str(post["timestamp"]), sampled)) == [3, "m", {"status": "Accepted"}]
    by_time: dict[int, list[bytes]] = {}
    known = Registry(edge.settings.registry, edge.settings.schema_cache)
    for _, value in stored(edge.settings.kafka, ONE):
        record = wire.decode(topics.READINGS, value, known.schema_of)
        head = wire.reading_head(known.id_of(topics.READINGS), ONE)
        again = wire.unpack_reading(record)
        names = ("probe_id", "probe_type", "power_mw", "pf_pct", "voltage_mv")
        body = wire.pack([tuple(probe[name] for name in names) for probe in again["probes"]])  # type: ignore[misc]
        assert wire.encode_reading(head, record["timestamp_s"], record["received_at_ms"], record["format_version"], body) == value
        # Apart from when it was received, which is no part of what was sent.
        by_time.setdefault(record["timestamp_s"], []).append(
            wire.encode_reading(head, record["timestamp_s"], 0, record["format_version"], body)
        )
    pairs = [by_time[1_700_000_000 + k] for k in range(number + 1)]
    assert all(len(pair) == 2 and pair[0] == pair[1] for pair in pairs)


async def test_many_frames_are_in_flight_and_each_is_answered_by_its_id(edge: Edge) -> None:
    async with edge.open(TWO) as ws:
        for k in range(900):
            await ws.send_str(meter(1_701_000_000 + k, frame_id=f"f{k}"))
        answers = [await ws.receive_json(timeout=20) for _ in range(900)]
    assert {answer[1] for answer in answers} == {f"f{k}" for k in range(900)}
    assert all(answer[2] == {"status": "Accepted"} for answer in answers)
    assert sorted(r["timestamp_s"] for r in readings(edge, TWO)) == list(range(1_701_000_000, 1_701_000_900))


async def test_several_seconds_in_a_frame(edge: Edge) -> None:
    async with edge.open(BASE) as ws:
        sampled = probes(1, 2, 3)
        answer = await ask(ws, meter([1_702_000_000 + k for k in range(600)], sampled))
        assert answer == [3, "m", {"status": "Accepted", "accepted": 600, "rejected": []}]
        answer = await ask(ws, meter([1_702_001_000, 5, "2023-12-08T02:16:41.5Z"], sampled))
        assert answer[2] == {
            "status": "Accepted",
            "accepted": 2,
            "rejected": [{"index": 1, "timestamp": 5, "code": "timestamp_too_old"}],
        }
        answer = await ask(ws, meter([5, 6], sampled))
        assert (answer[0], answer[2], answer[4]["code"], len(answer[4]["rejected"])) == (
            4, "PropertyConstraintViolation", "timestamp_too_old", 2,
        )  # fmt: skip
    found = readings(edge, BASE)
    expected = [*range(1_702_000_000, 1_702_000_600), 1_702_001_000, 1_702_001_801]
    assert sorted(r["timestamp_s"] for r in found) == expected
    assert found[0]["probes"][0]["voltage_mv"] == [230_000], "a sensor that sends volts"


async def test_probe_0_marks_a_sensor_as_counting_from_0(edge: Edge) -> None:
    async with edge.open(ZERO) as ws:
        assert (await ask(ws, meter(1_703_000_000, probes(1, 2))))[2]["missing_probes"] == [3]
        assert (await ask(ws, meter(1_703_000_001, probes(0, 1, 2))))[2] == {"status": "Accepted"}
        assert (await ask(ws, meter(1_703_000_002, probes(1, 2))))[2]["missing_probes"] == [1]
        assert (await ask(ws, meter(1_703_000_003, probes(3))))[4]["code"] == "bad_probe_id"
    await edge.until(lambda: edge.view.state.sensors[ZERO].zero_based)
    await edge.until(lambda: edge.gateway._view.state.sensors[ZERO].zero_based)
    async with edge.open(ZERO) as ws:
        assert (await ask(ws, meter(1_703_000_004, probes(1))))[2]["missing_probes"] == [1, 3]
    found = {r["timestamp_s"] % 10: [p["probe_id"] for p in r["probes"]] for r in readings(edge, ZERO)}
    assert found == {0: [1, 2], 1: [1, 2, 3], 2: [2, 3], 4: [2]}


# ---- who may come in


async def test_a_boot_by_secret(edge: Edge) -> None:
    async with edge.open(ONE, token=None) as ws:
        answer = await ask(ws, [2, "b", "BootNotification", {"secret": SECRET, "firmware": "1.0"}])
        assert (answer[:2], answer[2]["status"], answer[2]["interval"]) == ([3, "b"], "Accepted", 86_400)
        assert (await ask(ws, meter(1_704_000_000)))[2] == {"status": "Accepted"}
        assert (await ask(ws, [2, "b", "BootNotification", {}]))[2]["status"] == "Accepted"
        answer = await ask(ws, [2, "b", "BootNotification", {"secret": "wrong"}])
        assert (answer[2]["status"], answer[2]["code"]) == ("Rejected", "token_invalid")
        assert await closed_with(ws) == 4401


@pytest.mark.parametrize(
    ("frame", "token", "code"),
    [
        pytest.param([2, "b", "BootNotification", {"secret": "pms_wrong"}], None, "token_invalid", id="a wrong secret"),
        pytest.param([2, "b", "BootNotification", {"secret": 7}], None, "token_invalid", id="a secret that is a number"),
        pytest.param([2, "b", "BootNotification", {}], None, "token_missing", id="no secret"),
        pytest.param([2, "b", "Heartbeat", {}], None, "token_missing", id="another first frame"),
        pytest.param("{", None, "token_missing", id="no frame at all"),
        pytest.param(None, "pm1_unknown", "token_invalid", id="an unknown token"),
        pytest.param(None, SENSORS[TWO], "token_sensor_mismatch", id="another sensor's token"),
    ],
)
async def test_who_does_not_come_in(edge: Edge, frame: Any, token: str | None, code: str) -> None:
    async with edge.open(ALONE, token=token) as ws:
        answer = await ws.receive_json(timeout=20) if frame is None else await ask(ws, frame)
        assert (answer[2].get("code") if answer[0] == 3 else answer[4]["code"]) == code
        assert await closed_with(ws) == 4401


async def test_a_plain_request_and_a_bad_id_get_http(edge: Edge) -> None:
    for path, status, code in (
        (f"/powermon/ws/{ONE}", 426, "upgrade_required"),
        (f"/powermon/data/{ONE}/", 426, "upgrade_required"),
        ("/powermon/ws/nobody", 422, "bad_sensor_id"),
        ("/powermon/ws", 404, "not_found"),
    ):
        async with edge.http.get(edge.gateway.address + path) as answer:
            assert (answer.status, (await answer.json(content_type=None))["code"]) == (status, code)
    async with edge.http.ws_connect(
        f"{edge.gateway.address}/powermon/data/{ONE.upper()}/", headers={"Authorization": f"Bearer {SENSORS[ONE]}"}
    ) as ws:
        assert (await ask(ws, [2, "h", "Heartbeat", {}]))[0] == 3


async def test_a_revoked_sensor_is_told_and_closed_at_its_next_frame(edge: Edge) -> None:
    async with edge.open(LEAVING) as ws, edge.open(LEAVING, token=None) as other:
        assert (await ask(ws, [2, "h", "Heartbeat", {}]))[0] == 3
        await edge.view.submit(RevokeSensor(sensor_id=LEAVING))
        await edge.until(lambda: edge.gateway._view.state.sensors[LEAVING].revoked)
        answer = await ask(ws, meter(1_704_000_000))
        assert (answer[0], answer[1], answer[2], answer[4]["code"]) == (4, "m", "SecurityError", "sensor_disabled")
        assert await closed_with(ws) == 4401
        assert (await ask(other, [2, "b", "BootNotification", {"secret": SECRET}]))[2]["code"] == "sensor_disabled"
        assert await closed_with(other) == 4401
    assert readings(edge, LEAVING) == []


async def test_an_expired_token_is_told_and_closed(edge: Edge) -> None:
    soon_ms = time.time_ns() // 1_000_000 + 1500
    token = SENSORS[EXPIRING] + "-soon"
    command = IssueToken(sensor_id=EXPIRING, token_sha256=hash_of(token), issued_at_ms=0, expires_at_ms=soon_ms, refresh_at_ms=1)
    await edge.view.submit(command)
    await edge.until(lambda: hash_of(token) in edge.gateway._view.state.sensor_tokens)
    async with edge.open(EXPIRING, token=token) as ws:
        async with asyncio.timeout(20):
            while (answer := await ask(ws, meter(1_705_000_000)))[0] == 3:
                assert answer[2] == {"status": "Accepted", "refresh_token": True}
        assert (answer[2], answer[4]["code"]) == ("SecurityError", "token_expired")
        assert await closed_with(ws) == 4401


async def test_the_newer_of_two_connections_stays(edge: Edge) -> None:
    async with edge.open(ONE) as older:
        assert (await ask(older, [2, "h", "Heartbeat", {}]))[0] == 3
        async with edge.open(ONE) as newer:
            assert await closed_with(older) == 4409
            assert (await ask(newer, [2, "h", "Heartbeat", {}]))[0] == 3


# ---- errors and limits


async def test_errors_leave_the_connection_open(edge: Edge) -> None:
    async with edge.open(ONE) as ws:
        for frame, frame_id, name, code in (
            ("{", "-1", "FormationViolation", "bad_json"),
            ('[2,"d","Heartbeat",{"a":1,"a":1}]', "-1", "FormationViolation", "duplicate_key"),
            ("[" * 100_000, "-1", "FormationViolation", "too_deep"),
            (b'[2,"h","Heartbeat",{}]', "-1", "FormationViolation", "bad_json"),
            ([2, "x" * 37, "Heartbeat", {}], "-1", "FormationViolation", "out_of_range"),
            ([2, "a", "Unknown", {}], "a", "PropertyConstraintViolation", "not_found"),
            (meter(9_999_999_999), "m", "PropertyConstraintViolation", "timestamp_future"),
        ):
            answer = await ask(ws, frame)
            assert (answer[0], answer[1], answer[2], answer[4]["code"]) == (4, frame_id, name, code)
        assert (await ask(ws, meter(1_706_000_000)))[2] == {"status": "Accepted"}
        assert (await ask(ws, [2, "s", "StartTransaction", {}]))[2]["idTagInfo"] == {"status": "Accepted"}
        assert (await ask(ws, [2, "s", "StatusNotification", {}]))[2] == {}


async def test_a_frame_of_two_mebibytes_and_one_byte_more(edge: Edge) -> None:
    frame = meter(1_707_000_000)
    async with edge.open(ONE) as ws:
        assert (await ask(ws, frame + " " * (2 * 1024 * 1024 - len(frame))))[2] == {"status": "Accepted"}
        await ws.send_str(frame + " " * (2 * 1024 * 1024 + 1 - len(frame)))
        assert await closed_with(ws) == 1009


async def test_a_text_that_is_not_utf8_ends_the_connection(edge: Edge) -> None:
    async with edge.open(ONE) as ws:
        await ws.send_frame(b'[2,"\xff","Heartbeat",{}]', aiohttp.WSMsgType.TEXT)
        assert (await ws.receive_json(timeout=20))[4]["code"] == "bad_encoding"
        assert await closed_with(ws) == 1007


async def test_compression_is_not_agreed_to(edge: Edge) -> None:
    async with edge.open(ONE, compress=15) as ws:
        assert not ws.compress
        assert (await ask(ws, [2, "h", "Heartbeat", {}]))[0] == 3


async def test_a_sensor_that_sends_too_often_waits(edge: Edge) -> None:
    async with edge.open(FAST) as ws:
        frames = 1300
        for k in range(frames):
            await ws.send_str(f'[2,"{k}","Heartbeat",{{}}]')
        answers = [await ws.receive_json(timeout=20) for _ in range(frames)]
    limited = [answer for answer in answers if answer[0] == 4]
    assert {answer[2] for answer in limited} == {"InternalError"}
    assert {(answer[4]["code"], answer[4]["retry"], answer[4]["retry_after"]) for answer in limited} == {
        ("rate_limited", True, 1)
    }
    assert 600 <= frames - len(limited) < frames


# ---- calls to the sensor, the end, and figures


async def test_an_operator_calls_a_sensor(edge: Edge) -> None:
    async with edge.open(ONE) as ws:
        assert (await ask(ws, [2, "h", "Heartbeat", {}]))[0] == 3
        asked = asyncio.create_task(edge.call(ONE.upper(), {"action": "Reset", "payload": {"type": "Soft"}}))
        kind, call_id, action, payload = await ws.receive_json(timeout=20)
        assert (kind, action, payload) == (2, "Reset", {"type": "Soft"})
        await ws.send_str(json.dumps([3, "another", {}]))
        await ws.send_str(json.dumps([3, call_id, {"status": "Accepted"}]))
        assert await asked == (200, {"result": {"status": "Accepted"}})
        asked = asyncio.create_task(edge.call(ONE, {"action": "RemoteStopTransaction"}))
        call_id = (await ws.receive_json(timeout=20))[1]
        await ws.send_str(json.dumps([4, call_id, "NotSupported", "no such thing", {"x": 1}]))
        assert await asked == (200, {"error": {"code": "NotSupported", "text": "no such thing", "details": {"x": 1}}})
        asked = asyncio.create_task(edge.call(ONE, {"action": "Reset"}))
        await ws.receive_json(timeout=20)
        await ws.close()
        status, answer = await asked
        assert (status, answer["code"], answer["retry"]) == (504, "unavailable", True)


async def test_who_may_call(edge: Edge) -> None:
    reset = {"action": "Reset"}
    for body, token, status, code in (
        (reset, None, 401, "token_missing"),
        (reset, SENSORS[ONE], 401, "token_invalid"),
        (reset, READER, 403, "scope_missing"),
        (reset, ADMIN, 404, "not_found"),
        ({"action": "Format"}, ADMIN, 422, "out_of_range"),
        ({"action": "Reset", "payload": []}, ADMIN, 422, "wrong_type"),
        ([], ADMIN, 422, "not_an_object"),
    ):
        found = await edge.call(ALONE, body, token)
        assert (found[0], found[1]["code"]) == (status, code)


async def test_a_gateway_that_stops_says_so_and_answers_what_is_in_flight(edge: Edge) -> None:
    async with edge.open(TWO) as ws, edge.open(ALONE, token=None) as unknown:
        for k in range(50):
            await ws.send_str(meter(1_708_000_000 + k, frame_id=str(k)))
        assert (await ws.receive_json(timeout=20))[0] == 3
        told = asyncio.create_task(closed_with(unknown))  # a sensor that reads
        stopping = asyncio.create_task(edge.gateway.stop())
        answers = 1
        while (await ws.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
            answers += 1
        assert ws.close_code == 1012
        assert await told == 1012
        await stopping
    found = [r for r in readings(edge, TWO) if 1_708_000_000 <= r["timestamp_s"] < 1_708_000_050]
    assert len(found) == answers, "what was not answered is not stored, what was is"


async def test_figures_and_nothing_secret(edge: Edge) -> None:
    async with edge.open(ONE) as ws:
        await ask(ws, meter(1_709_000_000))
        await ask(ws, "{")
        async with edge.http.get(edge.gateway.address + "/metrics") as answer:
            text = await answer.text()
    assert "powermon_gateway_sockets 1.0" in text
    assert 'powermon_gateway_frames_total{action="MeterValues"} 1.0' in text
    assert 'powermon_gateway_refused_total{code="bad_json"} 1.0' in text
    assert SENSORS[ONE] not in text
    await edge.until(lambda: edge.gateway._meters.sockets == 0)

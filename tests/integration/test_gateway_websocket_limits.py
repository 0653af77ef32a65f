"""What a connection may hold: a real WebSocket, a log and a catalog in memory."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from infra.publish import LogUnavailable
from producers.gateway import connection, websocket
from producers.gateway.arrival import Arrivals
from producers.gateway.connection import Server
from producers.gateway.limits import RateLimit
from producers.gateway.meters import Meters
from producers.gateway.socket_parts import Parts
from producers.gateway.sockets import Sockets
from producers.gateway.verdict import Rejection
from producers.gateway.websocket import WINDOW
from streams.catalog.commands import IssueToken, RegisterSensor
from streams.catalog.tokens import hash_of
from tests.fakes.catalog import FakeCatalog

SENSOR, TOKEN, END_MS = "gre000001", "pm1_one", 4_000_000_000_000
Done = Callable[[LogUnavailable | None], None]


@dataclass
class SlowLog:
    """Takes everything, and acknowledges when told to."""

    waiting: list[Done] = field(default_factory=list)
    batches: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)
    full: bool = False

    def post(self, topic: str, key: bytes, value: bytes, done: Callable[..., None], context: Any) -> None:
        if self.full:
            raise LogUnavailable("the queue is full")
        self.waiting.append(lambda error: done(error, context))

    async def send_all(self, topic: str, messages: list[tuple[bytes, bytes]]) -> None:
        self.batches.append((len(messages), asyncio.get_running_loop().create_future()))
        await self.batches[-1][1]

    def acknowledge(self, error: LogUnavailable | None = None) -> None:
        waiting, self.waiting = self.waiting, []
        for done in waiting:
            done(error)


@dataclass
class Place:
    """A server with the WebSocket door alone."""

    log: SlowLog
    meters: Meters
    sockets: Sockets
    url: str
    http: aiohttp.ClientSession

    def open(self, **more: Any) -> Any:
        return self.http.ws_connect(f"{self.url}/{SENSOR}", headers={"Authorization": f"Bearer {TOKEN}"}, **more)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():  # noqa: ASYNC110 -- nobody signals it
                await asyncio.sleep(0.005)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    catalog = FakeCatalog(
        RegisterSensor(sensor_id=SENSOR, secret_sha256=hash_of("secret")),
        IssueToken(sensor_id=SENSOR, token_sha256=hash_of(TOKEN), issued_at_ms=0, expires_at_ms=END_MS, refresh_at_ms=END_MS),
    )
    log, meters = SlowLog(), Meters()

    def check(sensor_id: str, secret: Any, address: str) -> Rejection | None:
        return Rejection(429, "rate_limited", "secret", "too many wrong secrets; wait", None, 7)

    parts = Parts(catalog, log, 1, RateLimit(1e6, 10**6), meters, check)
    sockets = Sockets(parts, Arrivals(), lambda: None, lambda _: "127.0.0.1")

    def door(request: web.BaseRequest) -> Any:
        return sockets.connect(request, request.path.strip("/"))

    runner = web.ServerRunner(Server(door, meters, (100, 100)), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as http:
        yield Place(log, meters, sockets, f"http://127.0.0.1:{runner.addresses[0][1]}", http)
    await sockets.close()
    await runner.cleanup()


def frame(number: int, seconds: int = 1, **more: Any) -> str:
    sampled = [{"probe": 1, "probeType": "CT", "power": [1] * 20, "powerfactor": [1] * 20, "voltage": 1}]
    entries = [{"timestamp": 1_700_000_000 + k, "sampledValue": sampled} for k in range(seconds)]
    return json.dumps([2, str(number), "MeterValues", {"meterValue": entries, **more}])


@pytest.mark.parametrize("more", [pytest.param({}, id="the short way"), pytest.param({"unknown": 1}, id="the long way")])
async def test_a_log_that_does_not_acknowledge_stops_the_reading(place: Place, more: Any) -> None:
    async with place.open() as ws:
        sending = asyncio.create_task(send(ws, [frame(k, **more) for k in range(2000)]))
        await place.until(lambda: len(place.log.waiting) == WINDOW)
        assert place.meters.frames["MeterValues"] == WINDOW
        found = 0
        while found < 2000:
            assert len(place.log.waiting) <= WINDOW
            await place.until(lambda: bool(place.log.waiting))
            place.log.acknowledge()
            while found < place.meters.accepted:
                assert (await ws.receive_json(timeout=20))[0] == 3
                found += 1
        await sending
    assert place.meters.in_flight == 0


async def test_frames_of_many_seconds_count_as_many(place: Place) -> None:
    async with place.open() as ws:
        await send(ws, [frame(k, seconds=500) for k in range(4)])
        await place.until(lambda: len(place.log.batches) == 2)
        for done in range(4):
            await place.until(lambda done=done: len(place.log.batches) > done)  # type: ignore[misc]
            assert len(place.log.batches) <= done + 2
            place.log.batches[done][1].set_result(None)
            assert (await ws.receive_json(timeout=20))[2]["accepted"] == 500


async def test_a_sensor_that_reads_no_answers_is_read_no_more(place: Place) -> None:
    host, port = place.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(
        f"GET /{SENSOR} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    bad = b'[2,"%b","x",{}]' % (b"i" * 36)
    flood = (b"\x81" + bytes((0x80 | len(bad),)) + bytes(4) + bad) * 2000
    sent, stuck = 0, False
    while not stuck and sent < 200:
        writer.write(flood)
        sent += 1
        try:
            async with asyncio.timeout(1):
                await writer.drain()
        except TimeoutError:
            stuck = True
    assert stuck, "the gateway went on reading"
    connection = next(iter(place.sockets._open))._transport
    assert connection.get_write_buffer_size() < 256 * 1024
    writer.transport.abort()
    await place.until(lambda: place.meters.sockets == 0)


async def test_what_the_log_refuses_may_be_sent_again(place: Place) -> None:
    async with place.open() as ws:
        await ws.send_str(frame(1))
        await place.until(lambda: bool(place.log.waiting))
        place.log.acknowledge(LogUnavailable("no acknowledgement"))
        place.log.full = True
        first = await ws.receive_json(timeout=20)
        await ws.send_str(frame(2))
        for answer in (first, await ws.receive_json(timeout=20)):
            assert (answer[0], answer[2], answer[4]["code"], answer[4]["retry"]) == (4, "InternalError", "unavailable", True)
    assert place.meters.accepted == place.meters.in_flight == 0
    assert place.meters.refused["unavailable"] == 2


async def test_a_connection_that_ends_leaves_nothing_behind(place: Place) -> None:
    async with place.open() as ws:
        await ws.send_str(frame(1))
        await place.until(lambda: bool(place.log.waiting))
    await place.until(lambda: place.meters.sockets == 0)
    place.log.acknowledge()
    assert (place.meters.in_flight, place.meters.accepted) == (0, 1)


async def test_too_many_wrong_secrets_are_told_to_wait(place: Place) -> None:
    async with place.http.ws_connect(f"{place.url}/{SENSOR}") as ws:
        await ws.send_str('[2,"b","BootNotification",{"secret":"x"}]')
        answer = await ws.receive_json(timeout=20)
        assert (answer[2], answer[4]["code"], answer[4]["retry_after"]) == ("InternalError", "rate_limited", 7)
        await ws.receive(timeout=20)
        assert ws.close_code == 1013


async def test_who_says_nothing_is_closed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "FIRST_FRAME_S", 0.05)
    async with place.http.ws_connect(f"{place.url}/{SENSOR}") as ws:
        assert (await ws.receive_json(timeout=20))[4]["code"] == "token_missing"
        await ws.receive(timeout=20)
        assert ws.close_code == 4401


async def test_a_dead_peer_is_noticed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value_s in (("SWEEP_S", 0.02), ("PING_S", 0.1), ("SILENT_S", 0.2)):
        monkeypatch.setattr(connection, name, value_s)
    async with place.open(autoping=False) as ws:
        assert (await ws.receive(timeout=20)).type is aiohttp.WSMsgType.PING
        await place.until(lambda: place.meters.sockets == 0)


async def test_a_sub_protocol_nobody_knows_is_not_logged(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with place.open(protocols=("pm1_a-token-in-the-wrong-place",)) as ws:
        assert ws.protocol is None
    async with place.open(protocols=("ocpp1.6",)) as ws:
        assert ws.protocol == "ocpp1.6"
    assert not [record for record in caplog.records if record.name == "aiohttp.websocket" and "Client protocols" in record.msg]


async def test_a_compressed_bomb_is_no_frame(place: Place) -> None:
    async with place.open() as ws:
        await ws.send_frame(b"\x00" * 10, aiohttp.WSMsgType.TEXT, compress=15)
        await ws.receive(timeout=20)
        assert ws.close_code == 1002


async def send(ws: aiohttp.ClientWebSocketResponse, texts: list[str]) -> None:
    for text in texts:
        await ws.send_str(text)

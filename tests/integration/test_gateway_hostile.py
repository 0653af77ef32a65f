"""The gateway under fire, over real sockets: no 500, nothing that hangs, JSON with a known code, and a good sensor in between."""

import asyncio
import itertools
import json
import os
import random
import resource
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from infra.settings import Settings
from producers.gateway import app
from producers.gateway.doors import CODES
from schemas.registry import Registry
from streams.catalog.commands import IssueToken, RegisterSensor
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView
from tests import hostile
from tests.raw import Answer, Raw, frame, handshake, request

GOOD, BAD, BOOTING = "hostile000001", "hostile000002", "hostile000003"
TOKENS = {
    GOOD: "pm1_of-the-good-sensor-never-in-a-log",
    BAD: "pm1_of-the-bad-sensor-never-in-a-log",
    BOOTING: "pm1_of-the-third-never-in-a-log",
}
SECRET = "pms_of-all-sensors-never-in-a-log"
END_MS = 4_000_000_000_000
DOORS = (("data", "data/batch", "tic"), ("boot", "token", "time", f"ws/{BAD}/calls"))
"""For a sensor with a token, and for one that gets new ones all the time, so that its own is soon retired."""
CODES_TOLD = {code for codes in CODES.values() for code in codes} - {"unavailable"}
HTTP, FRAMES = hostile.examples(2500), hostile.examples(1500)


@dataclass
class Siege:
    """A gateway, the good sensor, and what was written to the log."""

    gateway: app.Gateway
    good: Raw
    lines: list[Any] = field(default_factory=list)
    posted: int = 0

    async def raw(self) -> Raw:
        return await Raw.open(self.gateway.address)

    async def well(self) -> None:
        """The good sensor posts a second, on a connection that it keeps."""
        self.posted += 1
        second = json.loads(hostile.VALID[0]) | {"sensor_id": GOOD, "token": TOKENS[GOOD]}
        second["timestamp"] = 1_700_000_000 + self.posted
        await self.good.send(request("POST", "/powermon/data", json.dumps(second).encode()))
        answer = await self.good.answer()
        assert answer is not None
        assert answer.status == 202, answer

    async def ask(self, data: bytes, *, end: bool = False) -> list[Answer]:
        """What comes back for these bytes until the connection ends, which it must."""
        raw = await self.raw()
        try:
            await raw.send(data, end=end)
            return await raw.answers()
        finally:
            raw.close()


def known(answer: Answer) -> None:
    """An answer of the contract."""
    if answer.status in (200, 202):
        return
    assert answer.status in CODES, answer
    assert answer.status != 500, answer
    assert answer.headers["content-type"].startswith("application/problem+json"), answer
    assert answer.json["code"] in CODES[answer.status], answer
    for secret in (*TOKENS.values(), SECRET):
        assert secret.encode() not in answer.body


@pytest.fixture
async def siege(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> AsyncIterator[Siege]:
    settings = make_settings(kafka_bootstrap=kafka, registry_url=registry, gateway_rate_per_s=100_000, gateway_burst=100_000)
    view = CatalogView(kafka, Registry(settings.registry, settings.schema_cache))
    await view.ready(20)
    for sensor_id, token in TOKENS.items():
        if sensor_id not in view.state.sensors:
            await view.submit(RegisterSensor(sensor_id=sensor_id, secret_sha256=hash_of(SECRET)))
            digest = hash_of(token)
            await view.submit(
                IssueToken(sensor_id=sensor_id, token_sha256=digest, issued_at_ms=0, expires_at_ms=END_MS, refresh_at_ms=END_MS)
            )
    with structlog.testing.capture_logs() as lines:
        gateway = await app.start(settings)
        await gateway.ready(20)
        async with asyncio.timeout(20):
            while not set(TOKENS) <= set(gateway._view.state.sensors):  # noqa: ASYNC110 -- nobody signals it
                await asyncio.sleep(0.01)
        found = Siege(gateway, await Raw.open(gateway.address), lines)
        try:
            yield found
            await found.well()
        finally:
            found.good.close()
            await gateway.stop()
            await view.close()
    said = json.dumps(lines, default=repr)
    assert not [line for line in lines if line["log_level"] in ("error", "critical")], said[:3000]
    for secret in (*TOKENS.values(), SECRET):
        assert secret not in said


def _damaged(seed: int, sensor_id: str) -> Any:
    """Bodies of a sensor with its token, its secret, and what all the doors want."""
    own = {"sensor_id": sensor_id, "token": TOKENS[sensor_id], "secret": SECRET}
    valid = [json.loads(sample) | own for sample in hostile.VALID]
    batches = [one | {"records": [{"timestamp": one["timestamp"], "data": one["data"]}] * 3} for one in valid]
    return hostile.bodies(seed, [json.dumps(one).encode() for one in (*valid, *batches)] + hostile.SAMPLES)


async def test_any_body_at_any_door(siege: Siege) -> None:
    rng = random.Random(6)
    packed = hostile.gzipped(7)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    raw = await siege.raw()
    statuses = set()
    pools = _damaged(8, BAD), _damaged(8, BOOTING)
    for k in range(HTTP):
        body = next(pools[k % 2])
        headers = rng.choice(
            (
                {},
                {},
                {},
                {"Authorization": f"Bearer {TOKENS[(BAD, BOOTING)[k % 2]]}"},
                {"Authorization": "Bearer x"},
                {"Authorization": "\x80"},
            )
        )
        if rng.random() < 0.2:
            body, headers = (
                next(packed),
                {**headers, "Content_Encoding": rng.choice(("gzip", "gzip", "GZIP", "br", "gzip, gzip"))},
            )
        if rng.random() < 0.05:
            headers = {**headers, "Content_Type": rng.choice(("text/plain", "application/json; charset=latin-1", "é", ""))}
        path = rng.choice(DOORS[k % 2]) + rng.choice(("", "", "/", "?x=1"))
        await raw.send(request("POST", f"/powermon/{path}", body, **headers))
        answer = await raw.answer()
        assert answer is not None, (path, headers, body[:200])
        known(answer)
        statuses.add(answer.status)
        if answer.headers.get("connection") == "close":
            raw.close()
            raw = await siege.raw()
        if k % 100 == 0:
            await siege.well()
    raw.close()
    assert {200, 202, 400, 401, 413, 415, 422} <= statuses
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 300_000  # KiB


SECOND = json.dumps(json.loads(hostile.VALID[0]) | {"sensor_id": BAD, "token": TOKENS[BAD]}).encode()
TOKEN = TOKENS[BAD].encode()
POST = b"POST /powermon/data HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SIZE = b"%x\r\n" % len(SECOND)
BROKEN = {
    "nothing but zeros": b"\x00" * 100 + b"\r\n\r\n",
    "a word": b"HELLO\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "version 9.9": b"GET / HTTP/9.9\r\n\r\n",
    "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a greeting of TLS": bytes.fromhex("16030100f1010000ed0303") + os.urandom(200),
    "a token for a method": TOKEN + b" / HTTP/1.1\r\nHost: g\r\n\r\n",
    "small letters": b"get /healthz http/1.1\r\nHost: g\r\n\r\n",
    "two spaces": b"POST  /powermon/data HTTP/1.1\r\nHost: g\r\n\r\n",
    "a line of 100 KB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: g\r\n\r\n",
    "a method of 100 KB": b"A" * 100_000 + b" / HTTP/1.1\r\nHost: g\r\n\r\n",
    "a header of 100 KB": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "ten thousand headers": b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % k for k in range(10_000)) + b"\r\n",
    "a header without a colon": POST + TOKEN + b"\r\n\r\n",
    "a header that goes on": POST + b"Authorization: Bearer\r\n " + TOKEN + b"\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\n{}   ",
    "a zero in a header": POST + b"Authorization: Bearer " + TOKEN + b"\x00\r\n\r\n",
    "line feeds alone": b"GET /healthz HTTP/1.1\nHost: g\n\n",
    "carriage returns alone": b"GET /healthz HTTP/1.1\rHost: g\r\r",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}" + TOKEN,
    "two equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "length and chunked": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then something": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an encoding nobody knows": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "gzip as a transfer": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a length below zero": POST + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a length in hex": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length of a line": POST + b"Content-Length: 99999999999999999999999999\r\n\r\n{}",
    "a length in other digits": POST + "Content-Length: ५\r\n\r\n{}".encode(),
    "no length": POST + b"\r\n",
    "a chunk without a size": CHUNKED + b"\r\n\r\n",
    "a chunk that is none": CHUNKED + TOKEN + b"\r\n\r\n",
    "a chunk below zero": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk of 2^80": CHUNKED + b"F" * 20 + b"\r\nhello\r\n0\r\n\r\n",
    "a chunk, then none": CHUNKED + SIZE + SECOND + b"\r\n" + TOKEN + b"\r\n\r\n",
    "a chunk that is longer": CHUNKED + b"5\r\nhello" + TOKEN + b"\r\n0\r\n\r\n",
    "a chunk with an extension of 100 KB": CHUNKED + b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "trailers by the thousand": CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n",
    "an address of its own": b"GET http://evil.example/powermon HTTP/1.1\r\nHost: g\r\n\r\n",
    "an address that is none": b"GET http://[::1/powermon HTTP/1.1\r\nHost: g\r\n\r\n",
    "a port that is none": b"GET http://g:99999999/ HTTP/1.1\r\nHost: g\r\n\r\n",
    "a scheme alone": b"GET http:// HTTP/1.1\r\nHost: g\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: g\r\n\r\n",
    "two slashes": b"GET //evil.example/%2e%2e HTTP/1.1\r\nHost: g\r\n\r\n",
    "a lone percent": b"GET /% HTTP/1.1\r\nHost: g\r\n\r\n",
    "bytes that are no text": b"GET /powermon/ws/\xff\xfe HTTP/1.1\r\nHost: g\r\n\r\n",
    "escaped bytes that are no text": b"GET /powermon/ws/%ff%c0%80 HTTP/1.1\r\nHost: g\r\n\r\n",
    "an escaped line end": b"GET /powermon/ws/%0d%0aX:%201 HTTP/1.1\r\nHost: g\r\n\r\n",
    "an id of 7 KB": b"GET /powermon/ws/" + b"a" * 7000 + b" HTTP/1.1\r\nHost: g\r\n\r\n",
    "slashes": b"POST " + b"/" * 7000 + b" HTTP/1.1\r\nHost: g\r\n\r\n",
    "connect": b"CONNECT g:80 HTTP/1.1\r\nHost: g\r\n\r\n",
    "connect to nothing": b"CONNECT / HTTP/1.1\r\nHost: g\r\n\r\n",
    "trace": b"TRACE /powermon HTTP/1.1\r\nHost: g\r\n\r\n",
    "no host": b"GET /powermon HTTP/1.1\r\n\r\n",
    "three hosts": b"GET /powermon HTTP/1.1\r\nHost: a\r\nHost: b\r\nHost: c\r\n\r\n",
    "an old version": b"POST /powermon/data HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "something is expected": POST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}",
    "an upgrade to HTTP/2": POST + b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}",
    "a WebSocket by POST": POST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}",
    "a WebSocket of version 99": b"GET /powermon/ws/a000001 HTTP/1.1\r\nHost: g\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "a WebSocket with a bad key": b"GET /powermon/ws/a000001 HTTP/1.1\r\nHost: g\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + TOKEN + b"\r\n\r\n",
}  # fmt: skip


async def test_broken_http_is_answered_or_ended(siege: Siege) -> None:
    wrong = []
    for name, data in BROKEN.items():
        raw = await siege.raw()
        try:
            await raw.send(data)
            answer = await raw.answer()
            if answer is not None:
                known(answer)
        except (TimeoutError, AssertionError, ValueError, asyncio.LimitOverrunError) as error:
            wrong.append((name, repr(error)[:300]))
        raw.close()
        await siege.well()
    assert not wrong


async def test_requests_cut_anywhere_end(siege: Siege) -> None:
    """Whatever is cut off, and wherever: when the client has no more to say, the connection ends."""
    wholes = [
        request("POST", "/powermon/data", SECOND, Authorization=f"Bearer {TOKENS[BAD]}"),
        CHUNKED + SIZE + SECOND + b"\r\n0\r\n\r\n",
        handshake(f"/powermon/ws/{BAD}", TOKENS[BAD]) + frame(b'[2,"1","Heartbeat",{}]') + frame(SECOND),
    ]
    rng = random.Random(9)
    for k in range(150):
        whole = wholes[k % len(wholes)]
        raw = await siege.raw()
        await raw.send(whole[: rng.randrange(len(whole))], end=True)
        await raw.rest()
        raw.close()
    await siege.well()


async def test_damaged_requests_are_answered_or_ended(siege: Siege) -> None:
    """Bits flipped and pieces repeated anywhere in what is sent, head and body."""
    wholes = [*BROKEN.values(), request("POST", "/powermon/data", SECOND), CHUNKED + SIZE + SECOND + b"\r\n0\r\n\r\n"]
    for k, data in enumerate(itertools.islice(hostile.damaged_bytes(10, wholes), HTTP // 5)):
        raw = await siege.raw()
        await raw.send(data, end=True)
        for head in (await raw.rest()).split(b"HTTP/1.1 ")[1:]:
            assert int(head[:3]) in {101, 200, 202} | set(CODES) - {500}, (data, head)
            assert TOKEN not in head
        raw.close()
        if k % 50 == 0:
            await siege.well()


async def test_pipelined_requests_are_answered_in_turn(siege: Siege) -> None:
    """Good and bad ones, in one write; a body that holds a request is a body."""
    inner = request("POST", "/powermon/data", SECOND)
    bad = [b"{}", b"[", b"\xff", inner]
    data = b"".join(inner if k % 3 == 0 else request("POST", "/powermon/data", bad[k % 4]) for k in range(300))
    raw = await siege.raw()
    await raw.send(data)
    answers = [answer for answer in [await raw.answer() for _ in range(300)] if answer is not None]
    assert [answer.status == 202 for answer in answers] == [k % 3 == 0 for k in range(300)], answers[0]
    await siege.well()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reading = asyncio.create_task(raw.rest())
    await raw.send(b"GET /x HTTP/1.1\r\nHost: g\r\n\r\n" * 20_000 + b"GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
    await siege.well()
    assert (await reading).count(b"HTTP/1.1 404") == 20_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 100_000  # KiB
    raw.close()


# ---- WebSocket


FRAMES_BROKEN = {
    "opcode 3": frame(b"x", 3),
    "opcode 15": frame(b"x", 15),
    "a reserved bit": frame(b"[]", first=0xC0),
    "all reserved bits": frame(b"[]", first=0xF0),
    "no mask": frame(b'[2,"1","Heartbeat",{}]', mask=False),
    "a continuation of nothing": frame(b"x", 0),
    "a text within a text": frame(b"[2,", first=0) + frame(b"[2,"),
    "a ping of 126 bytes": frame(b"x" * 126, 9),
    "a ping in pieces": frame(b"x", 9, first=0),
    "a length of 2^62": frame(b"x", length=1 << 62),
    "a length of 2^63": frame(b"x", length=1 << 63),
    "a binary of 2^40": frame(b"x", 2, length=1 << 40),
    "a length longer than needed": bytes.fromhex("81fe0002") + b"\0\0\0\0[]",
    "a close with half a code": frame(b"\x03", 8),
    "a close with code 1005": frame(b"\x03\xed", 8),
    "a close that is no text": frame(b"\x03\xe8\xff\xfe", 8),
    "a text that is none": frame(b'["\xff\xfe"]'),
    "a text of 3 MB": frame(b"[" + b" " * 3_000_000 + b"]"),
    "3 MB in pieces": frame(b"[", first=0) + frame(b" " * 60_000, 0, first=0) * 50 + frame(b"]", 0),
    "binary": frame(b'[2,"1","Heartbeat",{}]', 2),
    "HTTP": request("GET", "/healthz"),
    "noise": os.urandom(2000),
}  # fmt: skip


async def shake(siege: Siege, sensor_id: str = BAD) -> Raw:
    raw = await siege.raw()
    await raw.send(handshake(f"/powermon/ws/{sensor_id}", TOKENS[sensor_id]))
    answer = await raw.answer()
    assert answer is not None
    assert answer.status == 101
    return raw


async def test_broken_frames_are_answered_or_end_the_connection(siege: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = []
    for name, data in FRAMES_BROKEN.items():
        raw = await shake(siege)
        await raw.send(data + frame(b"\x03\xe8", 8))  # and goodbye
        try:
            told = await raw.rest()
            assert TOKEN not in told
        except TimeoutError:
            wrong.append(name)
        raw.close()
        await siege.well()
    assert not wrong


async def test_any_frame_over_a_websocket(siege: Siege) -> None:
    """Each damaged frame gets an answer of its own, or ends the connection."""
    probes = [{"probe": k, "probeType": "CT", "power": [1] * 20, "powerfactor": [90] * 20, "voltage": 230_000} for k in (1, 2, 3)]
    meter = {"connectorId": 1, "transactionId": 7, "meterValue": [{"timestamp": 1_700_000_000, "sampledValue": probes}]}
    calls = [[2, "a", "MeterValues", meter]] * 4 + [[2, "b", "BootNotification", {"secret": SECRET}], [2, "c", "Heartbeat", {}]]
    samples = [json.dumps(one).encode() for one in calls]
    raw = await shake(siege)
    stored = 0
    for k, text in enumerate(itertools.islice(hostile.bodies(11, samples), FRAMES)):
        mark = f"mark-{k}"
        await raw.send(frame(text) + frame(b'[2,"%s","Heartbeat",{}]' % mark.encode()))
        while True:
            told = await raw.message()
            if told is None:
                raw.close()
                raw = await shake(siege)
                break
            assert TOKEN not in told
            assert SECRET.encode() not in told
            answer = json.loads(told)
            assert answer[0] == 3 or answer[4]["code"] in CODES_TOLD, (text, answer)
            stored += answer[:2] == [3, "a"]
            if answer[:2] == [3, mark]:
                break
        if k % 100 == 0:
            await siege.well()
    assert stored > FRAMES // 20
    raw.close()


# ---- wrong tokens at speed


async def test_wrong_tokens_and_secrets_at_speed_leave_the_good_sensor_alone(siege: Siege) -> None:
    """Ten attackers without a pause; the good sensor posts the while, and every second of it is taken."""
    answered = dict.fromkeys(range(10), 0)
    going = True

    async def attack(number: int) -> None:
        raw = await siege.raw()
        bodies = (
            ("/powermon/data", json.dumps(json.loads(SECOND) | {"sensor_id": GOOD, "token": f"pm1_{'x' * 43}"})),
            ("/powermon/boot", json.dumps({"sensor_id": GOOD, "secret": "pms_guess", "version": "221013"})),
            ("/powermon/token", json.dumps({"sensor_id": GOOD, "token": "pm1_guess"})),
        )
        while going:
            path, body = bodies[answered[number] % 3]
            await raw.send(request("POST", path, body.encode()))
            answer = await raw.answer()
            assert answer is not None
            assert answer.status in (401, 429)
            answered[number] += 1
        raw.close()

    attackers = [asyncio.create_task(attack(number)) for number in answered]
    before = siege.posted
    while min(answered.values()) < 100 or siege.posted - before < 20:  # it has its turn, and so has each of them
        await siege.well()
    going = False
    await asyncio.gather(*attackers)
    status = await siege.raw()
    await status.send(
        request("POST", "/powermon/boot", json.dumps({"sensor_id": GOOD, "secret": SECRET, "version": "221013"}).encode())
    )
    booted = await status.answer()
    assert booted is not None
    assert booted.status == 200  # who guesses cannot keep it out
    status.close()

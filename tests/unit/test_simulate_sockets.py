"""The frames of the WebSocket variant as firmware writes and reads them."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from producers.gateway import meter_values as theirs
from producers.simulate.actions import NO_ANSWER, Answer
from producers.simulate.fleet import Body, fleet, second
from producers.simulate.plan import Plan
from producers.simulate.sockets import Socket, answer_to, meter_values

START_S = 1_772_442_000


def made(count: int) -> list[Body]:
    one = fleet(5, 1, event_chance=0.0)
    return [body for t in range(START_S, START_S + count) if (body := second(one, 0, t)) is not None]


@pytest.mark.parametrize("count", [1, 30])
def test_the_gateway_reads_what_firmware_writes(count: int) -> None:
    found = theirs.judge(meter_values(made(count)), zero_based=False, scale=1, now_ms=START_S * 1000 + 60_000)
    assert isinstance(found, theirs.Seconds)
    assert [r.timestamp_s for r in found.readings] == list(range(START_S, START_S + count))
    assert found.rejected == []


def error(code: str | None, **details: Any) -> list[Any]:
    return [4, "7", "AnyViolation", "text", {"code": code, **details} if code else {}]


@pytest.mark.parametrize(
    ("frame", "batch", "expected"),
    [
        pytest.param([3, "7", {"status": "Accepted"}], False, Answer(202), id="safe in the log"),
        pytest.param(
            [3, "7", {"status": "Accepted", "refresh_token": True}], False, Answer(202, refresh_token=True), id="ageing"
        ),
        pytest.param(
            [3, "7", {"status": "Accepted", "accepted": 1, "rejected": [{"index": 1, "timestamp": 9, "code": "x"}]}],
            True,
            Answer(202, refused=((9, "x"),)),
            id="some refused",
        ),
        pytest.param(error("token_expired"), False, Answer(401, "token_expired"), id="a new token is needed"),
        pytest.param(error("sensor_disabled"), False, Answer(403, "sensor_disabled"), id="an hour"),
        pytest.param(error("sample_count"), False, Answer(422, "sample_count"), id="dropped"),
        pytest.param(error("body_too_large"), True, Answer(413, "body_too_large"), id="halved"),
        pytest.param(error("rate_limited", retry_after=7), False, Answer(429, "rate_limited", 7.0), id="later, as it says"),
        pytest.param(error("unavailable"), False, Answer(503, "unavailable"), id="later"),
        pytest.param(error(None), False, Answer(503), id="without a code: later"),
    ],
)
def test_what_an_answer_frame_means(frame: list[Any], batch: bool, expected: Answer) -> None:
    assert answer_to(frame, batch=batch, clock_ms=0) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.3, 3), (0.5, 5), (1.0, 10)])
def test_a_share_of_the_fleet_uses_sockets(share: float, expected: int) -> None:
    plan = Plan(fleet(1, 10), "http://127.0.0.1:1", 0, over_socket=share)
    assert sum(plan.uses_socket(index) for index in range(10)) == expected


async def test_who_waits_on_a_connection_that_was_hung_up_does_not_wait_for_the_next_one() -> None:
    heard, connections = asyncio.Event(), 0

    async def gateway(request: web.Request) -> web.WebSocketResponse:
        nonlocal connections
        connections += 1
        answers = connections > 1
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            heard.set()
            if answers:
                await ws.send_json([3, message.json()[1], {"status": "Accepted"}])
        return ws

    app = web.Application()
    app.router.add_get("/ws", gateway)
    async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession() as session, asyncio.timeout(20):
        socket = Socket(session, server.make_url("/ws"))
        first = asyncio.create_task(socket.send("t", made(1), 0))
        await heard.wait()
        hung_up = asyncio.create_task(socket.close())
        await asyncio.sleep(0)  # it begins
        second_answer = await socket.send("t", made(1), 0)
        assert (await first, second_answer) == (Answer(NO_ANSWER), Answer(202))
        await hung_up
        await socket.close()

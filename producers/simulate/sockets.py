"""The WebSocket of one sensor: the same posts as frames, the same answers out of them."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any

import aiohttp
from yarl import URL

from producers.simulate.actions import NO_ANSWER, Answer
from producers.simulate.fleet import Body
from producers.simulate.replies import answer_of

ANSWER_S = 30.0
FRAME_MAX = 2 * 1024 * 1024
TOKEN_REFUSED = 4401

_CALL, _RESULT, _ERROR = 2, 3, 4
_STATUS = {
    code: status
    for status, codes in {
        400: "bad_json bad_encoding duplicate_key too_deep",
        401: "token_missing token_invalid token_expired",
        403: "token_sensor_mismatch sensor_disabled",
        404: "not_found",
        408: "timeout",
        413: "body_too_large",
        429: "rate_limited",
        503: "unavailable",
    }.items()
    for code in codes.split()
}
"""HTTP status of a code in an error frame; any other code is a 422."""


def meter_values(made: Sequence[Body]) -> dict[str, Any]:
    """The payload of MeterValues for these seconds."""
    return {
        "connectorId": 1,
        "transactionId": 1,
        "meterValue": [{"timestamp": body["timestamp"], "sampledValue": [_sampled(p) for p in body["data"]]} for body in made],
    }


def _sampled(probe: dict[str, Any]) -> dict[str, Any]:
    return {
        "probe": probe["probe_id"],
        "probeType": probe["probe_type"],
        "power": probe["power"],
        "powerfactor": probe["pf"],
        "voltage": probe["voltage"],
    }


def answer_to(frame: list[Any], *, batch: bool, clock_ms: int) -> Answer:
    """What a result or error frame says, as the same post over HTTP would."""
    if frame[0] == _RESULT:
        return answer_of(202, json.dumps(frame[2]).encode(), None, batch=batch, clock_ms=clock_ms)
    details = frame[4] if len(frame) > 4 and isinstance(frame[4], dict) else {}
    code = str(details.get("code", ""))
    wait = details.get("retry_after")
    unknown = 422 if code else 503
    return answer_of(_STATUS.get(code, unknown), json.dumps(details).encode(), None if wait is None else str(wait))


class _Line:
    """One connection: who waits on it waits for it alone, whatever is opened after it."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse[bool], token: str) -> None:
        self.ws, self.token = ws, token
        self.waiting: dict[str, asyncio.Future[list[Any]]] = {}
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for message in self.ws:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await self._take(json.loads(message.data))
        finally:
            for waiting in self.waiting.values():
                waiting.cancel()

    async def _take(self, frame: list[Any]) -> None:
        if frame[0] == _CALL:  # the server asks: Reset, RemoteStartTransaction, RemoteStopTransaction
            await self.ws.send_str(json.dumps([_RESULT, frame[1], {"status": "Accepted"}]))
        elif (waiting := self.waiting.get(frame[1])) is not None and not waiting.done():
            waiting.set_result(frame)
        elif frame[0] == _ERROR:  # of the connection as a whole
            for waiting in self.waiting.values():
                if not waiting.done():
                    waiting.set_result(frame)


class Socket:
    """One sensor's connection, opened when it is needed and again after it broke.

    Args:
        session: without a limit of connections.
        url: of this sensor, ws or http.
    """

    def __init__(self, session: aiohttp.ClientSession, url: URL) -> None:
        self._session, self._url = session, url
        self._opening = asyncio.Lock()
        self._line: _Line | None = None
        self._number = 0

    async def send(self, token: str, made: Sequence[Body], clock_ms: int) -> Answer:
        """Send seconds and wait until they are safe.

        Args:
            token: another one than before opens another connection, once nothing is under way on this one.
            clock_ms: the sensor's clock.
        """
        try:
            line = await self._open(token)
        except aiohttp.WSServerHandshakeError as error:
            return Answer(error.status)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Answer(NO_ANSWER)
        self._number += 1
        frame_id = str(self._number)
        waiting = line.waiting[frame_id] = asyncio.get_running_loop().create_future()
        if line.reader.done():
            waiting.cancel()
        try:
            await line.ws.send_str(json.dumps([_CALL, frame_id, "MeterValues", meter_values(made)], separators=(",", ":")))
            async with asyncio.timeout(ANSWER_S):
                return answer_to(await waiting, batch=len(made) > 1, clock_ms=clock_ms)
        except (aiohttp.ClientError, TimeoutError, OSError):
            await self._hang_up(line)
            return Answer(NO_ANSWER)
        except asyncio.CancelledError:
            if not waiting.cancelled():
                raise
            return Answer(401 if line.ws.close_code == TOKEN_REFUSED else NO_ANSWER)
        finally:
            line.waiting.pop(frame_id, None)

    async def close(self) -> None:
        """Hang up; whoever waits gets no answer."""
        if self._line is not None:
            await self._hang_up(self._line)

    async def _hang_up(self, line: _Line) -> None:
        if self._line is line:
            self._line = None
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await line.ws.close()

    async def _open(self, token: str) -> _Line:
        async with self._opening:
            line = self._line
            if line is not None and not line.ws.closed and (token == line.token or line.waiting):
                return line
            await self.close()
            headers = {"Authorization": f"Bearer {token}"}
            ws = await self._session.ws_connect(self._url, headers=headers, max_msg_size=FRAME_MAX, heartbeat=60)
            self._line = _Line(ws, token)
            return self._line

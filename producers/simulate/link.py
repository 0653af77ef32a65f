"""One request over one link: the only place of the simulator that speaks HTTP."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import aiohttp
import msgspec
import numpy as np
from yarl import URL

from producers.simulate.actions import NO_ANSWER, Action, Answer, AskTime, Boot, Post, Urls
from producers.simulate.faults import GOOD, Fault
from producers.simulate.fleet import FORMAT_VERSION, Body, Fleet, bodies
from producers.simulate.replies import answer_of, exchange_of, grant_of
from producers.simulate.sockets import Socket

TIMEOUT_S = 30
FIRMWARE = "powermon-simulate"
_PIECES = 8
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Link:
    """Sends requests to one gateway.

    Args:
        session: with its connection pool.
        gateway: address to boot at, as http://127.0.0.1:8090.
        fleet: makes the samples.
    """

    session: aiohttp.ClientSession
    gateway: str
    fleet: Fleet
    _sockets: dict[int, Socket] = field(default_factory=dict)

    async def send(
        self,
        index: int,
        action: Action,
        *,
        secret: str = "",
        urls: Urls | None = None,
        error_ms: float = 0.0,
        body: Body | None = None,
        fault: Fault = GOOD,
        over_socket: bool = False,
    ) -> tuple[Answer, float]:
        """Send one request as a device's link would.

        Args:
            index: which sensor.
            secret: of the sensor.
            urls: as the server named them; without, those of the contract.
            error_ms: the sensor's clock minus the right time.
            body: of a single second, if it is made already.
            over_socket: posts go as frames over the sensor's WebSocket.

        Returns:
            what came back, and after how many seconds.
        """
        if fault.down:
            return Answer(NO_ANSWER), 0.0
        t0 = _now_ms(error_ms)
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        urls = urls or Urls()
        if over_socket and isinstance(action, Post):
            return await self._over_socket(index, action, urls, body, error_ms, fault)
        if isinstance(action, Post):
            url, payload, headers = await self._post(index, action, urls, body)
        else:
            url, payload = self._question(index, action, urls, secret, t0)
            headers = {"Content-Type": "application/json"}
        begin_s = time.monotonic()
        status, text, retry_after = await self._request(url, payload, headers, fault)
        took_s = time.monotonic() - begin_s
        t3 = _now_ms(error_ms)
        if fault.duplicate:
            await self._request(url, payload, headers, GOOD)
        if fault.lost_reply:
            return Answer(NO_ANSWER), took_s
        answer = answer_of(status, text, retry_after, batch=isinstance(action, Post) and action.batch, clock_ms=t3)
        if answer.good and not isinstance(action, Post):
            grant = None if isinstance(action, AskTime) else grant_of(text)
            answer = replace(answer, grant=grant, exchange=exchange_of(text, t0, t3))
        return answer, took_s

    async def _over_socket(
        self, index: int, post: Post, urls: Urls, body: Body | None, error_ms: float, fault: Fault
    ) -> tuple[Answer, float]:
        socket = self._sockets.get(index)
        if socket is None:
            there = address(self.gateway, urls.host, f"{urls.ws}/{self.fleet.sensor_ids[index]}")
            socket = self._sockets[index] = Socket(self.session, there)
        made = [body] if body is not None else await asyncio.to_thread(self._bodies, index, post)
        begin_s = time.monotonic()
        answer = await socket.send(post.token, made, _now_ms(error_ms))
        took_s = time.monotonic() - begin_s
        if fault.duplicate:
            await socket.send(post.token, made, _now_ms(error_ms))
        if fault.truncated:
            await socket.close()
        return (Answer(NO_ANSWER) if fault.lost_reply or fault.truncated else answer), took_s

    async def close(self) -> None:
        """Hang up every WebSocket."""
        await asyncio.gather(*(socket.close() for socket in self._sockets.values()))

    def _question(self, index: int, action: Action, urls: Urls, secret: str, t0: int) -> tuple[URL, bytes]:
        asked: dict[str, object] = {"sensor_id": self.fleet.sensor_ids[index]}
        if isinstance(action, Boot):
            asked |= {"secret": secret, "version": FORMAT_VERSION, "firmware": FIRMWARE, "t0": t0}
            return URL(self.gateway + "/powermon/boot"), _encode(asked)
        if isinstance(action, AskTime):
            return address(self.gateway, urls.host, urls.time), _encode(asked | {"t0": t0})
        assert not isinstance(action, Post)
        shown = {"secret": secret} if action.token is None else {"token": action.token}
        return address(self.gateway, urls.host, urls.token), _encode(asked | shown)

    async def _post(self, index: int, post: Post, urls: Urls, body: Body | None) -> tuple[URL, bytes, dict[str, str]]:
        headers = {"Content-Type": "application/json"}
        if post.batch:
            payload = await asyncio.to_thread(self._batch, index, post)
            headers["Content-Encoding"] = "gzip"
            return address(self.gateway, urls.host, urls.batch), payload, headers
        made = body or bodies(self.fleet, np.array([index]), np.array(post.seconds))[0]
        assert made is not None, "a silent device has nothing to send"
        # Both ways in which a device may show its token are in use.
        if index % 2:
            headers["Authorization"] = f"Bearer {post.token}"
        else:
            made["token"] = post.token
        return address(self.gateway, urls.host, urls.data), _encode(made), headers

    def _bodies(self, index: int, post: Post) -> list[Body]:
        made = bodies(self.fleet, np.full(len(post.seconds), index, np.int64), np.array(post.seconds))
        return [one for one in made if one is not None]

    def _batch(self, index: int, post: Post) -> bytes:
        records = [{"timestamp": b["timestamp"], "data": b["data"]} for b in self._bodies(index, post)]
        envelope = {
            "version": FORMAT_VERSION,
            "sensor_id": self.fleet.sensor_ids[index],
            "token": post.token,
            "records": records,
        }
        return gzip.compress(_encode(envelope), compresslevel=1, mtime=0)

    async def _request(self, url: URL, payload: bytes, headers: dict[str, str], fault: Fault) -> tuple[int, bytes, str | None]:
        data = _in_pieces(payload, fault.upload_s) if fault.upload_s else payload
        try:
            async with self.session.post(url, data=data, headers=headers, allow_redirects=False) as reply:
                text = await reply.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return NO_ANSWER, b"", None
        return reply.status, text[: len(text) // 2] if fault.truncated else text, reply.headers.get("Retry-After")


@lru_cache(maxsize=64)
def address(booted_at: str, host: str, path: str) -> URL:
    """Where a path of the server's list is.

    Args:
        host: as the server named it: an address, a name with or without a port, or empty.
    """
    begin = URL(booted_at)
    if host:
        begin = URL(host if "://" in host else f"{begin.scheme}://{host}")
    return begin.join(URL(path))


def _now_ms(error_ms: float) -> int:
    return round(time.time_ns() / 1_000_000 + error_ms)


async def _in_pieces(payload: bytes, upload_s: float) -> AsyncIterator[bytes]:
    step = -(-len(payload) // _PIECES)
    for begin in range(0, len(payload), step):
        yield payload[begin : begin + step]
        await asyncio.sleep(upload_s / _PIECES)


def session(connections: int) -> aiohttp.ClientSession:
    """A session with a bounded pool, for any number of devices."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=60),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        headers={"User-Agent": "powermon-simulate"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )

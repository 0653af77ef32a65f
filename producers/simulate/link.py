"""One post over one link: the only place of the simulator that speaks HTTP."""

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import msgspec
import numpy as np
from yarl import URL

from producers.simulate.device import NO_ANSWER, Answer, Post
from producers.simulate.faults import GOOD, Fault
from producers.simulate.fleet import FORMAT_VERSION, Body, Fleet, bodies

TIMEOUT_S = 30
_PIECES = 8
_encode = msgspec.json.Encoder().encode
_SECONDS = re.compile(r"\d{1,6}(\.\d+)?")


class _Refused(msgspec.Struct):
    code: str
    timestamp: int | None = None


class _Reply(msgspec.Struct):
    code: str = ""
    rejected: list[_Refused] = []
    refresh_token: bool = False


_decode = msgspec.json.Decoder(_Reply).decode


@dataclass(slots=True)
class Link:
    """Sends posts to one gateway.

    Args:
        session: with its connection pool.
        gateway: address, as http://127.0.0.1:8090.
        fleet: makes the samples.
    """

    session: aiohttp.ClientSession
    gateway: str
    fleet: Fleet

    async def send(self, index: int, post: Post, body: Body | None = None, fault: Fault = GOOD) -> tuple[Answer, float]:
        """Send one post as a device's link would.

        Args:
            index: which sensor.
            body: of a single second, if it is made already.

        Returns:
            what came back, and after how many seconds.
        """
        if fault.down:
            return Answer(NO_ANSWER), 0.0
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        path, payload, headers = await self._request(index, post, body)
        begin_s = time.monotonic()
        answer = await self._post(path, payload, headers, fault.upload_s)
        took_s = time.monotonic() - begin_s
        if fault.duplicate:
            await self._post(path, payload, headers, 0.0)
        return (Answer(NO_ANSWER) if fault.lost_reply else answer), took_s

    async def _request(self, index: int, post: Post, body: Body | None) -> tuple[URL, bytes, dict[str, str]]:
        headers = {"Content-Type": "application/json"}
        if post.batch:
            payload = await asyncio.to_thread(self._batch, index, post)
            headers["Content-Encoding"] = "gzip"
            return URL(self.gateway + "/powermon/data/batch"), payload, headers
        made = body or bodies(self.fleet, np.array([index]), np.array(post.seconds))[0]
        assert made is not None, "a silent device has nothing to send"
        # Both ways in which a device may show its token are in use.
        if index % 2:
            headers["Authorization"] = f"Bearer {post.token}"
        else:
            made["token"] = post.token
        return URL(self.gateway + "/powermon/data"), _encode(made), headers

    def _batch(self, index: int, post: Post) -> bytes:
        made = bodies(self.fleet, np.full(len(post.seconds), index, np.int64), np.array(post.seconds))
        records = [{"timestamp": b["timestamp"], "data": b["data"]} for b in made if b is not None]
        envelope = {
            "version": FORMAT_VERSION,
            "sensor_id": self.fleet.sensor_ids[index],
            "token": post.token,
            "records": records,
        }
        return gzip.compress(_encode(envelope), compresslevel=1, mtime=0)

    async def _post(self, url: URL, payload: bytes, headers: dict[str, str], upload_s: float) -> Answer:
        data = _in_pieces(payload, upload_s) if upload_s else payload
        try:
            async with self.session.post(url, data=data, headers=headers, allow_redirects=False) as reply:
                text = await reply.read()
                return answer_of(reply.status, text, reply.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Answer(NO_ANSWER)


def answer_of(status: int, text: bytes, retry_after: str | None) -> Answer:
    """Read a reply as firmware does: the status decides, the rest is detail."""
    if status == 202 and b'"rejected"' not in text and b'"refresh_token"' not in text:
        return Answer(status)
    wait_s = float(retry_after) if retry_after is not None and _SECONDS.fullmatch(retry_after) else None
    try:
        reply = _decode(text)
    except (msgspec.MsgspecError, ValueError):
        reply = _Reply()
    refused = tuple((r.timestamp, r.code) for r in reply.rejected if r.timestamp is not None)
    return Answer(status, reply.code, wait_s, refused, reply.refresh_token)


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

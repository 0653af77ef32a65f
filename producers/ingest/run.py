"""Sends a file's batches to the gateway: sensors side by side, each sensor's batches strictly one after another."""

import asyncio
import contextlib
import gzip
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

import aiohttp
import msgspec

from infra.errors import PowermonError, TokenRefused
from producers.ingest.batches import Batch, Grouping
from producers.ingest.files import BrokenFile
from producers.ingest.lines import Refused, fault_of, read_line
from producers.ingest.report import Report

TIMEOUT_S = 60
REQUESTS = 8
SENDING_MAX = 32 * 1024 * 1024
"""Bytes of closed batches that wait for their turn; the reader waits when there are more."""

BACKOFF_FIRST_S, BACKOFF_MAX_S, BACKOFF_SPREAD = 1.0, 15.0, 0.2

TokenSource = Callable[[str], Awaitable[str]]


class GatewayUnreachable(PowermonError):
    """The gateway did not answer, or not as a gateway."""


class _Entry(msgspec.Struct):
    index: int
    code: str
    detail: str = ""


class _Reply(msgspec.Struct):
    code: str = ""
    detail: str = ""
    rejected: list[_Entry] | None = None


_reply = msgspec.json.Decoder(_Reply).decode
_quote = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reply: _Reply
    retry_after_s: float | None


class Ingest:
    """One file's way into the gateway.

    Args:
        gateway: address, as http://127.0.0.1:8090.
        tokens: where tokens come from; None = each line brings its own.
        report: is filled in on the way.
        patience_s: how long the gateway may take no batch before we give up.
    """

    def __init__(self, gateway: str, tokens: TokenSource | None, report: Report, *, patience_s: float = 120.0) -> None:
        self.report = report
        self._gateway, self._source, self._patience_s = gateway, tokens, patience_s
        self._tokens: dict[str, bytes] = {}
        self._grouping = Grouping()
        self._lanes: dict[str, deque[Batch]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(REQUESTS)
        self._sending = 0
        self._moved = asyncio.Event()
        self._failed: BaseException | None = None
        self._progress_s = 0.0
        self._http: aiohttp.ClientSession

    async def send(self, chunks: Iterable[list[tuple[int, bytes]]]) -> None:
        """Send every line.

        Args:
            chunks: (number, text) of the lines, some at a time; read in a thread.

        Raises:
            GatewayUnreachable: no gateway answers; `report` holds what was done until then.
        """
        begin_s = self._progress_s = time.monotonic()
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=REQUESTS),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            headers={"User-Agent": "powermon-ingest", "Content-Type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        try:
            async with session as self._http:
                await self._knock()
                await self._read(chunks)
                await self._finish()
        except PowermonError as error:
            self.report.gave_up = str(error)
            raise
        finally:
            await self._abandon()
            self.report.took_s = time.monotonic() - begin_s

    async def _knock(self) -> None:
        try:
            async with self._http.get(self._gateway + "/healthz"):
                pass
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise GatewayUnreachable(
                f"no answer from the gateway at {self._gateway}; start it with `powermon up` or set POWERMON_GATEWAY_URL"
            ) from None

    async def _read(self, chunks: Iterable[list[tuple[int, bytes]]]) -> None:
        reader = iter(chunks)
        while (chunk := await self._next(reader)) is not None:
            for number, text in chunk:
                self.report.lines += 1
                line = read_line(number, text, needs_token=self._source is None)
                if isinstance(line, Refused):
                    self.report.refuse(line)
                    continue
                self.report.sensors.add(line.sensor_id)
                for batch in self._grouping.add(line):
                    self._queue(batch)
            while self._sending > SENDING_MAX:
                await self._move()
            self._check()

    async def _next(self, reader: Iterator[list[tuple[int, bytes]]]) -> list[tuple[int, bytes]] | None:
        try:
            return await asyncio.to_thread(next, reader, None)
        except BrokenFile:
            await self._finish()  # what could be read is good
            raise

    async def _finish(self) -> None:
        for batch in self._grouping.rest():
            self._queue(batch)
        while self._tasks:
            await self._move()
        self._check()

    async def _move(self) -> None:
        """Wait until some lane got further."""
        self._check()
        self._moved.clear()
        await self._moved.wait()

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    async def _abandon(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- lanes

    def _queue(self, batch: Batch) -> None:
        self._sending += batch.held
        lane = self._lanes.get(batch.sensor_id)
        if lane is not None:
            lane.append(batch)
            return
        self._lanes[batch.sensor_id] = deque([batch])
        task = asyncio.create_task(self._drive(batch.sensor_id))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed = self._failed or error
        self._moved.set()

    async def _drive(self, sensor_id: str) -> None:
        lane = self._lanes[sensor_id]
        while lane:
            batch = lane.popleft()
            async with self._gate:
                await self._send(batch)
            self._sending -= batch.held
            self._moved.set()
        del self._lanes[sensor_id]

    # ---- one batch

    async def _send(self, batch: Batch, *, alone: bool = False) -> None:
        """Send a batch until every line of it has a verdict.

        Args:
            alone: a batch of one line, through the door for single posts.
        """
        retry = 0
        renewed = False
        while True:
            try:
                token = batch.token if batch.token is not None else await self._token(batch.sensor_id)
            except TokenRefused as error:
                self._refuse(batch, "no_token", str(error))
                return
            answer = await self._request(batch, token, alone)
            if answer is None or answer.status in (408, 429) or answer.status >= 500:
                await self._wait(answer, retry)
                retry += 1
                continue
            self._progress_s = time.monotonic()
            self.report.batches += 1
            if answer.status == 401 and self._source is not None and not renewed:
                renewed = True
                self._tokens.pop(batch.sensor_id)
                self.report.retries += 1
                continue
            await self._judge(batch, answer, alone)
            return

    async def _judge(self, batch: Batch, answer: Answer, alone: bool) -> None:
        status, reply = answer.status, answer.reply
        if status in (404, 405, 415):
            raise GatewayUnreachable(
                f"{self._gateway} answered {status} to a batch; is POWERMON_GATEWAY_URL the address of a powermon gateway?"
            )
        if 200 <= status < 300 or (status == 422 and reply.rejected):
            self._count(batch, reply.rejected or [])
        elif status == 413 and len(batch.lines) > 1:
            for half in batch.halves():
                await self._send(half)
        elif status == 400 and len(batch.lines) > 1:
            await self._sift(batch)
        elif status in (400, 413) and not alone:
            # Within a batch a body lies deeper and is bigger: let it be judged as it is.
            await self._send(batch, alone=True)
        else:
            self._refuse(batch, reply.code or str(status), reply.detail)

    def _refuse(self, batch: Batch, code: str, detail: str) -> None:
        for line in batch.lines:
            self.report.refuse(Refused(line.number, code, detail))

    def _count(self, batch: Batch, rejected: list[_Entry]) -> None:
        for entry in rejected:
            self.report.refuse(Refused(batch.lines[entry.index].number, entry.code, entry.detail))
        self.report.accepted += len(batch.lines) - len(rejected)

    async def _sift(self, batch: Batch) -> None:
        """A line that is not JSON in the gateway's eyes spoils its batch: take such lines out."""
        faults = {line.number: fault for line in batch.lines if (fault := fault_of(line.record)) is not None}
        for number, fault in faults.items():
            self.report.refuse(Refused(number, *fault))
        rest = [line for line in batch.lines if line.number not in faults]
        if not rest:
            return
        for part in (batch.of(rest),) if faults else batch.halves():
            await self._send(part)

    async def _request(self, batch: Batch, token: bytes, alone: bool) -> Answer | None:
        path = "/powermon/data" if alone else "/powermon/data/batch"
        body = batch.single(token) if alone else batch.envelope(token)
        packed = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
        try:
            headers = {"Content-Encoding": "gzip"}
            async with self._http.post(self._gateway + path, data=packed, headers=headers, allow_redirects=False) as response:
                text = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        try:
            reply = _reply(text)
        except (msgspec.MsgspecError, ValueError):
            reply = _Reply()
        wait_s = None
        with contextlib.suppress(ValueError):
            wait_s = min(max(float(response.headers.get("Retry-After", "")), 0.0), 300.0)
        return Answer(response.status, reply, wait_s)

    async def _wait(self, answer: Answer | None, retry: int) -> None:
        if time.monotonic() - self._progress_s > self._patience_s:
            what = "no answer came" if answer is None else f"it answered {answer.status} {answer.reply.code}".rstrip()
            raise GatewayUnreachable(
                f"the gateway at {self._gateway} took nothing for {self._patience_s:.0f} s ({what}); "
                "once it is well send the file again: copies count once"
            )
        self.report.retries += 1
        wait_s = min(BACKOFF_FIRST_S * 2.0 ** min(retry, 10), BACKOFF_MAX_S)
        wait_s *= 1.0 + BACKOFF_SPREAD * (2.0 * random.random() - 1.0)  # noqa: S311 (spreads retries)
        if answer is not None and answer.retry_after_s is not None:
            wait_s = answer.retry_after_s
        await asyncio.sleep(wait_s)

    async def _token(self, sensor_id: str) -> bytes:
        if sensor_id not in self._tokens:
            assert self._source is not None, "a line without a token is refused when it is read"
            self._tokens[sensor_id] = _quote(await self._source(sensor_id))
        return self._tokens[sensor_id]

"""One sensor's WebSocket: reads its frames, hands seconds to the log, answers each by its id when it is safe.

Several frames are in flight at once, up to WINDOW seconds; then nothing more is read until the log or the sensor
has caught up. So what a connection holds is bounded, whoever is slow.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog
from aiohttp import WebSocketError, WSMsgType, web

from infra.publish import LogUnavailable
from producers.gateway import conversation, frames, meter_values
from producers.gateway.calls import Calls
from producers.gateway.connection import Connection
from producers.gateway.conversation import Boot, Decision, Say, Store
from producers.gateway.frames import FORMATION, FRAME_MAX, INTERNAL, NO_ID, Refused, Reply
from producers.gateway.meter_values import FORMAT_VERSION
from producers.gateway.socket_parts import Parts
from producers.gateway.tokens import by_secret, owner
from producers.gateway.verdict import MISSING, Admission, Reading, Rejection
from producers.gateway.whole_frames import WholeFrames
from producers.gateway.zero_based import ZeroBased
from schemas import topics, wire
from streams.catalog.state import Sensor, SensorToken
from streams.catalog.tokens import hash_of

WINDOW = 600
"""Seconds of one connection that may wait for the log before the next frame is looked at."""

FIRST_FRAME_S = 10.0
ACKS_S = 10.0
"""How long an end waits for the log's acknowledgements."""
CLOSE_S = 2.0
DRAIN_S = 30.0
"""How long a sensor may leave our answers unread before its connection is cut."""

REFUSED, REPLACED, GOING_AWAY, TRY_LATER, NOT_UTF8, TOO_BIG = 4401, 4409, 1012, 1013, 1007, 1009

_UNREAD_MAX_BYTES = 16_384
"""With more of our answers unread than this, frames go the long way, where reading stops."""

_TOPIC = topics.READINGS.name
_THREAD_FROM = 100_000

# It would warn of sub-protocols it does not know, and name them: some clients put their token there.
logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)


class Judged(NamedTuple):
    """A verdict on the token, and what it was drawn from."""

    sensor: Sensor
    token: SensorToken
    until_ms: int
    admission: Admission


class Session:
    """One connection.

    Args:
        token: of the Authorization header, or None: then the secret must come in the first frame.
        address: of the peer.

    Attributes:
        calls: ours to the sensor.
    """

    def __init__(self, parts: Parts, sensor_id: str, token: str | None, address: str) -> None:
        self.sensor_id, self.calls = sensor_id, Calls(sensor_id, self._say)
        self._parts, self._address = parts, address
        # Of token and secret only hashes are kept: a picture of this process's memory gives nothing away for long.
        self._token = None if token is None else hash_of(token)
        self._secret: str | None = None
        self._key, self._head = sensor_id.encode(), wire.reading_head(parts.schema_id, sensor_id)
        self._zero_based = ZeroBased(parts.catalog, sensor_id)
        self._judged: Judged | None = None
        self._in_flight = 0
        self._progress = asyncio.Event()
        self._identified = self._ending = False
        self._storing: set[asyncio.Future[None]] = set()
        self._ws: web.WebSocketResponse[Any] = web.WebSocketResponse(
            timeout=CLOSE_S, compress=False, max_msg_size=FRAME_MAX + 1, decode_text=False,
            protocols=("ocpp1.6",),
        )  # fmt: skip

    async def serve(self, request: web.BaseRequest, known: Callable[["Session"], None]) -> web.StreamResponse:
        """Speak with the sensor until one of both has enough.

        Args:
            known: called once the sensor has shown who it is.
        """
        assert request.transport is not None
        self._transport = request.transport
        if isinstance(request.protocol, Connection):
            request.protocol.front = lambda reader: WholeFrames(reader, self._take)
        self._writer = await self._ws.prepare(request)
        self._parts.meters.sockets += 1
        try:
            if await self._identify():
                known(self)
                self._identified = True
                await self._converse()
        except ConnectionError:
            pass
        finally:
            self._parts.meters.sockets -= 1
            self.calls.close()
            if self._transport.get_write_buffer_size():
                self._transport.abort()  # a close would wait for a peer that does not read
        return self._ws

    async def end(self, code: int, reason: str) -> None:
        """Read no more, answer what is in flight, close."""
        if self._ending:
            return
        self._ending = True
        self.calls.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ACKS_S):
                await self._until(0)
        self._parts.answers.write()
        try:
            async with asyncio.timeout(2 * CLOSE_S):
                await self._ws.close(code=code, message=reason.encode())
        except (TimeoutError, ConnectionError):
            self._transport.abort()

    # ---- who it is

    async def _identify(self) -> bool:
        """Whether the sensor showed a good token, or its secret in the first frame."""
        if self._token is not None:
            admission = self._admission(_now_ms())
            if isinstance(admission, Rejection):
                await self._refuse_and_end(frames.refused(NO_ID, admission))
            return isinstance(admission, Admission)
        try:
            async with asyncio.timeout(FIRST_FRAME_S):
                frame = await self._next()
        except TimeoutError:
            frame = b""
        if frame is None:
            return False
        boot = conversation.first(frame)
        self._parts.meters.frames["BootNotification" if isinstance(boot, Boot) else "refused"] += 1
        if isinstance(boot, Refused):
            await self._refuse_and_end(boot)
            return False
        return await self._boot(boot)

    async def _boot(self, boot: Boot) -> bool:
        """Answer a BootNotification, whose secret must be right if there is one."""
        rejection = None
        if boot.secret is not MISSING or (self._token is None and self._secret is None):
            rejection = self._parts.check_secret(self.sensor_id, boot.secret, self._address)
        if rejection is not None and rejection.status not in (401, 403):
            await self._refuse_and_end(frames.refused(boot.id, rejection), TRY_LATER)
            return False
        self._say(conversation.booted(boot, rejection, _now_ms()))
        if rejection is not None:
            self._parts.meters.refused[rejection.code] += 1
            await self.end(REFUSED, rejection.code)
            return False
        if self._token is None and isinstance(boot.secret, str):
            self._secret = hash_of(boot.secret)
        return True

    def _admission(self, now_ms: int) -> Admission | Rejection:
        """Whether the sensor may still send; asked anew for each frame."""
        state, digest = self._parts.catalog.state, self._token
        if digest is None:
            return by_secret(state, self.sensor_id, self._secret or "")
        sensor, token, judged = state.sensors.get(self.sensor_id), state.sensor_tokens.get(digest), self._judged
        # A change of either is another object; until then the verdict stands as long as the clock lets it.
        if judged is None or judged.sensor is not sensor or judged.token is not token or now_ms >= judged.until_ms:
            admission = owner(state, self.sensor_id, digest, now_ms)
            if isinstance(admission, Rejection) or sensor is None or token is None:
                return admission
            until_ms = token.expires_at_ms if admission.refresh else min(token.refresh_at_ms, token.expires_at_ms)
            self._judged = judged = Judged(sensor, token, until_ms, admission)
        return judged.admission

    # ---- frames

    async def _converse(self) -> None:
        while (frame := await self._next()) is not None:
            await self._until(WINDOW - 1)
            now_ms = _now_ms()
            admission, zero_based = self._admission(now_ms), self._zero_based.now
            if len(frame) < _THREAD_FROM:
                decision = conversation.decide(frame, admission, zero_based, now_ms)
            else:
                decision = await asyncio.to_thread(conversation.decide, frame, admission, zero_based, now_ms)
            self._parts.meters.frames[conversation.action_of(decision)] += 1
            if isinstance(admission, Rejection):
                await self._refuse_and_end(decision if isinstance(decision, Refused) else frames.refused(NO_ID, admission))
                return
            if not isinstance(decision, Reply) and self._too_often(decision.id):
                continue
            if not await self._do(decision, now_ms):
                return

    def _take(self, text: bytes) -> bool:
        """The short way for a text that can be accepted as it stands; whatever else came goes the long one."""
        busy = self._in_flight >= WINDOW or self._transport.get_write_buffer_size() > _UNREAD_MAX_BYTES
        if busy or not self._identified or self._ending:
            return False
        now_ms = _now_ms()
        admission = self._admission(now_ms)
        if isinstance(admission, Rejection):
            return False
        quick = meter_values.accept(text, self._zero_based.now, admission.scale, now_ms)
        if quick is None:
            return False
        self._parts.meters.frames["MeterValues"] += 1
        if not self._too_often(quick[0]):
            self._store(Store(*quick, admission.refresh), now_ms)
        return True

    def _too_often(self, frame_id: str) -> bool:
        """Count a frame; whether it was refused for being one too many."""
        wait_s = self._parts.limit.wait_s(self.sensor_id, time.monotonic())
        if not wait_s:
            return False
        self._parts.meters.limited["sensor"] += 1
        detail = f"sensor {self.sensor_id} sends too often; wait"
        self._refuse(frames.refused(frame_id, Rejection(429, "rate_limited", None, detail, None, wait_s)))
        return True

    async def _next(self) -> bytes | None:
        """The next frame; None when there are no more."""
        while True:
            if self._transport.get_write_buffer_size():
                await self._drained()
            message = await self._ws.receive()
            if message.type is WSMsgType.TEXT:
                if not self._ending:
                    return message.data  # type: ignore[no-any-return]  # bytes, as asked for
            elif message.type is WSMsgType.BINARY:
                detail = "a binary message came; expected a text"
                self._refuse(Refused(NO_ID, Rejection(400, "bad_json", None, detail), FORMATION))
            else:
                if isinstance(message.data, WebSocketError) and message.data.code == TOO_BIG:
                    self._parts.meters.refused["body_too_large"] += 1
                return None

    async def _do(self, decision: Decision, now_ms: int) -> bool:
        """Act on a frame; whether the conversation goes on."""
        if isinstance(decision, Store):
            self._store(decision, now_ms)
        elif isinstance(decision, Say):
            self._say(decision.text)
        elif isinstance(decision, Boot):
            return await self._boot(decision)
        elif isinstance(decision, Reply):
            self.calls.answered(decision)
        elif decision.rejection.code == "bad_encoding":
            # RFC 6455 section 8.1: a text that is not UTF-8 ends the connection.
            await self._refuse_and_end(decision, NOT_UTF8)
            return False
        else:
            self._refuse(decision)
        return True

    def _store(self, store: Store, now_ms: int) -> None:
        found = store.seconds
        if found.from_zero:
            self._zero_based.seen()
        for refused in found.rejected:
            self._parts.meters.refused[refused.rejection.code] += 1
        readings, done = found.readings, (store.id, conversation.accepted(store), len(found.readings), time.perf_counter())
        if len(readings) == 1:
            try:
                self._parts.log.post(_TOPIC, self._key, self._value(readings[0], now_ms), self._stored, done)
            except LogUnavailable as error:
                self._refuse(_unavailable(store.id, error))
                return
        else:
            values = [(self._key, self._value(one, now_ms)) for one in readings]
            safe = asyncio.ensure_future(self._parts.log.send_all(_TOPIC, values))
            self._storing.add(safe)
            safe.add_done_callback(self._storing.discard)
            safe.add_done_callback(
                lambda safe: self._stored(asyncio.CancelledError() if safe.cancelled() else safe.exception(), done)
            )
        self._in_flight += len(readings)
        self._parts.meters.in_flight += 1

    def _value(self, one: Reading, now_ms: int) -> bytes:
        return wire.encode_reading(self._head, one.timestamp_s, now_ms, FORMAT_VERSION, one.packed)

    def _stored(self, error: BaseException | None, what: tuple[str, bytes, int, float]) -> None:
        """The log has them, or has not: answer."""
        frame_id, answer, seconds, started_s = what
        meters = self._parts.meters
        self._in_flight -= seconds
        meters.in_flight -= 1
        self._progress.set()
        if error is None:
            meters.acknowledged(time.perf_counter() - started_s)
            meters.accepted += seconds
            self._parts.answers.say(self, frames.wire(answer))
            return
        if not isinstance(error, LogUnavailable):
            structlog.get_logger(__name__).error("seconds not stored", sensor_id=self.sensor_id, exc_info=error)
        self._refuse(_unavailable(frame_id, error))

    # ---- what is sent

    def _say(self, text: bytes) -> None:
        self.write(frames.wire(text))

    def write(self, frames: bytes) -> None:
        """Send whole frames; nothing when the connection is over."""
        # By ourselves: aiohttp's way is a coroutine, and an acknowledgement comes in a callback.
        if not self._ws.closed and not self._transport.is_closing():
            self._transport.write(frames)

    def _refuse(self, what: Refused) -> None:
        self._parts.meters.refused[what.rejection.code] += 1
        self._say(frames.error(what))

    async def _refuse_and_end(self, what: Refused, code: int = REFUSED) -> None:
        self._refuse(what)
        await self.end(code, what.rejection.code)

    async def _until(self, most: int) -> None:
        """Wait until no more seconds than this are in flight."""
        while self._in_flight > most:
            self._progress.clear()
            await self._progress.wait()

    async def _drained(self) -> None:
        """Wait until the sensor has read enough of our answers."""
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._writer.drain()
        except TimeoutError:
            self._transport.abort()
            raise ConnectionResetError("the sensor does not read its answers") from None


def _unavailable(frame_id: str, error: BaseException) -> Refused:
    detail = str(error) if isinstance(error, LogUnavailable) else "the gateway failed; try again"
    return Refused(frame_id, Rejection(503, "unavailable", None, detail, None, 5), INTERNAL)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

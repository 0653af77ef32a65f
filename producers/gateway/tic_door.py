"""The door for frames of Linky meters."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION

from infra.publish import LogUnavailable, Publisher
from producers.gateway import replies, tic_body
from producers.gateway.arrival import Arrivals, unavailable
from producers.gateway.limits import RateLimit
from producers.gateway.meters import Meters
from producers.gateway.tic_body import Frames
from producers.gateway.tokens import admit_meter, bearer
from producers.gateway.verdict import Admission, Rejection
from schemas import avro, topics
from streams.catalog.view import CatalogView

BODY_MAX = 2 * 1024 * 1024
_THREAD_FROM = 20_000
"""Bodies of this many bytes are judged beside the event loop: 2 MiB take a tenth of a second."""

Messages = list[tuple[bytes, bytes]]


class TicDoor:
    """Judges frames, publishes those that are accepted, answers when they are safe.

    Args:
        schema_id: of tic.frames.
        limit: requests per sensor, of all doors.
    """

    def __init__(
        self, view: CatalogView, publisher: Publisher, schema_id: int, limit: RateLimit, meters: Meters, arrivals: Arrivals
    ) -> None:
        self._view, self._publisher, self._head = view, publisher, avro.header(schema_id)
        self._limit, self._meters, self._arrivals = limit, meters, arrivals
        # One thread: the judge holds the interpreter, and several would take turns with the event loop.
        self._beside = ThreadPoolExecutor(1, "tic-judge")

    def close(self) -> None:
        """End the thread; a body in it is judged first."""
        self._beside.shutdown(wait=False)

    async def post(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /powermon/tic."""
        plain = await self._arrivals.read(request, BODY_MAX)
        if isinstance(plain, Rejection):
            return self._refuse(plain)
        header_token = bearer(request.headers.get(AUTHORIZATION))
        if len(plain) < _THREAD_FROM:
            verdict, messages = self._judge(plain, header_token)
        else:
            with self._arrivals.held(plain):
                loop = asyncio.get_running_loop()
                verdict, messages = await loop.run_in_executor(self._beside, self._judge, plain, header_token)
        if (waiting := self._limited(verdict)) is not None:
            return self._refuse(waiting)
        if isinstance(verdict, Rejection):
            return self._refuse(verdict)
        for one in verdict.rejected:
            self._meters.refused[one.rejection.code] += 1
        if messages:
            self._meters.in_flight += 1
            started_s = time.perf_counter()
            try:
                await self._publisher.send_all(topics.TIC_FRAMES.name, messages)
            except LogUnavailable as error:
                return self._refuse(unavailable(str(error)))
            finally:
                self._meters.in_flight -= 1
            self._meters.acknowledged(time.perf_counter() - started_s)
            self._meters.frames_of_meters += len(messages)
        return replies.frames(verdict)

    def _judge(self, plain: bytes, header_token: str | None) -> tuple[Frames | Rejection, Messages]:
        verdict = tic_body.judge(plain, self._admit, header_token)
        if isinstance(verdict, Rejection):
            return verdict, []
        key = verdict.meter_id.encode()
        return verdict, [(key, self._head + avro.encode_body(topics.TIC_FRAMES, frame.record())) for frame in verdict.frames]

    def _admit(self, in_body: Any, in_header: str | None) -> tuple[str, Admission] | Rejection:
        if not self._view.caught_up:
            return unavailable("the gateway is starting and does not know its sensors yet")
        return admit_meter(self._view.state, in_body, in_header, time.time_ns() // 1_000_000)

    def _limited(self, verdict: Frames | Rejection) -> Rejection | None:
        """Whoever showed a good token is counted, whatever became of the body."""
        meter_id = verdict.sensor_id if isinstance(verdict, Rejection) else verdict.meter_id
        wait_s = 0 if meter_id is None else self._limit.wait_s(meter_id, time.monotonic())
        if not wait_s:
            return None
        self._meters.limited["sensor"] += 1
        return Rejection(429, "rate_limited", None, "this meter posts too often; wait", meter_id, wait_s)

    def _refuse(self, rejection: Rejection) -> web.Response:
        self._meters.refused[rejection.code] += 1
        return replies.problem(rejection)

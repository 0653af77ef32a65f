"""The two doors a sensor posts through."""

import asyncio
import time
from collections.abc import Awaitable

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION

from infra.publish import LogUnavailable, Publisher
from producers.gateway import body, replies
from producers.gateway.arrival import Arrivals, unavailable
from producers.gateway.judges import Judges
from producers.gateway.limits import RateLimit
from producers.gateway.meters import Meters
from producers.gateway.tokens import admit, bearer
from producers.gateway.verdict import Admission, Batch, Rejection
from schemas import topics, wire
from streams.catalog.view import CatalogView

POST_MAX = 65_536
BATCH_MAX = 2 * 1024 * 1024
_SLICE = 100
"""So many readings go to the log's client before others have their turn."""

_TOPIC = topics.READINGS.name


class Handlers:
    """Judges posts, publishes what is accepted, answers when it is safe.

    Args:
        view: the catalog.
        publisher: to the log; its messages must fail in bounded time.
        schema_id: of sensor.readings.
        limit: requests per sensor.
    """

    def __init__(
        self, view: CatalogView, publisher: Publisher, schema_id: int, limit: RateLimit, meters: Meters, arrivals: Arrivals
    ) -> None:
        self._view, self._publisher, self._schema_id = view, publisher, schema_id
        self._limit, self._meters, self._arrivals = limit, meters, arrivals
        self._judges = Judges()
        self._heads: dict[str, tuple[bytes, bytes]] = {}

    def close(self) -> None:
        """End the threads."""
        self._judges.close()

    async def post(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /powermon/data: one second."""
        plain = await self._arrivals.read(request, POST_MAX)
        if isinstance(plain, Rejection):
            return self._refuse(plain)
        now_ms = time.time_ns() // 1_000_000
        taken = self._take(plain, request.headers.get(AUTHORIZATION), now_ms)
        if isinstance(taken, Rejection):
            return self._refuse(taken)
        safe, answer = taken
        # Hundreds of requests wait here at once; what each holds on to falls out of the processor's cache.
        del plain, taken
        meters = self._meters
        meters.in_flight += 1
        started_s = time.perf_counter()
        try:
            await safe
        except LogUnavailable as error:
            return self._refuse(unavailable(str(error)))
        finally:
            meters.in_flight -= 1
        meters.acknowledged(time.perf_counter() - started_s)
        meters.accepted += 1
        return replies.safe(request, answer, now_ms // 1000)

    def _take(self, plain: bytes, authorization: str | None, now_ms: int) -> tuple[Awaitable[None], str] | Rejection:
        """Judge a body and hand its reading to the log: what to wait for, and what to answer then."""
        verdict = body.judge(plain, self._admit, bearer(authorization), now_ms)
        waiting = self._limited(verdict.sensor_id)
        if waiting is not None:
            return waiting
        if isinstance(verdict, Rejection):
            return verdict
        sensor_id, version, refresh, reading = verdict
        key, head = self._head(sensor_id)
        value = wire.encode_reading(head, reading.timestamp_s, now_ms, version, reading.packed)
        try:
            return self._publisher.send(_TOPIC, key, value), replies.accepted(reading, refresh, now_ms // 1000)
        except LogUnavailable as error:
            return unavailable(str(error))

    async def batch(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /powermon/data/batch: stored seconds."""
        plain = await self._arrivals.read(request, BATCH_MAX)
        if isinstance(plain, Rejection):
            return self._refuse(plain)
        now_ms = time.time_ns() // 1_000_000
        header_token = bearer(request.headers.get(AUTHORIZATION))
        with self._arrivals.held(plain):
            verdict = await self._judges.batch(plain, self._admit, header_token, now_ms)
        del plain
        waiting = self._limited(verdict.sensor_id)
        if waiting is not None:
            return self._refuse(waiting)
        if isinstance(verdict, Rejection):
            return self._refuse(verdict)
        for record in verdict.rejected:
            self._meters.refused[record.rejection.code] += 1
        if verdict.readings:
            self._meters.in_flight += 1
            started_s = time.perf_counter()
            try:
                await self._publish(verdict, now_ms)
            except LogUnavailable as error:
                return self._refuse(unavailable(str(error)))
            finally:
                self._meters.in_flight -= 1
            self._meters.acknowledged(time.perf_counter() - started_s)
            self._meters.accepted += len(verdict.readings)
        return replies.batch(verdict)

    async def _publish(self, batch: Batch, now_ms: int) -> None:
        """Hand a batch to the log, piece by piece, and wait until it has all of them."""
        key, head = self._head(batch.sensor_id)
        pieces = []
        for at in range(0, len(batch.readings), _SLICE):
            messages = [
                (key, wire.encode_reading(head, one.timestamp_s, now_ms, batch.format_version, one.packed))
                for one in batch.readings[at : at + _SLICE]
            ]
            pieces.append(asyncio.ensure_future(self._publisher.send_all(_TOPIC, messages)))
            await asyncio.sleep(0)
        await asyncio.gather(*pieces)

    def _admit(self, sensor_id: str, in_body: object, in_header: str | None, now_ms: int) -> Admission | Rejection:
        if not self._view.caught_up:
            return unavailable("the gateway is starting and does not know its sensors yet")
        return admit(self._view.state, sensor_id, in_body, in_header, now_ms)

    def _limited(self, sensor_id: str | None) -> Rejection | None:
        """Whoever showed a good token is counted, whatever became of the body."""
        if sensor_id is None:
            return None
        wait_s = self._limit.wait_s(sensor_id, time.monotonic())
        if not wait_s:
            return None
        self._meters.limited["sensor"] += 1
        return Rejection(429, "rate_limited", None, f"sensor {sensor_id} posts too often; wait", sensor_id, wait_s)

    def _head(self, sensor_id: str) -> tuple[bytes, bytes]:
        """The key and the first bytes of a sensor's messages."""
        found = self._heads.get(sensor_id)
        if found is None:
            found = self._heads[sensor_id] = sensor_id.encode(), wire.reading_head(self._schema_id, sensor_id)
        return found

    def _refuse(self, rejection: Rejection) -> web.Response:
        self._meters.refused[rejection.code] += 1
        return replies.problem(rejection)

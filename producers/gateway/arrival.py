"""Bodies on their way in: never more than a limit each, never more than a limit together, never slower than a trickle."""

import asyncio
import contextlib
from collections.abc import Iterator

from aiohttp import web
from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE

from producers.gateway import media
from producers.gateway.verdict import Rejection

PATIENCE_S = 30.0
RATE_MIN_BYTES_PER_S = 2000
"""A body has PATIENCE_S, and for each of these bytes that came a second more: a slow link is no attack."""

HELD_MAX_BYTES = 256 * 1024 * 1024
BUSY_RETRY_S = 5

_THREAD_FROM = 100_000
"""What may become as large as this is unpacked beside the event loop."""


class Arrivals:
    """Reads bodies.

    Args:
        held_max_bytes: of bodies that are still arriving or wait to be judged, together.

    Attributes:
        held_bytes: how many there are now.
    """

    def __init__(self, held_max_bytes: int = HELD_MAX_BYTES, patience_s: float = PATIENCE_S) -> None:
        self.held_bytes = 0
        self._held_max_bytes, self._patience_s = held_max_bytes, patience_s

    async def read(self, request: web.BaseRequest, limit: int) -> bytes | Rejection:
        """The body, decompressed: the checks from the declared length to the size."""
        headers = request.headers
        wrong = media.declared_length(headers.get(CONTENT_LENGTH), limit) or media.media_type(headers.get(CONTENT_TYPE))
        if wrong is not None:
            return wrong
        gzipped = media.content_encoding(headers.get(CONTENT_ENCODING))
        if isinstance(gzipped, Rejection):
            return gzipped
        raw = request.content.read_nowait() if request.content.is_eof() else await self._arrive(request, limit)
        if isinstance(raw, Rejection):
            return raw
        if len(raw) > limit:
            return media.too_large(f"{len(raw)} bytes came", limit)
        return await self._unpack(raw, limit) if gzipped else raw

    @contextlib.contextmanager
    def held(self, body: bytes) -> Iterator[None]:
        """Count a body that waits to be judged."""
        self.held_bytes += len(body)
        try:
            yield
        finally:
            self.held_bytes -= len(body)

    async def _unpack(self, raw: bytes, limit: int) -> bytes | Rejection:
        if limit < _THREAD_FROM:
            return media.gunzip(raw, limit)
        with self.held(raw):
            return await asyncio.to_thread(media.gunzip, raw, limit)

    async def _arrive(self, request: web.BaseRequest, limit: int) -> bytes | Rejection:
        """A body that is still on its way; one byte beyond the limit is enough to stop."""
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        raw = bytearray()
        started_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._patience_s) as patience:
                while len(raw) <= limit and (chunk := await request.content.readany()):
                    raw += chunk
                    self.held_bytes += len(chunk)
                    if self.held_bytes > self._held_max_bytes:
                        return unavailable("too many bodies arrive at once; wait")
                    patience.reschedule(started_s + self._patience_s + len(raw) / RATE_MIN_BYTES_PER_S)
        except TimeoutError:
            allowed = f"{self._patience_s:g} s and one more for each {RATE_MIN_BYTES_PER_S} bytes"
            return Rejection(408, "timeout", None, f"{len(raw)} bytes of the body came in time; expected all within {allowed}")
        except (web.RequestPayloadError, ConnectionError) as error:
            return Rejection(400, "bad_json", None, f"the body broke off: {type(error).__name__}")
        finally:
            self.held_bytes -= len(raw)
        return bytes(raw)


def unavailable(detail: str) -> Rejection:
    return Rejection(503, "unavailable", None, detail, None, BUSY_RETRY_S)

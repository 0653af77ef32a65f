"""What comes in a request's body. A large one is parsed beside the event loop, in pieces."""

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import msgspec
from aiohttp import web

from web.datastore.answers import Refused, detail

P = ParamSpec("P")
T = TypeVar("T")

BODY_MOST = 50 * 1024 * 1024
"""Bytes."""

_SMALL = 1 << 16
"""Bytes that are parsed at once."""

_LARGE_AT_ONCE = 2


class Bodies:
    """Reads bodies; no more than a few large ones are parsed at a time."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def json(self, request: web.Request) -> Any:
        """The JSON in a request; an empty body is an empty object.

        Raises:
            Refused: it is too large (413), of another media type (415) or no JSON (400).
        """
        body = await self.raw(request)
        if not body:
            return {}
        try:
            if len(body) <= _SMALL:
                return msgspec.json.decode(body)
            async with self._room:
                return await asyncio.to_thread(_decoded, body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise detail(400, f"JSON parse error - {error}"[:300]) from error

    async def raw(self, request: web.Request) -> bytes:
        """The bytes of a body that says it is JSON, or none.

        Raises:
            Refused: it is too large (413) or of another media type (415).
        """
        body = await read(request)
        media = request.headers.get("Content-Type", "")
        if body and media.partition(";")[0].strip().lower() != "application/json":
            raise detail(415, f'Unsupported media type "{media[:200]}" in request.')
        return body

    async def beside(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something with a large body in a thread; no more than a few at a time."""
        async with self._room:
            return await asyncio.to_thread(call, *args, **kwargs)


async def read(request: web.Request) -> bytes:
    """The whole body.

    Raises:
        Refused: it is too large (413), or cannot be read (400).
    """
    if (request.content_length or 0) > BODY_MOST:
        raise _too_large()
    parts, length = [], 0
    try:
        async for part in request.content.iter_any():
            length += len(part)
            if length > BODY_MOST:
                raise _too_large()
            parts.append(part)
    except web.RequestPayloadError as error:
        raise detail(400, "The body ends too early, or is not encoded as its headers say; send it again.") from error
    return b"".join(parts)


def _too_large() -> Refused:
    return detail(413, f"The body is larger than {BODY_MOST} bytes; send the records in several requests.")


def _decoded(body: bytes | msgspec.Raw) -> Any:
    """JSON decoded piece by piece, so that the interpreter's lock is free between them."""
    if len(memoryview(body)) <= _SMALL:
        return msgspec.json.decode(body)
    match bytes(memoryview(body)[:200]).lstrip()[:1]:
        case b"[":
            return [_decoded(one) for one in msgspec.json.decode(body, type=list[msgspec.Raw])]
        case b"{":
            return {name: _decoded(one) for name, one in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()}
        case _:
            return msgspec.json.decode(body)

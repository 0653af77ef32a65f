"""aiohttp's connection, with two ways of its own: bodies come compressed as sent, and what is not HTTP gets JSON."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from producers.gateway import replies
from producers.gateway.verdict import Rejection

LINGER_S = 2.0
"""How long the rest of a refused body is read and thrown away, so that the answer arrives."""

KEEPALIVE_S = 120.0


class Connection(web.RequestHandler):
    """One client's connection."""

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what the parser could not read, or what a handler did not catch; the connection closes.

        aiohttp would log the bytes it stumbled over, and a token may stand in them.
        """
        log = structlog.get_logger(__name__)
        if status >= 500:
            log.error("request failed", path=request.path, exc_info=exc)
            rejection = Rejection(500, "unavailable", None, "the gateway failed; try again", None, 5)
        else:
            log.debug("not HTTP", error=type(exc).__name__)
            rejection = Rejection(status, "bad_json", None, "the request is not HTTP as RFC 9112 has it")
        response = replies.problem(rejection)
        response.force_close()
        return response


class Server(web.Server):
    """Makes connections."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(handler)

    def __call__(self) -> Connection:
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # it means none, whatever the hint says
            auto_decompress=False,
            lingering_time=LINGER_S,
            keepalive_timeout=KEEPALIVE_S,
        )

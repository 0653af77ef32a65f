"""aiohttp's connection, with ways of its own: bodies come compressed as sent, what is not HTTP gets JSON, nobody lingers."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import structlog
from aiohttp import web

from producers.gateway import addresses, replies
from producers.gateway.limits import Seldom
from producers.gateway.meters import Meters
from producers.gateway.verdict import Rejection

LINGER_S = 2.0
"""How long the rest of a refused body is read and thrown away, so that the answer arrives."""

KEEPALIVE_S = 120.0
HEAD_S = 15.0
"""How long the head of a request may take."""

UNREAD_S = 60.0
UNREAD_MAX_BYTES = 1024 * 1024
"""How long, and how much, of our answers may wait for a client that does not read them."""

PING_S, SILENT_S = 60.0, 90.0
"""A WebSocket that sent nothing for this long gets a ping; one that still says nothing is a dead peer's."""

PING = b"\x89\x00"

SWEEP_S = 1.0
TURNED_AWAY_MAX = 200
"""Connections beyond the limit that are told so; further ones are cut."""

BUSY_RETRY_S = 30


class Connection(web.RequestHandler):
    """One client's connection.

    Attributes:
        address: of the peer.
        counted: what limits of the peer are kept by; None: it is not limited.
        proxied: the peer is a proxy of ours, and its header names the client.
        front: puts something before the reader of a WebSocket's frames, which from then on gets all that comes.
    """

    __slots__ = (
        "_arrived", "_away", "_frames", "_head_of", "_head_since_s", "_heard", "_heard_s", "_pinged", "_server",
        "_unread_since_s", "address", "counted", "front", "proxied",
    )  # fmt: skip

    def __init__(self, server: "Server", **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._arrived, self._away = False, cast(Rejection | None, None)
        self._head_of, self._head_since_s, self._unread_since_s = -1, 0.0, 0.0
        self.address, self.proxied = "", False
        self.counted: str | None = None
        self.front: Callable[[Any], Any] | None = None
        self._frames: Any = None
        self._heard, self._heard_s, self._pinged = True, 0.0, False

    def arrive(self, transport: asyncio.BaseTransport) -> bool:
        """Count the connection, which may be before its handshake; False: it is one too many."""
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.proxied = addresses.is_trusted(self.address, self._server.trusted)
        self.counted = None if self.proxied else addresses.counted(self.address)
        self._arrived, self._away = True, self._server.came(self)
        return self._away is None

    def leave(self) -> None:
        """Count it no more; a second call does nothing."""
        if self._arrived:
            self._arrived = False
            self._server.went(self, turned_away=self._away is not None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or turn it away."""
        if not self._arrived:
            self.arrive(transport)
        if self._away is None:
            super().connection_made(transport)
            return
        self.transport = cast(asyncio.Transport, transport)
        if self._server.turned_away > TURNED_AWAY_MAX:
            self.transport.abort()
        else:
            self._loop.call_later(LINGER_S, self.transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it no more."""
        self.leave()
        if self._away is None:
            super().connection_lost(exc)
        else:
            self.transport = None

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """From now on it is a WebSocket."""
        if self.front is not None:
            self._frames = parser = self.front(parser)
        super().set_parser(parser, data_received_cb)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the parser, and notice the head of a request that comes in pieces."""
        if self._frames is not None and not self._force_close:  # the short way for what comes most often
            self._heard = True
            if self._frames.feed_data(data)[0]:
                self.close()
            return
        if self._away is not None:
            self._turn_away()
            return
        super().data_received(data)
        waiter = self._waiter
        if waiter is not None and not waiter.done() and self._head_of != self._request_count:
            self._head_of, self._head_since_s = self._request_count, self._loop.time()

    def look(self, now_s: float) -> None:
        """End the connection of a client that sends its head too slowly, or does not read its answers."""
        transport = self.transport
        if transport is None or self._away is not None:
            return
        unread = transport.get_write_buffer_size()
        if not unread:
            self._unread_since_s = 0.0
        elif unread > UNREAD_MAX_BYTES or (self._unread_since_s and now_s - self._unread_since_s > UNREAD_S):
            transport.abort()
            return
        elif not self._unread_since_s:
            self._unread_since_s = now_s
        if self._frames is not None:
            self._listen(transport, now_s)
            return
        waiter = self._waiter
        if waiter is None or waiter.done() or self._head_of != self._request_count:
            return
        if now_s - self._head_since_s > self._server.head_s:
            slow = Rejection(408, "timeout", None, f"the head of a request did not arrive within {self._server.head_s:g} s")
            self._server.refused(slow)
            transport.write(replies.last_words(slow))
            self.force_close()

    def _listen(self, transport: asyncio.Transport, now_s: float) -> None:
        """Ask a WebSocket's peer that is silent whether it is there, and cut one that does not answer."""
        if self._heard:
            self._heard, self._heard_s, self._pinged = False, now_s, False
        elif now_s - self._heard_s >= SILENT_S:
            transport.abort()
        elif now_s - self._heard_s >= PING_S and not self._pinged:
            self._pinged = True
            transport.write(PING)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what the parser could not read, or what a handler did not catch; the connection closes.

        aiohttp would log the bytes it stumbled over, and a token may stand in them.
        """
        log = structlog.get_logger(__name__)
        if isinstance(exc, ConnectionError):
            log.debug("client gone before its answer", error=type(exc).__name__)
            rejection = Rejection(503, "unavailable", None, "the connection has ended", None, 5)
        elif status >= 500:
            log.error("request failed", path=request.path, exc_info=exc)
            rejection = Rejection(500, "unavailable", None, "the gateway failed; try again", None, 5)
        else:
            log.debug("not HTTP", error=type(exc).__name__)
            rejection = Rejection(status, "bad_json", None, "the request is not HTTP as RFC 9112 has it")
        response = replies.problem(rejection)
        response.force_close()
        return response

    def _turn_away(self) -> None:
        """Answer the first bytes of a connection beyond the limit; what else it sends is thrown away until it is cut."""
        transport, self.transport = self.transport, None
        if transport is None or self._away is None:
            return
        transport.write(replies.last_words(self._away))
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()


class Server(web.Server):
    """Makes connections, and counts them.

    Args:
        handler: of requests.
        limits: connections at once, and of one address.
        trusted: our proxies.

    Attributes:
        turned_away: connections beyond the limit that are still open.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        meters: Meters,
        limits: tuple[int, int],
        trusted: addresses.Networks = (),
        head_s: float = HEAD_S,
    ) -> None:
        super().__init__(handler)
        self.trusted, self.head_s, self.turned_away = trusted, head_s, 0
        self._meters, (self._most, self._most_of_one) = meters, limits
        self._of_address: Counter[str] = Counter()
        self._seldom = Seldom()
        self._sweep: asyncio.TimerHandle | None = None

    def __call__(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_S, self._look)
        return Connection(
            self,
            loop=loop,
            access_log=None,
            auto_decompress=False,
            lingering_time=LINGER_S,
            keepalive_timeout=KEEPALIVE_S,
        )

    def came(self, connection: Connection) -> Rejection | None:
        """Count a new connection; a rejection when there are too many."""
        address = connection.counted
        if self._meters.connections >= self._most:
            return self._too_many(connection, "connections", 503, "the gateway has too many connections; wait")
        if address is not None:
            if self._of_address[address] >= self._most_of_one:
                return self._too_many(connection, "connections_of_address", 429, "too many connections from this address; wait")
            self._of_address[address] += 1
        self._meters.connections += 1
        return None

    def went(self, connection: Connection, *, turned_away: bool) -> None:
        """A connection has ended."""
        if turned_away:
            self.turned_away -= 1
            return
        self._meters.connections -= 1
        address = connection.counted
        if address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def refused(self, rejection: Rejection) -> None:
        """Count an answer that no handler gave."""
        self._meters.refused[rejection.code] += 1

    async def shutdown(self, timeout: float | None = None) -> None:
        """Stop looking after connections, and end them."""
        if self._sweep is not None:
            self._sweep.cancel()
        await super().shutdown(timeout)

    def _too_many(self, connection: Connection, kind: str, status: int, detail: str) -> Rejection:
        self.turned_away += 1
        self._meters.limited[kind] += 1
        loop = asyncio.get_running_loop()
        more = self._seldom.more(kind, loop.time())
        if more is not None:
            structlog.get_logger(__name__).warning("connection refused", by=kind, address=connection.address, more=more)
        rejection = Rejection(status, "rate_limited" if status == 429 else "unavailable", None, detail, None, BUSY_RETRY_S)
        self.refused(rejection)
        return rejection

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        open_now: Iterable[Any] = list(self.connections)
        for connection in open_now:
            connection.look(loop.time())
        self._sweep = loop.call_later(SWEEP_S, self._look)

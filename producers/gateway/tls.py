"""The gateway's certificate: loaded at the start, and again whenever its files change."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import cast

import structlog
from aiohttp import web

from infra.certificate import Certificate
from producers.gateway.connection import Connection

LOOK_S = 10.0
HANDSHAKE_S = 10.0
"""How long a client may take to shake hands."""


class Renewing:
    """A TLS context whose certificate follows its files.

    Attributes:
        context: for the server; TLS 1.2 or later.

    Raises:
        ConfigurationError: there is no usable certificate.
    """

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._seen = _marks(certificate)
        self.context = certificate.context()
        self._log = structlog.get_logger(__name__)

    def look(self) -> bool:
        """Take renewed files for connections to come; unusable ones are told and left. Whether they were taken."""
        marks = _marks(self._certificate)
        if marks == self._seen:
            return False
        problem = self._certificate.problem()
        if problem is not None:
            # Perhaps only one of the two files has been written yet: the next look comes soon.
            self._log.warning("renewed certificate not taken, the one before stays in use", reason=problem)
            return False
        try:
            self.context.load_cert_chain(self._certificate.chain, self._certificate.key)
        except (OSError, ssl.SSLError) as error:
            self._log.warning("renewed certificate not taken", reason=str(error))
            return False
        self._seen = marks
        self._log.info("renewed certificate taken", until=self._certificate.until().isoformat())
        return True

    async def follow(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()


class Handshake(asyncio.Protocol):
    """A client that has come and not shaken hands: one connection like any other, for its silence costs a socket as well.

    One too many is cut: to be told why, it would need the handshake, and that is what costs the most.

    Args:
        connection: what it becomes.
        shaking: keeps the work, to end it with the site.
    """

    def __init__(self, connection: Connection, context: ssl.SSLContext, shaking: set[asyncio.Task[None]]) -> None:
        self._connection, self._context, self._shaking = connection, context, shaking

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it, and shake hands."""
        raw = cast(asyncio.Transport, transport)
        # The loop knows who comes only in the plain, and may read before start_tls has taken over: the socket moves on instead.
        client = raw.get_extra_info("socket").dup() if self._connection.arrive(raw) else None
        raw.abort()
        if client is None:
            self._connection.leave()
            return
        task = asyncio.get_running_loop().create_task(self._shake(client))
        self._shaking.add(task)
        task.add_done_callback(self._shaking.discard)

    async def _shake(self, client: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._connection, client, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
            )
        except OSError:  # not TLS, gone, or too slow
            self._connection.leave()
        except BaseException:
            self._connection.leave()
            raise


class Site(web.TCPSite):
    """aiohttp's site, whose connections are counted, and limited in time, before their handshake."""

    async def start(self) -> None:
        """Open the port."""
        await web.BaseSite.start(self)
        server, context = self._runner.server, self._ssl_context
        assert server is not None
        self._shaking: set[asyncio.Task[None]] = set()
        self._server = await asyncio.get_running_loop().create_server(
            server if context is None else lambda: Handshake(cast(Connection, server()), context, self._shaking),
            self._host,
            self._port,
            backlog=self._backlog,
        )

    async def stop(self) -> None:
        """Take no more connections, and leave off what shakes hands still."""
        await super().stop()
        for task in self._shaking:
            task.cancel()


def _marks(certificate: Certificate) -> list[tuple[int, int, int]]:
    found = []
    for path in (certificate.chain, certificate.key):
        try:
            stat = Path(path).stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return found

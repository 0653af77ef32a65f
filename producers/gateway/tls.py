"""The gateway's certificate: loaded at the start, and again whenever its files change."""

import asyncio
import ssl
from pathlib import Path

import structlog
from aiohttp import web

from infra.certificate import Certificate

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


class Site(web.TCPSite):
    """aiohttp's site, with a limit for the handshake."""

    async def start(self) -> None:
        """Open the port."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            server,
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=HANDSHAKE_S if self._ssl_context else None,
        )


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

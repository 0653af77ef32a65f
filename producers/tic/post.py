"""Posts over one connection that is kept, by the standard library: aiohttp would be a sixth of the process's memory."""

import asyncio
import http.client
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import SplitResult

TIMEOUT_S = 60.0
"""Of each step; the log may be slow behind the gateway."""
REPLY_MAX = 1_000_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered."""

    status: int
    text: bytes
    retry_after: str | None


class Poster:
    """Posts to one server. For one task.

    Args:
        url: scheme, host and port; a path stands before that of each post.
        trust: whose certificates count, for https.
    """

    def __init__(self, url: SplitResult, trust: ssl.SSLContext | None, headers: Mapping[str, str]) -> None:
        self._url, self._trust, self._headers = url, trust, headers
        self._kept: http.client.HTTPConnection | None = None

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Post, and read the answer whatever its status.

        Raises:
            OSError: no connection, or a certificate that is not trusted (ssl.SSLCertVerificationError).
            http.client.HTTPException: what came is no answer.
        """
        return await in_thread(lambda: self._post(path, body, headers))

    def close(self) -> None:
        """The connection is closed."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        kept, self._kept = self._kept, None
        if kept is not None:
            try:
                return self._over(kept, path, body, headers)
            except (http.client.HTTPException, OSError):
                kept.close()  # it was idle and the server left: a new one tells whether it is there
        fresh = self._connection()
        try:
            return self._over(fresh, path, body, headers)
        except BaseException:
            fresh.close()
            raise

    def _over(self, connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        connection.request("POST", self._url.path.rstrip("/") + path, body, {**self._headers, **headers})
        response = connection.getresponse()
        text = response.read(REPLY_MAX)
        if response.will_close or not response.isclosed():
            connection.close()
        else:
            self._kept = connection
        return Reply(response.status, text, response.getheader("Retry-After"))

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._trust is None:
            return http.client.HTTPConnection(host, self._url.port, timeout=TIMEOUT_S)
        return http.client.HTTPSConnection(host, self._url.port, timeout=TIMEOUT_S, context=self._trust)


def in_thread(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Do work that waits for the network in a thread that does not hold up the process's end, unlike asyncio.to_thread."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except Exception as error:
            failed = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, result, failed)

    threading.Thread(target=run, name="post", daemon=True).start()
    return done

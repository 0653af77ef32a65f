"""/healthz, /readyz and /metrics of the reader of a line: as infra/health.py answers, by the standard library's own server.

aiohttp would be a sixth of the process's memory. A thread of its own also answers when the event loop does not.
"""

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from infra.errors import PartUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Check = Callable[[], str | None]
"""Answers None when fine, else a sentence that says what is wrong."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10
    """For who connects and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Door:
    """Listens until it is closed.

    Raises:
        PartUnavailable: the port is taken.
    """

    def __init__(self, host: str, port: int, alive: Check, ready: Check) -> None:
        self._checks = {"/healthz": alive, "/readyz": ready}
        try:
            self._server = make_server(host, port, self._answer, _Server, _Quiet)
        except OSError as error:
            raise PartUnavailable(
                f"{host}:{port} cannot be listened on ({error.strerror}); stop what has it, or set POWERMON_TIC_HEALTH_PORT"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, asked: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        path = asked.get("PATH_INFO")
        if path == "/metrics":
            start("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
            return [generate_latest()]
        check = self._checks.get(str(path))
        if check is None:
            return _json(start, "404 Not Found", status="not found", detail="expected /healthz, /readyz or /metrics")
        problem = check()
        if problem is None:
            return _json(start, "200 OK", status="ok")
        return _json(start, "503 Service Unavailable", status="unavailable", detail=problem)


def _json(start: "StartResponse", answer: str, **facts: str) -> Iterable[bytes]:
    start(answer, [("Content-Type", "application/json; charset=utf-8")])
    return [json.dumps(facts).encode()]

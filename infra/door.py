"""This machine's command line at the web server's REST API."""

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from infra.cli.sql import explained, token
from infra.errors import PartUnavailable
from infra.settings import Settings

PATIENCE_S = 60.0
"""A store that was ended is back within this time."""

_ASK_S = 3600.0
_PAUSE_S = 0.5
_NEVER = threading.Event()

Document = dict[str, Any]


class Door:
    """Asks as the operator.

    Args:
        settings: the server's address, and where the operator's token is.
        patience_s: how long a server that does not answer is asked again.

    Raises:
        ConfigurationError: there is no token.
    """

    def __init__(self, settings: Settings, patience_s: float = PATIENCE_S) -> None:
        self._address, self._token, self._patience_s = settings.web, token(settings), patience_s
        # Straight to this machine: a proxy of the environment has no part in it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> Document:
        """Ask; a server that does not answer is asked again for a while."""
        return self._patiently("GET", path, None)

    def post(self, path: str, document: Document | None = None) -> Document:
        """Ask for a change that may be asked for twice."""
        return self._patiently("POST", path, document or {})

    def delete(self, path: str) -> Document:
        """Ask for something to be gone."""
        return self._once("DELETE", path, None)

    def rows(self, sql: str) -> list[Document]:
        """The answer of one reading query; 64-bit integers may come as text."""
        found: list[Document] = self._patiently("POST", "/api/v1/sql", {"sql": sql, "format": "JSON"})["data"]
        return found

    def _patiently(self, method: str, path: str, document: Document | None) -> Document:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return self._once(method, path, document)
            except PartUnavailable:
                if time.monotonic() > deadline:
                    raise
            _NEVER.wait(_PAUSE_S)

    def _once(self, method: str, path: str, document: Document | None) -> Document:
        """One request.

        Raises:
            PartUnavailable: the server does not run, or cannot answer now.
            QueryFailed: it refused; the sentence is its own.
        """
        body = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(f"{self._address}{path}", body, headers, method=method)  # noqa: S310 (a setting)
        try:
            with self._opener.open(request, timeout=_ASK_S) as answer:
                found: Document = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise explained(error) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise PartUnavailable(f"no web server answers at {self._address} ({reason}); start it with `powermon up`") from error

"""The datastore's REST API on a catalog in memory, without the rest of the web server."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.catalog.commands import AddUser, IssueUserToken
from streams.catalog.tokens import hash_of
from tests.fakes.catalog import FakeCatalog
from web.datastore.api import Datastore

BOTH, READ, WRITE, NEITHER, EXPIRED, VIEWER = "tokstr", "tok-read", "tok-write", "tok-none", "tok-old", "tok-viewer"
_SCOPES = {BOTH: "read write", READ: "read", WRITE: "write", NEITHER: "none"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def said(self) -> tuple[int, Any]:
        """Status and body."""
        return self.status, self.json if self.text else None


class Store:
    """The API as an ordinary client sees it; `token` None: without one."""

    def __init__(self, catalog: Any, session: aiohttp.ClientSession, url: str) -> None:
        self.catalog, self.url, self._session = catalog, url, session

    async def __call__(
        self, method: str, path: str, body: Any = None, *, token: str | None = BOTH, data: Any = None, **headers: str
    ) -> Answer:
        """Args:
        path: below /api/v1/, or whole when it begins with a slash.
        body: sent as JSON, when there is one.
        data: sent as it is.
        headers: with _ for -.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            named.setdefault("Authorization", f"Bearer {token}")
        if body is not None:
            named.setdefault("Content-Type", "application/json")
            data = json.dumps(body).encode()
        where = path if path.startswith("/") else f"/api/v1/{path}"
        skipped = [] if "Content-Type" in named else ["Content-Type"]
        async with self._session.request(
            method, self.url + where, data=data, headers=named, skip_auto_headers=skipped, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def get(self, path: str, **more: Any) -> Any:
        """The body of a GET that must succeed."""
        found = await self("GET", path, **more)
        assert found.status == 200, found.text
        return found.json

    async def post(self, path: str, body: Any) -> Any:
        """The body of a POST that must create."""
        made = await self("POST", path, body)
        assert made.status == 201, made.text
        return made.json

    async def project(self, label: str = "ABC", **more: Any) -> dict[str, Any]:
        """A new project of the first owner."""
        made: dict[str, Any] = await self.post("projects/", {"project_id": label, "project_owner": 1, **more})
        return made


@asynccontextmanager
async def datastore(**parts: Any) -> AsyncIterator[Store]:
    """Runs the API with user `demo`, its owner and its tokens.

    Args:
        parts: as of `Datastore`.
    """
    catalog = FakeCatalog(AddUser(name="demo", role="admin", password_hash="$argon2"))
    catalog.add(AddUser(name="eve", role="viewer", password_hash="$argon2"))
    later = catalog.at_ms + 1000
    for token, scope in _SCOPES.items():
        catalog.add(IssueUserToken(name="demo", token_sha256=hash_of(token), scope=scope, expires_at_ms=later))
    catalog.add(IssueUserToken(name="demo", token_sha256=hash_of(EXPIRED), scope="read write", expires_at_ms=catalog.at_ms))
    catalog.add(IssueUserToken(name="eve", token_sha256=hash_of(VIEWER), scope="read write", expires_at_ms=later))
    async with served(catalog, lambda: catalog.at_ms / 1000, **parts) as store:
        yield store


@asynccontextmanager
async def served(catalog: Any, clock: Callable[[], float] = time.time, **parts: Any) -> AsyncIterator[Store]:
    """Runs the API on any catalog.

    Args:
        parts: as of `Datastore`.
    """
    api = Datastore(catalog, clock, **parts)
    app = web.Application(middlewares=[api.guard])
    app.add_routes(api.routes())
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Store(catalog, session, str(server.make_url("")).rstrip("/"))

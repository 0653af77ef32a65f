"""/api/v1/replays: who may ask, and what a refusal looks like."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from infra.errors import NoSuchReplay, PartUnavailable, ReplayRefused
from web.api.replays import ReplaysApi
from web.identity import IDENTITY, Identity

Document = dict[str, Any]


class FakeReplays:
    """One replay, `there`; every other call fails as its name says."""

    def every(self) -> list[Document]:
        return [{"name": "there"}]

    def begin(self, document: Document) -> Document:
        if "name" not in document:
            raise ValueError("this is no plan of a replay")
        return document

    def status(self, name: str) -> Document:
        if name != "there":
            raise NoSuchReplay(f"there is no replay {name}")
        return {"name": name}

    def diff(self, name: str, worst: int) -> Document:
        return {"worst": worst}

    def swap(self, name: str) -> Document:
        raise ReplayRefused("it is live already")

    def undo(self, name: str) -> Document:
        raise PartUnavailable("the sink is away")

    def delete(self, name: str) -> None:
        return None

    def close(self) -> None:
        return None


async def ask(method: str, path: str, who: Identity, **body: Any) -> tuple[int, Document]:
    @web.middleware
    async def as_somebody(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[IDENTITY] = who
        return await handler(request)

    app = web.Application(middlewares=[as_somebody])
    app.add_routes(ReplaysApi(FakeReplays()).routes())
    async with TestClient(TestServer(app)) as client:
        answer = await client.request(method, f"/api/v1/replays{path}", **body)
        return answer.status, await answer.json(content_type=None)


ADMIN = Identity("operator", "admin", frozenset({"read", "write"}), None)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", "", {}, 200, id="all"),
        pytest.param("POST", "", {"json": {"name": "a"}}, 200, id="begin"),
        pytest.param("POST", "", {"json": {}}, 422, id="no plan"),
        pytest.param("POST", "", {"data": "{"}, 422, id="no JSON"),
        pytest.param("GET", "/there", {}, 200, id="status"),
        pytest.param("GET", "/gone", {}, 404, id="status of none"),
        pytest.param("GET", "/there/diff?worst=5", {}, 200, id="diff"),
        pytest.param("GET", "/there/diff?worst=-5", {}, 422, id="diff of a bad number"),
        pytest.param("POST", "/there/swap", {}, 409, id="swap refused"),
        pytest.param("POST", "/there/undo", {}, 503, id="undo now impossible"),
        pytest.param("DELETE", "/there", {}, 200, id="delete"),
    ],
)
async def test_an_administrator(method: str, path: str, body: dict[str, Any], status: int) -> None:
    assert (await ask(method, path, ADMIN, **body))[0] == status


async def test_others_may_not() -> None:
    assert (await ask("GET", "", Identity("eve", "operator", None, None)))[1]["code"] == "role_missing"
    reader = Identity("operator", "admin", frozenset({"read"}), None)
    assert (await ask("GET", "", reader))[0] == 200
    assert (await ask("POST", "/there/swap", reader))[1]["code"] == "scope_missing"

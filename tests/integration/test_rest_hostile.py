"""The REST API under fire, from its own document: any body and any parameter get JSON and no 500."""

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from infra.settings import Settings
from streams.catalog.commands import AddUser, IssueUserToken
from streams.catalog.tokens import hash_of
from tests import hostile
from tests.fakes.website import Website

ADMIN = "pm1_admin-of-the-hostile-test"
ASKED = hostile.examples(1200)
WORDS = (
    "gre000001",
    "ann",
    "x" * 300,
    "%00",
    "\r\nX: 1",
    "..",
    "é",
    "٠" * 6,
    "null",
    "-1",
    "9" * 30,
    "'; DROP",
    "\x7f",
    "a/b",
    " ",
    "1",
    "1-9 x",
    "True",
)


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    running = Website(make_settings())
    running.catalog.add(AddUser(name="boss", role="admin", password_hash="$argon2"))
    scope = "read write admin"
    running.catalog.add(IssueUserToken(name="boss", token_sha256=hash_of(ADMIN), scope=scope, expires_at_ms=4_000_000_000_000))
    yield running
    running.close()


async def test_any_request_of_the_document_and_beside_it(site: Website) -> None:
    rng, statuses = random.Random(5), set()
    async with aiohttp.ClientSession(site.url, headers={"Authorization": f"Bearer {ADMIN}"}) as http:
        async with http.get("/api/v1/openapi.json") as answer:
            paths = (await answer.json())["paths"]
        operations = [
            (method, path, operation)
            for path, methods in paths.items()
            for method, operation in methods.items()
            if method in ("get", "post", "put", "patch", "delete")
            and not path.endswith(("/sql", "/docs", "/test"))  # which asks others
        ]
        seeds = [json.dumps(one).encode() for one in _examples(operations)]
        for body in itertools.islice(hostile.bodies(13, [*seeds, *hostile.VALID]), ASKED):
            method, path, operation = rng.choice(operations)
            for parameter in operation.get("parameters", ()):
                word = quote(rng.choice(WORDS), safe="")
                if parameter["in"] == "path":
                    path = path.replace(f"{{{parameter['name']}}}", word)
                elif rng.random() < 0.5:
                    path += f"{'&' if '?' in path else '?'}{parameter['name']}={word}"
            kinds = ("application/json", "application/json", "application/json", "text/csv", "text/plain", "x")
            async with (
                asyncio.timeout(20),
                http.request(
                    method, path, data=body if method != "get" else None, headers={"Content-Type": rng.choice(kinds)}
                ) as answer,
            ):
                text = await answer.text()
            statuses.add(answer.status)
            assert answer.status < 500, (method, path, body[:300], text)
            if answer.status >= 400:
                found = json.loads(text)
                assert found["code"] if "problem" in answer.content_type else found, (method, path, text)
                assert ADMIN not in text
            if path.startswith("/api/v1/users"):
                assert "boss" in site.catalog.state.users
    assert {200, 204, 404, 415, 422} <= statuses


def _examples(operations: list[Any]) -> Iterator[Any]:
    yield {"sensor_id": "gre000009", "units": "base", "zone": "Europe/Paris", "thresholds": {"sag_pct": 88}, "days": 5}
    yield {"name": "eve", "role": "viewer", "scope": "read", "days": 3}
    yield {"zone": "Asia/Seoul", "address": "here", "name": "mill"}
    yield {"project_id": "ABC", "project_owner": 1, "zipcode": "91104", "baseline_period_end": "2012-01-01T00:00Z"}
    yield [{"project_project_id": "ABC", "interpretation": "E_C_S", "unit": "KWH", "label": None, "value": 1}]
    yield {"name": "k", "display_name": "K", "data_type": "FLOAT", "project": 1, "key": 1, "float_value": 1.5, "projects": [1]}
    for _, _, operation in operations:
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if isinstance(content.get("example"), dict):
                yield content["example"]

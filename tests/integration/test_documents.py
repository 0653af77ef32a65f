"""Both OpenAPI documents as they are read by a program that did not write them: what they allow is asked, what comes must fit.

No answer is a 5xx but a 503 or 504 that the document names, and status, media type, headers and body are the document's.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infra.settings import Settings
from producers.gateway import app
from producers.gateway.doors import DOCUMENT
from schemas.registry import Registry
from streams.catalog.commands import AddUser, IssueToken, IssueUserToken, RegisterSensor
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView
from tests.fakes.website import Website

EXAMPLES = int(os.environ.get("POWERMON_SCHEMATHESIS_EXAMPLES", "4"))
"""Requests of each operation."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ADMIN, SENSOR, TOKEN = "pm1_admin-of-the-documents-test", "documents000001", "pm1_sensor-of-the-documents-test"
END_MS = 4_000_000_000_000


def ask_everything(
    document: dict[str, Any], url: str, token: str, *, leave: tuple[str, ...] = (), own: dict[str, str] | None = None
) -> set[tuple[str, int]]:
    """Ask every operation what its description allows; each operation and status that came.

    Args:
        leave: ends of paths that are not asked.
        own: members that a body gets instead of its own.
    """
    schema = schemathesis.openapi.from_dict(document)
    came: set[tuple[str, int]] = set()
    with requests.Session() as session:
        operations = [found.ok() for found in schema.get_all_operations()]
        # New tokens retire the one that the others are asked with.
        for operation in sorted(operations, key=lambda one: one.path.endswith(("/boot", "/token"))):
            if operation.path.endswith(leave):
                continue
            statuses = _ask(operation, url, {"Authorization": f"Bearer {token}"}, session, own or {})
            came |= {(operation.label, status) for status in statuses}
    return came


def _ask(operation: Any, url: str, headers: dict[str, str], session: requests.Session, own: dict[str, str]) -> set[int]:
    statuses = set()

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if isinstance(case.body, dict):
            case.body |= {name: value for name, value in own.items() if name in case.body}
        answer = case.call(base_url=url, session=session, headers=headers, timeout=20)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS[1:] if answer.status_code in (503, 504) else CHECKS)

    ask()
    return statuses


@pytest.fixture
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    running = Website(make_settings())
    running.catalog.add(AddUser(name="boss", role="admin", password_hash="$argon2"))
    scope = "read write admin"
    running.catalog.add(IssueUserToken(name="boss", token_sha256=hash_of(ADMIN), scope=scope, expires_at_ms=END_MS))
    yield running
    running.close()


def test_the_rest_api_answers_as_its_document_says(site: Website) -> None:
    document = requests.get(f"{site.url}/api/v1/openapi.json", timeout=20).json()
    came = ask_everything(document, site.url, ADMIN, leave=("/sql",))
    assert {label for label, _ in came} == {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
        if not path.endswith("/sql")
    }
    assert {200, 404, 422} <= {status for _, status in came}


@pytest.fixture
async def gateway(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> AsyncIterator[str]:
    settings = make_settings(kafka_bootstrap=kafka, registry_url=registry, gateway_rate_per_s=100_000, gateway_burst=100_000)
    view = CatalogView(kafka, Registry(settings.registry, settings.schema_cache))
    await view.ready(20)
    if SENSOR not in view.state.sensors:
        await view.submit(RegisterSensor(sensor_id=SENSOR, secret_sha256=hash_of(TOKEN)))
        digest = hash_of(TOKEN)
        await view.submit(
            IssueToken(sensor_id=SENSOR, token_sha256=digest, issued_at_ms=0, expires_at_ms=END_MS, refresh_at_ms=END_MS)
        )
    serving = await app.start(settings)
    try:
        await serving.ready(20)
        yield serving.address
    finally:
        await serving.stop()
        await view.close()


async def test_the_gateway_answers_as_its_document_says(gateway: str) -> None:
    came = await asyncio.to_thread(
        ask_everything, DOCUMENT, gateway, TOKEN, own={"sensor_id": SENSOR, "token": TOKEN, "secret": TOKEN}
    )
    asked = {label for label, _ in came}
    assert asked == {
        f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods if method != "parameters"
    }
    assert {("POST /powermon/boot", 200), ("POST /powermon/data", 422)} <= came
    assert {200, 401, 426} <= {status for _, status in came}

"""Tokens for any sensor by the operator's right on this machine: whoever may write the log may issue them."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from infra.errors import TokenRefused
from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog.commands import IssueToken, RegisterSensor
from streams.catalog.tokens import RANDOM_BYTES, hash_of, make_secret, make_token
from streams.catalog.view import view_of

LIFE_MS = 7 * 86_400_000
READY_S = 10.0
SETTLE_S = 0.3
"""A gateway knows a new token as soon as its own view has read it, some tens of milliseconds later."""


@asynccontextmanager
async def operator_tokens(settings: Settings, actor: str) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """A function that gives a fresh token for a sensor id, which it registers first if nobody has.

    Args:
        actor: who stands in the catalog as the one who asked.

    Raises:
        PartUnavailable: Kafka or the registry does not answer.
        TokenRefused: by the function: the catalog said no, as for a revoked sensor.
    """
    view = view_of(settings, Registry(settings.registry, settings.schema_cache))

    async def token_for(sensor_id: str) -> str:
        if sensor_id not in view.state.sensors:
            secret = make_secret(secrets.token_bytes(RANDOM_BYTES))
            # Another process may win the race to register: its verdict "exists" is as good as ours.
            registered = await view.submit(RegisterSensor(sensor_id=sensor_id, secret_sha256=hash_of(secret)), actor=actor)
            if not registered.accepted and registered.code != "sensor_exists":
                raise TokenRefused(registered.detail)
        token, now_ms = make_token(secrets.token_bytes(RANDOM_BYTES)), time.time_ns() // 1_000_000
        issued = await view.submit(
            IssueToken(
                sensor_id=sensor_id,
                token_sha256=hash_of(token),
                issued_at_ms=now_ms,
                expires_at_ms=now_ms + LIFE_MS,
                refresh_at_ms=now_ms + LIFE_MS // 2,
            ),
            actor=actor,
        )
        if not issued.accepted:
            raise TokenRefused(issued.detail)
        await asyncio.sleep(SETTLE_S)
        return token

    try:
        await view.ready(READY_S)
        yield token_for
    finally:
        await view.close()

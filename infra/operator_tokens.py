"""Tokens for any sensor by the operator's right on this machine: whoever may write the log may issue them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from infra.errors import TokenRefused
from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog.admin import grants
from streams.catalog.commands import RegisterSensor
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView, view_of

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
    try:
        await view.ready(READY_S)
        yield token_source(view, actor)
    finally:
        await view.close()


def token_source(view: CatalogView, actor: str) -> Callable[[str], Awaitable[str]]:
    """The same function on a view that has caught up."""

    async def token_for(sensor_id: str) -> str:
        if sensor_id not in view.state.sensors:
            secret = grants.new_secret()
            # Another process may win the race to register: its verdict "exists" is as good as ours.
            registered = await view.submit(RegisterSensor(sensor_id=sensor_id, secret_sha256=hash_of(secret)), actor=actor)
            if not registered.accepted and registered.code != "sensor_exists":
                raise TokenRefused(registered.detail)
        token, command = grants.for_sensor(sensor_id, time.time_ns() // 1_000_000)
        issued = await view.submit(command, actor=actor)
        if not issued.accepted:
            raise TokenRefused(issued.detail)
        await asyncio.sleep(SETTLE_S)
        return token

    return token_for

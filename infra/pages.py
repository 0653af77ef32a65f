"""The role `web`: pages, REST API, and the replays asked for there, beside a ClickHouse server."""

from infra.settings import Settings
from schemas.registry import Registry
from sinks.replays import Replays
from web import server


async def run(settings: Settings) -> None:
    """Run until cancelled.

    Raises:
        ConfigurationError: the port is taken.
    """
    registry = Registry(settings.registry, settings.schema_cache)
    await server.run(settings, lambda store: Replays(settings, store, registry))

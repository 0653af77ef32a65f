"""The role `web`: pages, REST API, the replays asked for there, and the notifier, beside a ClickHouse server."""

from functools import partial

from infra import notify
from infra.settings import Settings
from schemas.registry import Registry
from sinks.replays import Replays
from streams.catalog.view import CatalogView
from web import server


async def run(settings: Settings) -> None:
    """Run until cancelled.

    Raises:
        ConfigurationError: the port is taken.
    """
    registry = Registry(settings.registry, settings.schema_cache)

    def tell(view: CatalogView) -> partial[None]:
        return partial(notify.end, notify.beside(settings, view, registry))

    await server.run(settings, lambda store: Replays(settings, store, registry), tell)

"""The role `store`: sink, rebuilder and web server in one process, because one process owns the embedded engine's folder."""

import asyncio

from infra import notify
from infra.settings import Settings
from schemas.registry import Registry
from sinks.replays import Replays
from sinks.service import make, opened, problem, run_members, stalled
from sinks.source_feed import sourced
from streams.catalog.limits import CatalogLimits
from streams.catalog.view import view_of
from web.server import create_app, serve
from web.site import Beside


async def run(settings: Settings) -> None:
    """Run all three until cancelled.

    Raises:
        ConfigurationError: the tables do not fit this build, the folder is in use, or the port is taken.
    """
    store = await opened(settings)
    registry = Registry(settings.registry, settings.schema_cache)
    view, replays = view_of(settings, registry), Replays(settings, store, registry)
    try:
        members = make(settings, store, sourced(view), CatalogLimits(view).known if settings.anomalies else None)
        beside = Beside(lambda: problem(members), lambda: stalled(members))
        runner = await serve(create_app(settings, store, view, beside=beside, replays=replays), settings)
        notifier = notify.beside(settings, view, registry)
        try:
            await run_members(members)
        finally:
            await runner.cleanup()
            await asyncio.to_thread(replays.close)
            await asyncio.to_thread(notify.end, notifier)
    finally:
        await view.close()
        store.close()

"""The notifier beside the web server: whom to tell from its catalog, texts from its languages."""

import asyncio
from collections.abc import Sequence

import structlog

from infra.errors import PowermonError
from infra.settings import Settings
from schemas.registry import Registry
from sinks.hosted import Hosted
from sinks.notify.audience import Audience
from sinks.notify.notifier import Notifier
from streams.catalog.commands import SwitchOffReceiver
from streams.catalog.state import Receiver, State
from streams.catalog.view import CatalogView
from streams.core.notices.quiet import Span
from streams.core.notices.rules import Place, Rules
from web.notices import speak, zone_of
from web.receivers import Vault

_ASK_S = 10.0

log = structlog.get_logger(__name__)


class FromView:
    """The catalog of a view, which lives on the event loop that runs now, for the notifier's thread."""

    def __init__(self, view: CatalogView, vault: Vault, hold_s: float) -> None:
        self._view, self._vault, self._hold_s = view, vault, hold_s
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self, sources: Sequence[str]) -> Audience | None:
        """Everybody who is to be told, and where sources stand."""

        async def read() -> Audience | None:
            return audience(self._view.state, sources, self._hold_s) if self._view.caught_up else None

        try:
            return asyncio.run_coroutine_threadsafe(read(), self._loop).result(_ASK_S)
        except TimeoutError:
            return None

    def open(self, receiver: Receiver) -> dict[str, str]:
        """Where a receiver is, and what opens it."""
        return self._vault.open(receiver)

    def switch_off(self, receiver_id: str, reason: str) -> None:
        """Asked of the catalog beside everything else; if it does not hear it, the receiver says 410 once more."""

        async def submit() -> None:
            try:
                await self._view.submit(SwitchOffReceiver(receiver_id=receiver_id, reason=reason), actor="notifier")
            except PowermonError as error:
                log.warning("a receiver could not be switched off", receiver=receiver_id, reason=str(error))

        def start() -> None:
            task = self._loop.create_task(submit())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(start)


def audience(state: State, sources: Sequence[str], hold_s: float) -> Audience:
    """What the catalog says of receivers, and of where sources stand."""
    return Audience(
        {name: (one, rules_of(one, hold_s)) for name, one in state.receivers.items()}, {s: place_of(state, s) for s in sources}
    )


def rules_of(receiver: Receiver, hold_s: float) -> Rules:
    """What a receiver wants."""
    return Rules(
        rules=frozenset(receiver.rules),
        severity=receiver.severity,
        sensors=frozenset(receiver.sensors),
        sites=frozenset(receiver.sites),
        quiet=tuple(span for one in receiver.quiet if (span := _span(one)) is not None),
        zone=zone_of(receiver),
        severe_passes=receiver.severe_passes,
        per_hour=receiver.per_hour,
        enabled=receiver.off is None,
        hold_s=hold_s,
    )


def _span(text: str) -> Span | None:
    """A quiet time; None for what another release wrote: better told than not."""
    try:
        return Span.parse(text)
    except ValueError:
        return None


def place_of(state: State, source: str) -> Place:
    """Where a sensor or meter stands."""
    sensor = state.sensors.get(source)
    if sensor is None:
        return Place()
    site = state.sites.get(sensor.site)
    return Place(sensor.site, site.name if site else "", sensor.owner)


def beside(settings: Settings, view: CatalogView, registry: Registry) -> Hosted | None:
    """Start the notifier in a thread of its own: whatever becomes of it, this process goes on. None: it is not wanted."""
    if not settings.notifications:
        return None
    catalog = FromView(view, Vault(settings.registry_key), settings.notify_hold_s)
    return Hosted("notifier", lambda: Notifier(settings, registry, catalog, speak))


def end(notifier: Hosted | None) -> None:
    """Stop it, and wait until it has. Blocks; not on the loop of its view."""
    if notifier is not None:
        notifier.stop()
        notifier.join()

"""/receivers: who is told of anomalies, how, and what became of the messages. Changes go to the REST API, by a script."""

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from streams.catalog.admin.fields import EXPECTED
from streams.catalog.commands import PutReceiver
from streams.catalog.state import Receiver
from web.deliveries import Deliveries, DeliveryLog, Look
from web.identity import IDENTITY, Catalog, Identity
from web.language import LANGUAGES, current
from web.meter_pages import Shell
from web.notices import zone_of
from web.receivers import OF_CHANNEL
from web.view import anomaly
from web.view import receivers as view

_KIND = "anomalies"
"""The place of the frame these pages belong to."""


class ReceiverPages:
    """Everything /receivers holds; as the REST API, for administrators alone.

    Args:
        log: what became of messages.
        shell: answers with a page without a document on the server.
        on: whether anomalies are looked for.
    """

    def __init__(self, catalog: Catalog, log: DeliveryLog, shell: Shell, *, on: bool) -> None:
        self._catalog, self._log, self._shell, self._on = catalog, log, shell, on

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/receivers", self.every),
            web.get("/receivers/new", self.new),
            web.get("/receivers/{receiver_id}", self.show),
        ]

    async def every(self, request: web.Request) -> web.Response:
        """All receivers, by id, each with its last message."""
        if not may_look(request[IDENTITY]):
            return self._not_for(request)
        look = await self._log.look()
        found = sorted(self._catalog.state.receivers.values(), key=lambda one: one.receiver_id)
        rows = [view.listed(one, _of(look, one).newest, zone_of(one)) for one in found]
        return self._page(request, "receivers.html", rows=rows, look=look)

    async def new(self, request: web.Request) -> web.Response:
        """The form that makes a receiver; `channel` in the address says how it is told."""
        if not may_look(request[IDENTITY]):
            return self._not_for(request)
        asked = request.query.get("channel", "")
        channel = asked if asked in OF_CHANNEL else "webhook"
        said = PutReceiver(receiver_id="", channel=channel, address="", zone=self._zone(), language=current().code)  # type: ignore[arg-type]
        fresh = Receiver(**msgspec.structs.asdict(said), changed_at_ms=0)
        return self._form(request, fresh, made=False)

    async def show(self, request: web.Request) -> web.Response:
        """One receiver, and what it was told."""
        if not may_look(request[IDENTITY]):
            return self._not_for(request)
        name = request.match_info["receiver_id"]
        found = self._catalog.state.receivers.get(name)
        if found is None:
            return self._shell("no_receiver.html", request[IDENTITY], status=404, kind=_KIND, asked=name[:64])
        look = await self._log.look()
        own, zone = _of(look, found), zone_of(found)
        messages = [view.told(one, zone) for one in own.newest]
        return self._form(request, found, made=True, look=look, messages=messages, counts=view.counts(own.states))

    def _form(self, request: web.Request, receiver: Receiver, *, made: bool, **values: Any) -> web.Response:
        sites = {name: site.name or name for name, site in sorted(self._catalog.state.sites.items())}
        choices: dict[str, Sequence[tuple[str, str]]] = {
            "severity": list(view.SEVERITIES.items()),
            "language": list(LANGUAGES.items()),
        }
        return self._page(
            request,
            "receiver.html",
            one=receiver,
            made=made,
            channels=view.CHANNELS,
            rules=anomaly.RULES,
            sites=sites,
            choices=choices,
            expected=EXPECTED,
            quiet=view.quiet(receiver),
            **values,
        )

    def _zone(self) -> str:
        """That of most sensors: who adds a receiver is mostly in the same house."""
        state = self._catalog.state
        zones = [state.zone_of(one) for one in state.sensors.values()]
        return max(sorted(set(zones)), key=zones.count, default="UTC")

    def _page(self, request: web.Request, file: str, **values: Any) -> web.Response:
        identity = request[IDENTITY]
        return self._shell(file, identity, kind=_KIND, may=identity.may("admin"), on=self._on, **values)

    def _not_for(self, request: web.Request) -> web.Response:
        return self._shell("no_receiver.html", request[IDENTITY], status=403, kind=_KIND, asked=None)


def may_look(identity: Identity) -> bool:
    """Whether receivers are shown to somebody."""
    return identity.role == "admin" and identity.may("read")


def _of(look: Look, receiver: Receiver) -> Deliveries:
    return (look.of or {}).get(receiver.receiver_id, Deliveries())

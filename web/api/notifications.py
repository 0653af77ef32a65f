"""/api/v1/notifications: who is told of anomalies, how, and when not."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from streams.catalog.admin import fields
from streams.catalog.commands import RemoveReceiver
from streams.catalog.state import Receiver
from web.api import schemas
from web.api.operation import NO_STORE, Operation, Refused, members, page, settle
from web.identity import IDENTITY, Catalog
from web.receivers import Vault, command, facts

_TAG = "notifications"
_ALL = "/api/v1/notifications"
_ONE = f"{_ALL}/{{receiver_id}}"
_EXAMPLE = {"channel": "webhook", "url": "https://example.com/powermon", "severity": "warning", "quiet": ["22:00-07:00"]}

TryOut = Callable[[Receiver], Awaitable[dict[str, object]]]
"""Sends a receiver a test message; what became of it."""


class NotificationsApi:
    """The door for receivers.

    Args:
        vault: seals what opens them.
    """

    def __init__(self, catalog: Catalog, vault: Vault, try_out: TryOut) -> None:
        self._catalog, self._vault, self._try_out = catalog, vault, try_out

    def operations(self) -> list[Operation]:
        one, unknown = {200: schemas.answer("The receiver as it is now.", "Receiver")}, {404: "unknown_receiver"}
        return [
            Operation(
                *("GET", _ALL, _TAG, "All receivers, by id", self.every, "admin", "read"),
                parameters=schemas.PAGING,
                answers={200: schemas.listing("receivers", "Receiver")},
            ),
            Operation("GET", _ONE, _TAG, "One receiver", self.show, "admin", "read", answers=one, errors=unknown),
            Operation(
                *("PUT", _ONE, _TAG, "Make a receiver, or change it", self.put, "admin", "admin"),
                description="What is not named stays. One that was switched off is told again. Its secret is never given back. "
                "With the header `If-None-Match: *` it is only made, never changed.",
                body=schemas.body("ReceiverChange", _EXAMPLE),
                answers={200: schemas.answer("`secret`, when one was made, is shown only here.", "ReceiverWithSecret")},
                errors={412: "receiver_exists", 422: "unknown_site, and whatever a member is not"},
            ),
            Operation(
                *("DELETE", _ONE, _TAG, "Remove a receiver", self.remove, "admin", "admin"),
                description="What it was not told yet, it never will be.",
                answers={204: {"description": "Removed."}},
                errors=unknown,
            ),
            Operation(
                *("POST", f"{_ONE}/test", _TAG, "Send a test message now", self.test, "admin", "admin"),
                answers={200: schemas.answer("What became of it.", "ReceiverTest")},
                errors=unknown,
            ),
        ]

    async def every(self, request: web.Request) -> web.Response:
        found = sorted(self._catalog.state.receivers.values(), key=lambda one: one.receiver_id)
        return page(request).answer("receivers", found, facts)

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(facts(self._receiver(request)))

    async def put(self, request: web.Request) -> web.Response:
        said, name = await members(request), request.match_info["receiver_id"]
        if request.headers.get("If-None-Match") == "*" and name in self._catalog.state.receivers:
            raise Refused(412, "receiver_exists", f"there is a receiver {name} already; choose another id", field="receiver_id")
        wanted, secret = command(name, said, self._catalog.state, self._vault)
        settle(await self._catalog.submit(wanted, actor=request[IDENTITY].name), fields={"unknown_site": "sites"})
        shown = {} if secret is None else {"secret": secret}
        return web.json_response({**facts(self._receiver(request)), **shown}, headers=NO_STORE)

    async def remove(self, request: web.Request) -> web.Response:
        name = self._receiver(request).receiver_id
        settle(await self._catalog.submit(RemoveReceiver(receiver_id=name), actor=request[IDENTITY].name))
        return web.Response(status=204)

    async def test(self, request: web.Request) -> web.Response:
        await members(request, ())
        return web.json_response(await self._try_out(self._receiver(request)))

    def _receiver(self, request: web.Request) -> Receiver:
        name = request.match_info["receiver_id"]
        found = self._catalog.state.receivers.get(name)
        if found is None:
            raise Refused(404, "unknown_receiver", f"there is no receiver {fields.shown(name)}; PUT makes it")
        return found

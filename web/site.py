"""What one web server holds, and its pages."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from bokeh.document import Document

from infra.errors import PartUnavailable, PowermonError
from infra.settings import Settings
from sinks.clickhouse import ClickHouse
from web import assets
from web.auth import Auth, problem
from web.feed import Feed
from web.fleet import Fleet
from web.html import NONCE, new_nonce, page
from web.identity import COOKIE, IDENTITY, Catalog, Identity, by_session
from web.language import current, speaking
from web.meter_pages import MeterPages
from web.pages.live import LivePage
from web.plots import Build, Plots
from web.sensor_source import SensorSource
from web.sessions import Sessions
from web.view import fleet as fleet_view
from web.view import minutes

_DEFAULT_HOURS = 1


@dataclass(frozen=True, slots=True)
class Beside:
    """How the other work of a process is doing: None, or what is wrong with it.

    Attributes:
        problem: it does not do its work now.
        stalled: it never will; the process should start anew.
    """

    problem: Callable[[], str | None] = lambda: None
    stalled: Callable[[], str | None] = lambda: None


class Site:
    """Everything one web server holds.

    Args:
        clock: UTC seconds.
        beside: what else runs in this process.
    """

    def __init__(self, settings: Settings, db: ClickHouse, catalog: Catalog, clock: Callable[[], float], beside: Beside) -> None:
        self.settings, self.db, self.catalog, self.clock, self.beside = settings, db, catalog, clock, beside
        self.sessions = Sessions(settings.data / "web-sessions.json")
        self.auth = Auth(catalog, self.sessions, clock)
        self.meters = MeterPages(db, lambda: catalog.state, self._plotted, self.shell, clock)
        self.fleet = Fleet(db, lambda: catalog.state, clock, self.meters.meters)
        self.feed = Feed(SensorSource(db, self.fleet.zone, self.fleet.newest, self.fleet.contract_w), clock)
        self.plots = Plots({"live": self._framed(self._build_live), "meter": self._framed(self.meters.build)})
        self.boot = secrets.token_hex(8)
        self._frames: dict[str, dict[str, object]] = {}

    # ---- pages

    async def live(self, request: web.Request) -> web.Response:
        """The live page; `sensor` and `hours` reopen the same view."""
        identity = request[IDENTITY]
        entries = [entry for entry in await self.fleet.entries() if entry.kind == "power"]
        asked = request.query.get("sensor", "").strip().lower()
        hours = next((h for h in minutes.HOURS if str(h) == request.query.get("hours")), _DEFAULT_HOURS)
        sensor_id = asked or fleet_view.first(entries, self.clock())
        if asked and not self.fleet.knows(asked):
            with contextlib.suppress(PowermonError):  # heard of since the list was made
                await self.fleet.newest(asked)
        if sensor_id is None and await self.meters.meters.entries():
            raise web.HTTPSeeOther("/meters")
        if sensor_id is None or not self.fleet.knows(sensor_id):
            return self.shell("empty.html", identity, status=404 if asked else 200, asked=asked)
        await self.feed.prepare(sensor_id, hours)
        arguments = {"sensor": sensor_id, "hours": str(hours)}
        return await self._plotted("live", identity, arguments, sensor_id=sensor_id, hours=hours, all_hours=minutes.HOURS)

    def _build_live(self, document: Document, arguments: dict[str, str]) -> None:
        LivePage(document, self.feed, arguments["sensor"], int(arguments["hours"]), self.fleet.knows)

    async def _plotted(self, name: str, identity: Identity, arguments: dict[str, str], **values: object) -> web.Response:
        """A page around plots.

        Args:
            arguments: for what builds its document.
            values: for its template.
        """
        nonce = new_nonce()
        # Not in the request: that is logged and kept in the page.
        self._frames[nonce] = {**self._frame(identity, nonce), **values}
        try:
            text = await self.plots.page(name, {**arguments, "nonce": nonce, "language": current().code})
        except PartUnavailable as error:
            return problem(503, "unavailable", str(error))
        finally:
            del self._frames[nonce]
        answer = web.Response(text=text, content_type="text/html", charset="utf-8")
        answer[NONCE] = nonce
        return answer

    def _framed(self, build: Build) -> Build:
        def framed(document: Document, arguments: dict[str, str]) -> None:
            document.template_variables.update(self._frames.get(arguments["nonce"], {}))
            with speaking(arguments["language"]):
                build(document, arguments)

        return framed

    def shell(self, file: str, identity: Identity, /, *, status: int = 200, **values: object) -> web.Response:
        """A page without a document on the server."""
        nonce = new_nonce()
        answer = page(file, status=status, **self._frame(identity, nonce), **values)
        answer[NONCE] = nonce
        return answer

    def _frame(self, identity: Identity, nonce: str) -> dict[str, object]:
        csrf = identity.session.csrf if identity.session else ""
        return {"user": identity.name, "csrf": csrf, "nonce": nonce, "boot": self.boot, "versioned": assets.versioned}

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """A page's connection to its plots."""
        name = "meter" if request.path.startswith("/meters") else "live"
        identity = request[IDENTITY]
        origin = request.headers.get("Origin")
        if identity.session is None or origin is None or urlsplit(origin).netloc.lower() != request.host.lower():
            return problem(403, "other_origin", "plots are for pages of this server, opened by somebody signed in")
        cookie = request.cookies.get(COOKIE)
        return await self.plots.websocket(
            request, name, lambda: by_session(self.sessions, self.catalog.state, cookie, self.clock()) is not None
        )

    # ---- health

    async def alive(self) -> str | None:
        return self.feed.crashed() or self.meters.feed.crashed() or self.beside.stalled()

    async def ready(self) -> str | None:
        if (trouble := self.catalog.problem() or self.beside.problem()) is not None:
            return trouble
        try:
            async with asyncio.timeout(3):
                await self.db.run(self.db.rows, "SELECT 1")
        except (PartUnavailable, TimeoutError) as error:
            return f"ClickHouse does not answer: {error}"
        return None

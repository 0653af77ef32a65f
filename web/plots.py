"""The Bokeh server, in this event loop but reachable only through ours.

It listens on a socket file in a private folder; pages and their WebSockets go through `web.server`, which
has checked who asks. See docs/decisions/0004-one-address-for-bokeh-and-rest.md.
"""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, UnixConnector, WSMsgType, web
from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import Server
from bokeh.settings import settings as bokeh_settings
from tornado.ioloop import IOLoop

from infra.errors import PartUnavailable

Build = Callable[[Document, dict[str, str]], None]
PREFIX = "/bokeh"
_MESSAGE_MAX = 4 << 20
_WELCOME_S = 10
"""How often an open connection is asked whether its session still lasts."""


class Plots:
    """The Bokeh documents behind our pages.

    Args:
        builders: by page name: fills a new document, given the page's arguments.
    """

    def __init__(self, builders: dict[str, Build]) -> None:
        self._builders = builders
        self._log = structlog.get_logger(__name__)

    async def start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="powermon-web-"))  # mode 0700
        bokeh_settings.perform_document_validation.set_value(False)  # a fifth of a page's CPU; tests build the same documents
        socket = self._folder / "bokeh.sock"
        for chatty in ("bokeh", "tornado.access"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        applications = {f"/{name}": Application(FunctionHandler(self._modifier(build))) for name, build in self._builders.items()}
        self._server = Server(
            applications,
            io_loop=IOLoop.current(),
            unix_socket=str(socket),
            prefix=PREFIX,
            use_index=False,
            # Only our proxy gets here, and it has compared the origin; what it passes on has none.
            allow_websocket_origin=["localhost"],
            websocket_max_message_size=_MESSAGE_MAX,
            keep_alive_milliseconds=20_000,
            check_unused_sessions_milliseconds=5_000,
            unused_session_lifetime_milliseconds=15_000,
            stats_log_frequency_milliseconds=3_600_000,
            mem_log_frequency_milliseconds=0,
        )
        self._server.start()
        self._client = ClientSession(connector=UnixConnector(str(socket), limit=0), timeout=ClientTimeout(total=15))

    async def close(self) -> None:
        await self._client.close()
        self._server.stop()
        await asyncio.sleep(0)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def page(self, name: str, arguments: dict[str, str]) -> str:
        """The HTML of a new page.

        Raises:
            PartUnavailable: the Bokeh server does not answer.
        """
        try:
            async with self._client.get(f"http://bokeh{PREFIX}/{name}", params=arguments) as answer:
                text = await answer.text()
                if answer.status == 200:
                    return text
        except (OSError, TimeoutError) as error:
            raise PartUnavailable(f"the plots' server does not answer: {error!r}; load the page again") from error
        raise PartUnavailable(f"the plots' server answered {answer.status}; load the page again")

    async def websocket(self, request: web.Request, name: str, welcome: Callable[[], bool]) -> web.WebSocketResponse:
        """Pass a page's WebSocket on, both ways, until either side ends it or its owner is not welcome any more."""
        protocols = [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if p.strip()]
        if len(protocols) != 2 or protocols[0] != "bokeh":
            raise web.HTTPNotFound
        outer = web.WebSocketResponse(protocols=["bokeh"], heartbeat=30, max_msg_size=_MESSAGE_MAX, compress=False)
        await outer.prepare(request)
        try:
            inner = await self._client.ws_connect(
                f"http://bokeh{PREFIX}/{name}/ws", protocols=protocols, max_msg_size=0, autoclose=True, compress=0
            )
        except (OSError, TimeoutError):
            await outer.close(code=1013)
            return outer
        both = [asyncio.create_task(_pass_on(outer, inner)), asyncio.create_task(_pass_on(inner, outer))]
        try:
            done: set[asyncio.Task[None]] = set()
            while not done and welcome():
                done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED, timeout=_WELCOME_S)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            await inner.close()
            await outer.close()
        return outer

    @staticmethod
    def _modifier(build: Build) -> Callable[[Document], None]:
        def modify(document: Document) -> None:
            request: Any = getattr(document.session_context, "request", None)
            arguments: dict[str, list[bytes]] = request.arguments
            build(document, {name: values[0].decode() for name, values in arguments.items() if values})

        return modify


Socket = web.WebSocketResponse | ClientWebSocketResponse


async def _pass_on(source: Socket, target: Socket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)

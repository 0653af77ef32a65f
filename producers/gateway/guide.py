"""What is there: the list, its description for programs and people."""

from collections.abc import Awaitable, Callable
from html import escape

from aiohttp import web

from infra import openapi
from producers.gateway.doors import DOCUMENT

_FRAME = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'>"
    "<title>Powermon gateway</title><style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;"
    "margin:2rem auto;padding:0 1rem}li{margin:.5rem 0}code{font-weight:600}</style><h1>Powermon gateway</h1>"
    "<p>Sensors post here. <a href='/powermon/docs'>How, door by door</a>; "
    "for programs: <a href='/powermon/openapi.json'>OpenAPI</a>.</p><ul>%s</ul></html>"
)
_NO_SCRIPT = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "X-Content-Type-Options": "nosniff"}

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def doors() -> list[dict[str, str]]:
    """Method, path and a few words on each door."""
    return [
        {"method": method.upper(), "path": path, "summary": operation["summary"]}
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]


async def index(request: web.BaseRequest) -> web.Response:
    """GET / and /powermon/: the list; as a page for a browser."""
    if "text/html" in request.headers.get("Accept", ""):
        lines = (f"<li><code>{escape(d['method'])} {escape(d['path'])}</code><br>{escape(d['summary'])}" for d in doors())
        return _page(_FRAME % "".join(lines))
    answer = {"service": "powermon gateway", "documentation": "/powermon/docs", "openapi": "/powermon/openapi.json"}
    return web.json_response({**answer, "doors": doors()}, headers={"Vary": "Accept"})


async def description(_: web.BaseRequest) -> web.Response:
    """GET /powermon/openapi.json."""
    return web.json_response(DOCUMENT)


async def documentation(_: web.BaseRequest) -> web.Response:
    """GET /powermon/docs."""
    return _page(openapi.page(DOCUMENT, address="/powermon/openapi.json"))


def _page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers=_NO_SCRIPT | {"Vary": "Accept"})


ROUTES: dict[str, Answer] = {
    "/": index,
    "/powermon": index,
    "/powermon/openapi.json": description,
    "/powermon/docs": documentation,
}

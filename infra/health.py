"""/healthz, /readyz and /metrics: the same three answers on every role."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[str | None]]
"""Answers None when fine, else a sentence that says what is wrong."""


def routes(alive: Check, ready: Check) -> list[web.RouteDef]:
    """The three routes, to be added to a role's aiohttp application."""

    async def healthz(_: web.Request) -> web.Response:
        return _answer(await alive())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(await ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]


def _answer(problem: str | None) -> web.Response:
    if problem is None:
        return web.json_response({"status": "ok"})
    return web.json_response({"status": "unavailable", "detail": problem}, status=503)


async def serve(host: str, port: int, alive: Check, ready: Check) -> web.AppRunner:
    """Serve only the three routes, for roles that have no other door. The caller cleans the runner up."""
    app = web.Application()
    app.add_routes(routes(alive, ready))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner

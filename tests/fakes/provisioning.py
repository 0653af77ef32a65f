"""The doors of the fake gateway where a sensor gets its token and the time."""

import time
from typing import Any, Protocol

from aiohttp import web

URLS = {
    name: f"/powermon/{path}" for name, path in (("data", "data"), ("batch", "data/batch"), ("time", "time"), ("token", "token"))
}
SETTINGS = {"post_interval_s": 1, "samples_per_second": 20, "time_sync_interval_s": 86_400, "batch_max_seconds": 600}


class Catalog(Protocol):
    """What the doors need of a gateway."""

    secrets: dict[str, str]
    tokens: dict[str, str]
    disabled: set[str]

    def issue(self, sensor_id: str) -> str: ...


def routes(catalog: Catalog) -> list[web.RouteDef]:
    """POST boot, token and time."""

    async def boot(request: web.Request) -> web.Response:
        t1 = _now_ms()
        body = await request.json()
        if (refused := _secret(catalog, body)) is not None:
            return refused
        times = {"t0": body.get("t0"), "t1": t1, "t2": _now_ms()}
        return web.json_response(
            _token(catalog, body["sensor_id"]) | {"host": "", "urls": URLS, "settings": SETTINGS, "time": times}
        )

    async def token(request: web.Request) -> web.Response:
        body = await request.json()
        if "token" in body:
            if catalog.tokens.get(body["token"]) != body["sensor_id"]:
                return _problem(401, "token_invalid")
        elif (refused := _secret(catalog, body)) is not None:
            return refused
        return web.json_response(_token(catalog, body["sensor_id"]))

    async def ask_time(request: web.Request) -> web.Response:
        t1 = _now_ms()
        body = await request.json()
        return web.json_response({"t0": body["t0"], "t1": t1, "t2": _now_ms()})

    return [web.post("/powermon/boot", boot), web.post("/powermon/token", token), web.post("/powermon/time", ask_time)]


def _secret(catalog: Catalog, body: dict[str, Any]) -> web.Response | None:
    sensor_id = body["sensor_id"]
    if body.get("secret") != catalog.secrets.get(sensor_id, object()):
        return _problem(401, "token_invalid")
    return _problem(403, "sensor_disabled") if sensor_id in catalog.disabled else None


def _token(catalog: Catalog, sensor_id: str) -> dict[str, Any]:
    token = catalog.issue(sensor_id)
    older = [known for known, owner in catalog.tokens.items() if owner == sensor_id]
    for retired in older[:-2]:
        del catalog.tokens[retired]
    return {"token": token, "token_type": "Bearer", "expires_in": 604_800, "refresh_after": 302_400}


def _problem(status: int, code: str) -> web.Response:
    return web.json_response({"status": status, "code": code}, status=status, content_type="application/problem+json")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

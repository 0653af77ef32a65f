"""/api/v1/sensors: register, look at one, change, revoke, new secrets and tokens."""

import time
from collections.abc import Callable

from aiohttp import web

from streams.catalog.admin import fields, grants
from streams.catalog.admin.corrected import corrected
from streams.catalog.admin.facts import Document, iso, sensor_facts
from streams.catalog.commands import RegisterSensor, RenewSecret, RevokeSensor
from streams.catalog.tokens import hash_of
from streams.core.energy import local_day
from web.api import schemas
from web.api.operation import NO_STORE, Operation, Refused, days, members, settle
from web.identity import IDENTITY, Catalog

_TAG = "sensors"
_ONE = "/api/v1/sensors/{sensor_id}"
_SITE = {"unknown_site": "site"}


class RegistrationApi:
    """The door for what operators say of sensors.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, catalog: Catalog, clock: Callable[[], float] = time.time) -> None:
        self._catalog, self._clock = catalog, clock

    def operations(self) -> list[Operation]:
        facts = {200: schemas.answer("The sensor as it is now.", "Sensor")}
        unknown = {404: "unknown_sensor"}
        return [
            Operation(
                *("POST", "/api/v1/sensors", _TAG, "Register a sensor", self.register, "operator", "write"),
                description="The answer holds the secret for the device's flash, this once.",
                body=schemas.body("NewSensor", {"sensor_id": "gre000001", "zone": "Europe/Paris", "owner": "Mill AG"}),
                answers={201: schemas.answer("Registered; `secret` is shown only here.", "SensorWithSecret")},
                errors={409: "sensor_exists", 422: "unknown_site, and whatever a member is not"},
            ),
            Operation("GET", _ONE, _TAG, "One sensor", self.show, answers=facts, errors=unknown),
            Operation(
                *("PATCH", _ONE, _TAG, "Change a sensor", self.change, "operator", "write"),
                description="What is not named stays. `thresholds` are named one by one; null takes one away. `tariff` and "
                "`contracted_power_w` hold from `valid_from` on; without it they correct the newest ones for all their days, so "
                "that bills of earlier months change, too: `note` says so.",
                body=schemas.body("SensorChange", {"site": "plant-1", "thresholds": {"sag_pct": 88, "old": None}}),
                answers={200: schemas.answer("The sensor as it is now.", "SensorChanged")},
                errors={404: "unknown_sensor", 422: "unknown_site, and whatever a member is not"},
            ),
            Operation(
                *("POST", f"{_ONE}/revoke", _TAG, "End a sensor's secret and tokens", self.revoke, "operator", "write"),
                description="At once. A sensor that is revoked already stays so.",
                answers=facts,
                errors=unknown,
            ),
            Operation(
                *("POST", f"{_ONE}/secret", _TAG, "Give a sensor another secret", self.renew, "operator", "write"),
                description="The old secret and all its tokens stop working at once; a revoked sensor comes back.",
                answers={200: schemas.answer("`secret` is shown only here.", "SensorWithSecret")},
                errors=unknown,
            ),
            Operation(
                *("POST", f"{_ONE}/tokens", _TAG, "Issue a token for a sensor's posts", self.issue, "operator", "write"),
                description="A sensor has two live tokens at most; a third retires the oldest.",
                body=schemas.body("TokenLife", {"days": 7}, required=False),
                answers={201: schemas.answer("`token` is shown only here.", "SensorToken")},
                errors={404: "unknown_sensor", 409: "sensor_disabled"},
            ),
        ]

    async def register(self, request: web.Request) -> web.Response:
        secret = grants.new_secret()
        command = fields.command(RegisterSensor, await members(request), secret_sha256=hash_of(secret))
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name), fields=_SITE)
        headers = {**NO_STORE, "Location": f"/api/v1/sensors/{command.sensor_id}"}
        return web.json_response({**self._facts(command.sensor_id), "secret": secret}, status=201, headers=headers)

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self._facts(_id(request)))

    async def change(self, request: web.Request) -> web.Response:
        name, said = _id(request), await members(request)
        self._facts(name)  # an unknown sensor comes before what is said of it
        known = self._catalog.state.sensors[name]
        command = fields.change_of_sensor(name, said, dict(known.thresholds))
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name), fields=_SITE)
        state = self._catalog.state
        today = local_day(state.zone_of(known), self._clock())
        note = corrected(known, state.sensors[name], today) if name in state.sensors else None
        told = {} if note is None else {"note": f"{note}; name valid_from, as {note.next_month}, to change it from a day on"}
        return web.json_response({**self._facts(name), **told})

    async def revoke(self, request: web.Request) -> web.Response:
        name = _id(request)
        await members(request, ())
        self._facts(name)
        settle(await self._catalog.submit(RevokeSensor(sensor_id=name), actor=request[IDENTITY].name))
        return web.json_response(self._facts(name))

    async def renew(self, request: web.Request) -> web.Response:
        name, secret = _id(request), grants.new_secret()
        await members(request, ())
        self._facts(name)
        command = RenewSecret(sensor_id=name, secret_sha256=hash_of(secret))
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name))
        return web.json_response({**self._facts(name), "secret": secret}, headers=NO_STORE)

    async def issue(self, request: web.Request) -> web.Response:
        name = _id(request)
        life = days(await members(request, ("days",)), grants.DAYS_MOST)
        self._facts(name)
        token, command = grants.for_sensor(name, int(self._clock() * 1000), life)
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name))
        document = {
            "sensor_id": name,
            "token": token,
            "refresh_at": iso(command.refresh_at_ms),
            "expires_at": iso(command.expires_at_ms),
        }
        return web.json_response(document, status=201, headers=NO_STORE)

    def _facts(self, name: str) -> Document:
        state = self._catalog.state
        sensor = state.sensors.get(name)
        if sensor is None:
            raise Refused(
                404, "unknown_sensor", f"sensor {fields.shown(name)} is not registered; POST /api/v1/sensors registers it"
            )
        return sensor_facts(state, sensor)


def _id(request: web.Request) -> str:
    return request.match_info["sensor_id"].lower()

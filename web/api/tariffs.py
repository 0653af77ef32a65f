"""/api/v1/tariffs: prices and calendars, each version valid from a day on."""

from aiohttp import web

from streams import tariffs as built_in
from streams.catalog.admin import fields
from streams.catalog.admin.documents import tariff_document
from streams.catalog.admin.facts import Document, tariff_facts, tariff_version
from streams.catalog.commands import PutTariff, RemoveTariff
from streams.catalog.state import Tariff
from streams.core.tariff.check import fault
from streams.core.tariff.plan import plans
from web.api import schemas
from web.api.operation import Operation, Refused, page, settle
from web.identity import IDENTITY, Catalog

_TAG = "tariffs"
_ONE = "/api/v1/tariffs/{tariff_id}"
_VERSION = f"{_ONE}/{{day}}"
_PLANS = {
    "type": "object",
    "required": ["plans"],
    "properties": {"plans": {"type": "array", "items": {"type": "string"}}},
}


class TariffsApi:
    """The door for tariffs."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def operations(self) -> list[Operation]:
        version, unknown = {200: schemas.answer("One version.", "TariffVersion")}, {404: "unknown_tariff"}
        return [
            Operation(
                *("GET", "/api/v1/tariffs", _TAG, "All tariffs, by id", self.every),
                parameters=schemas.PAGING,
                answers={200: schemas.listing("tariffs", "Tariff")},
                description=f"Without those that are built in and were not changed: {', '.join(built_in.BUILT_IN)}.",
            ),
            Operation(
                *("GET", "/api/v1/tariff-plans", _TAG, "What sensors can be billed by", self.plans),
                description="Every class and option of every tariff, built in or not, as a sensor's `tariff` takes it.",
                answers={
                    200: {
                        "description": "By tariff.",
                        "content": {"application/json": {"schema": _PLANS}},
                    }
                },
            ),
            Operation(
                *("GET", _ONE, _TAG, "The version valid on a day", self.on),
                parameters=(schemas.query("on", "a day as 2026-01-31; without it the newest version", "date"),),
                answers=version,
                errors=unknown,
            ),
            Operation("GET", _VERSION, _TAG, "The version that begins on a day", self.show, answers=version, errors=unknown),
            Operation(
                *("PUT", _VERSION, _TAG, "Set a tariff from a day on", self.put, "admin", "admin"),
                description="The body is the tariff itself, a JSON object. The same day again replaces.",
                body={"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
                answers=version,
                errors={422: "bad_document, and whatever the id or the day is not"},
            ),
            Operation(
                *("DELETE", _VERSION, _TAG, "Remove one version", self.remove, "admin", "admin"),
                description="What was valid before goes on.",
                answers={204: {"description": "Removed."}},
                errors=unknown,
            ),
        ]

    async def every(self, request: web.Request) -> web.Response:
        found = sorted(self._catalog.state.tariffs.values(), key=lambda tariff: tariff.tariff_id)
        return page(request).answer("tariffs", found, tariff_facts)

    async def plans(self, _: web.Request) -> web.Response:
        texts = {name: built_in.text(name) for name in built_in.BUILT_IN}
        texts |= {name: tariff.versions[-1][1] for name, tariff in self._catalog.state.tariffs.items()}
        return web.json_response({"plans": [plan for name, text in sorted(texts.items()) for plan in plans(name, text)]})

    async def on(self, request: web.Request) -> web.Response:
        tariff, day = self._tariff(request), request.query.get("on")
        if day is not None and not fields.is_day(day):
            raise fields.FieldError("on", "out_of_range", f"on={day[:20]} came; expected {fields.EXPECTED['valid_from']}")
        first = next((first for first, _ in reversed(tariff.versions) if day is None or first <= day), "")
        if not first and tariff.tariff_id in built_in.BUILT_IN:
            tariff, first = _built_in(tariff.tariff_id), built_in.first_day(tariff.tariff_id)
        return web.json_response(_version(tariff, first))

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(_version(self._tariff(request), request.match_info["day"]))

    async def put(self, request: web.Request) -> web.Response:
        named = {"tariff_id": request.match_info["tariff_id"], "valid_from": request.match_info["day"]}
        fields.command(PutTariff, {**named, "document": "{}"})
        document = tariff_document(await request.read())
        if (wrong := fault(document)) is not None:
            raise fields.FieldError("document", "bad_document", wrong)
        command = fields.command(PutTariff, {**named, "document": document})
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name))
        return web.json_response(_version(self._tariff(request), command.valid_from))

    async def remove(self, request: web.Request) -> web.Response:
        tariff, day = self._tariff(request), request.match_info["day"]
        _version(tariff, day)
        settle(await self._catalog.submit(RemoveTariff(tariff_id=tariff.tariff_id, valid_from=day), actor=request[IDENTITY].name))
        return web.Response(status=204)

    def _tariff(self, request: web.Request) -> Tariff:
        name = request.match_info["tariff_id"]
        tariff = self._catalog.state.tariffs.get(name)
        if tariff is None and request.method == "GET" and name in built_in.BUILT_IN:
            return _built_in(name)
        if tariff is None:
            raise Refused(404, "unknown_tariff", f"there is no tariff {fields.shown(name)}; PUT /api/v1/tariffs/ID/DAY sets one")
        return tariff


def _built_in(tariff_id: str) -> Tariff:
    return Tariff(tariff_id, ((built_in.first_day(tariff_id), built_in.text(tariff_id)),))


def _version(tariff: Tariff, day: str) -> Document:
    version = tariff_version(tariff, day)
    if version is None:
        begin = ", ".join(first for first, _ in tariff.versions)
        raise Refused(404, "unknown_tariff", f"tariff {tariff.tariff_id} has no such version; its versions begin on {begin}")
    return version

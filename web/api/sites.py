"""/api/v1/sites: places with a time zone."""

from aiohttp import web

from streams.catalog.admin import fields
from streams.catalog.admin.facts import Document, site_facts
from streams.catalog.commands import PutSite, RemoveSite
from web.api import schemas
from web.api.operation import Operation, Refused, members, page, settle
from web.identity import IDENTITY, Catalog

_TAG = "sites"
_ONE = "/api/v1/sites/{site_id}"


class SitesApi:
    """The door for sites."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def operations(self) -> list[Operation]:
        facts, unknown = {200: schemas.answer("The site as it is now.", "Site")}, {404: "unknown_site"}
        return [
            Operation(
                *("GET", "/api/v1/sites", _TAG, "All sites, by id", self.every),
                parameters=(schemas.query("q", "part of the id, name or address"), *schemas.PAGING),
                answers={200: schemas.listing("sites", "Site")},
            ),
            Operation("GET", _ONE, _TAG, "One site", self.show, answers=facts, errors=unknown),
            Operation(
                *("PUT", _ONE, _TAG, "Make a site, or change it", self.put, "operator", "write"),
                body=schemas.body("SiteFacts", {"zone": "Europe/Paris", "name": "Plant 1"}),
                answers=facts,
                errors={422: "whatever a member is not"},
            ),
            Operation(
                *("DELETE", _ONE, _TAG, "Remove a site", self.remove, "operator", "write"),
                answers={204: {"description": "Removed."}},
                errors={404: "unknown_site", 409: "site_in_use: a sensor stands there"},
            ),
        ]

    async def every(self, request: web.Request) -> web.Response:
        wanted, part = request.query.get("q", "")[:200].casefold(), page(request)
        state = self._catalog.state
        found = [
            site
            for _, site in sorted(state.sites.items())
            if any(wanted in text.casefold() for text in (site.site_id, site.name, site.address))
        ]
        return part.answer("sites", found, lambda site: site_facts(state, site))

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self._facts(request.match_info["site_id"]))

    async def put(self, request: web.Request) -> web.Response:
        said = await members(request, ("zone", "name", "address"))
        command = fields.command(PutSite, {"site_id": request.match_info["site_id"], **said})
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name))
        return web.json_response(self._facts(command.site_id))

    async def remove(self, request: web.Request) -> web.Response:
        name = request.match_info["site_id"]
        self._facts(name)
        settle(await self._catalog.submit(RemoveSite(site_id=name), actor=request[IDENTITY].name))
        return web.Response(status=204)

    def _facts(self, name: str) -> Document:
        state = self._catalog.state
        site = state.sites.get(name)
        if site is None:
            raise Refused(404, "unknown_site", f"there is no site {fields.shown(name)}; PUT makes it")
        return site_facts(state, site)

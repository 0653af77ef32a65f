"""The whole REST API of the datastore."""

from collections.abc import Callable, Sequence

from aiohttp import web

from web.datastore import document, partners
from web.datastore.answers import Document, answer
from web.datastore.body import Bodies
from web.datastore.door import BASE, Door, Endpoint
from web.datastore.partner_tokens import PartnerTokens
from web.datastore.ports import Meter, TraceRecords
from web.datastore.registry import RegistryApi
from web.datastore.resource import Resource, ResourceApi
from web.datastore.resources import PLAIN
from web.datastore.runs import RunsApi
from web.datastore.traces import TracesApi
from web.identity import Catalog

ROOT = (
    *("projects", "project_owners", "project_blocks", "project_attribute_keys", "project_attributes"),
    *("consumption_metadatas", "consumption_records", "project_runs", "project_results", "registry/connections"),
)
"""The resources that `GET /api/v1/` names."""


class Datastore:
    """Every route of the datastore, and the middleware that takes its requests past the other doors.

    Args:
        catalog: users, tokens and the datastore's objects.
        clock: UTC seconds.
        bodies: made here when None; for those who make endpoints of their own.
        records: keeps the records of traces; None: traces have none.
        tokens: of registry connections; made here when None, and good for this process alone.
        meter: computes runs; None: there are no runs and no results.
        endpoints: further ones.
    """

    def __init__(
        self,
        catalog: Catalog,
        clock: Callable[[], float],
        *,
        bodies: Bodies | None = None,
        records: TraceRecords | None = None,
        tokens: PartnerTokens | None = None,
        meter: Meter | None = None,
        endpoints: Sequence[Endpoint] = (),
    ) -> None:
        bodies, tokens = bodies or Bodies(), tokens or PartnerTokens()
        plain = [*PLAIN, partners.resource(catalog, tokens)]
        apis = [*(ResourceApi(one, catalog, bodies) for one in plain), TracesApi(catalog, bodies, records)]
        if meter is not None:
            apis.append(RunsApi(catalog, bodies, meter))
        self.resources: list[Resource] = [one.resource for one in apis]
        self.endpoints: list[Endpoint] = [
            Endpoint(BASE, {"GET": _root}, scoped=False),
            *(endpoint for api in apis for endpoint in api.endpoints()),
            *RegistryApi(catalog, tokens, meter).endpoints(),
            *endpoints,
        ]
        self._door = Door(catalog, self.endpoints, clock)
        self.guard = self._door.guard
        self.routes = self._door.routes

    def described(self) -> tuple[Document, Document]:
        """Paths and schemas of the OpenAPI document."""
        return document.paths(self.resources, self.endpoints), document.components(self.resources)


async def _root(request: web.Request) -> web.StreamResponse:
    base = f"{request.scheme}://{request.host}{BASE}"
    return answer({name: f"{base}{name}/" for name in ROOT})

"""/project_results/, /project_savings/ and /project_models/: what runs found. Clients read and remove; only the meter writes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from aiohttp import web

from streams.catalog.datastore.energy_commands import RemoveResult
from streams.catalog.datastore.entries import Run
from web.datastore import filters
from web.datastore.answers import Document, answer, not_found
from web.datastore.door import BASE, Endpoint
from web.datastore.filters import Filter, pk_of, selected
from web.identity import IDENTITY, Catalog

_FILTERS: Mapping[str, Filter] = {"project": filters.same_pk("project"), "projects": filters.projects("project")}


class Results(Protocol):
    """Where results are kept; as MeterLog."""

    async def results(self, runs: Sequence[int]) -> list[Document]: ...
    async def savings(self, runs: Sequence[int]) -> list[Document]: ...
    async def models(self, runs: Sequence[int]) -> list[Document]: ...


class ResultsApi:
    """The door of results. A result has the primary key of its run, which it does not name."""

    def __init__(self, catalog: Catalog, kept: Results) -> None:
        self._catalog, self._kept = catalog, kept

    def endpoints(self) -> list[Endpoint]:
        results, savings = f"{BASE}project_results/", f"{BASE}project_savings/"
        about = {"GET": "What runs found", "DELETE": "Show a result no more; its run stays"}
        saved = {"GET": "What each run says was saved, in kWh: baseline minus reporting, with half-widths"}
        modelled = {
            "GET": "Each model of each run: over which time, or the reasons why there is none; and what is to be known of it"
        }
        return [
            Endpoint(results, {"GET": self.every}, about=about, filters=tuple(_FILTERS)),
            Endpoint(f"{results}{{pk}}/", {"GET": self.show, "DELETE": self.remove}, about=about),
            Endpoint(savings, {"GET": self.savings}, about=saved, filters=tuple(_FILTERS)),
            Endpoint(f"{BASE}project_models/", {"GET": self.models}, about=modelled, filters=tuple(_FILTERS)),
        ]

    async def every(self, request: web.Request) -> web.StreamResponse:
        return answer(await self._kept.results(self._shown(request)))

    async def show(self, request: web.Request) -> web.StreamResponse:
        return answer(await self._one(request))

    async def remove(self, request: web.Request) -> web.StreamResponse:
        found = await self._one(request)
        outcome = await self._catalog.submit(RemoveResult(pk=found["id"]), actor=request[IDENTITY].name)
        if not outcome.accepted:
            raise not_found()
        return web.Response(status=204)

    async def savings(self, request: web.Request) -> web.StreamResponse:
        return answer(await self._kept.savings(self._shown(request)))

    async def models(self, request: web.Request) -> web.StreamResponse:
        return answer(await self._kept.models(self._shown(request)))

    def _shown(self, request: web.Request) -> list[int]:
        """The runs whose results a list may show."""
        fits = selected(_FILTERS, self._catalog.state, request.query)
        return [run.pk for run in self._catalog.state.runs.values() if _may_show(run) and fits(run)]

    async def _one(self, request: web.Request) -> Document:
        """The result a path names.

        Raises:
            Refused: 404.
        """
        pk = pk_of(request.match_info["pk"])
        run = None if pk is None else self._catalog.state.runs.get(pk)
        found = await self._kept.results([run.pk]) if run is not None and _may_show(run) else []
        if not found:
            raise not_found()
        return found[0]


def _may_show(run: Run) -> bool:
    return not run.result_removed

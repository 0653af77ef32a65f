"""A resource of the datastore: one table of fields, and the five things that can be done with its objects."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from streams.catalog.datastore.entries import DatastoreTable
from streams.catalog.outcome import Outcome
from streams.catalog.state import State
from web.datastore import fields
from web.datastore.answers import Document, Invalid, Refused, answer, detail, json_list, listed, not_found
from web.datastore.body import Bodies
from web.datastore.door import BASE, Answer, Endpoint
from web.datastore.fields import Field, Query, check, on
from web.datastore.filters import Filter, pk_of, selected
from web.datastore.sync import Sync, synced
from web.identity import IDENTITY, Catalog

Say = Callable[[State, Any, Query, bool], Document]
"""An object as an answer; the last tells whether the answer is to a write."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of objects.

    Attributes:
        name: its path below /api/v1.
        about: what one is, as a sentence.
        table: of the state.
        create, change, remove: commands; None: not offered.
        filters: by parameter of the query.
        flags: parameters of the query that change the form of answers, and what each does.
        say: None: as the fields say it.
        made_up: what a creation gets besides what the body says, by column.
        sync: None: there is none.
    """

    name: str
    about: str
    table: DatastoreTable
    fields: tuple[Field, ...]
    create: Callable[..., Any] | None
    change: Callable[..., Any] | None
    remove: Callable[..., Any] | None
    filters: Mapping[str, Filter] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    say: Say | None = None
    made_up: Callable[[], dict[str, Any]] = dict
    sync: Sync | None = None

    def document(self, state: State, entry: Any, query: Query, *, wrote: bool = False) -> Document:
        """An object as answers hold it."""
        return fields.document(self.fields, entry, query) if self.say is None else self.say(state, entry, query, wrote)

    def asked(self, query: Query) -> tuple[Field, ...]:
        """The fields that a body has, under the flags of a query."""
        return tuple(one for one in self.fields if not on(query, one.unless))


class ResourceApi:
    """The door of one resource."""

    def __init__(self, resource: Resource, catalog: Catalog, bodies: Bodies) -> None:
        self.resource = resource
        self.catalog, self.bodies = catalog, bodies

    def endpoints(self) -> list[Endpoint]:
        resource = self.resource
        path = f"{BASE}{resource.name}/"
        one: dict[str, Answer] = {"GET": self.show}
        if resource.change is not None:
            one |= {"PUT": self.put, "PATCH": self.patch}
        if resource.remove is not None:
            one["DELETE"] = self.remove
        every: dict[str, Answer] = {"GET": self.every}
        if resource.create is not None:
            every["POST"] = self.add
        found = [Endpoint(path, every), Endpoint(f"{path}{{pk}}/", one)]
        if resource.sync is not None:
            found.append(Endpoint(f"{path}sync/", {"POST": self.sync}))
        return found

    @property
    def state(self) -> State:
        return self.catalog.state

    async def every(self, request: web.Request) -> web.StreamResponse:
        return await self.answer_all(self.found(request.query), request.query)

    async def show(self, request: web.Request) -> web.StreamResponse:
        return await self.answer_one(self.entry(request), request.query)

    async def add(self, request: web.Request) -> web.StreamResponse:
        body = await self.bodies.json(request)
        said = check(self.resource.asked(request.query), self.state, body)
        return await self.answer_one(await self.create(request, said), request.query, 201, wrote=True)

    async def put(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, partial=False)

    async def patch(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, partial=True)

    async def remove(self, request: web.Request) -> web.StreamResponse:
        assert self.resource.remove is not None
        await self.submit(request, self.resource.remove(pk=self.entry(request).pk))
        return web.Response(status=204)

    async def sync(self, request: web.Request) -> web.StreamResponse:
        assert self.resource.sync is not None
        records = await self.bodies.json(request)
        well, said = await synced(self.resource.sync, self.catalog, records, request[IDENTITY].name)
        return json_list(said, 200 if well else 400)

    # ---- what these are made of

    def found(self, query: Query) -> list[Any]:
        """The entries that a list's filters select, by rising primary key."""
        fits = selected(self.resource.filters, self.state, query)
        return [entry for entry in getattr(self.state, self.resource.table).values() if fits(entry)]

    def entry(self, request: web.Request) -> Any:
        """The object a path names.

        Raises:
            Refused: 404.
        """
        pk = pk_of(request.match_info["pk"])
        found = None if pk is None else getattr(self.state, self.resource.table).get(pk)
        if found is None:
            raise not_found()
        return found

    async def answer_one(self, entry: Any, query: Query, status: int = 200, *, wrote: bool = False) -> web.StreamResponse:
        return answer(self.resource.document(self.state, entry, query, wrote=wrote), status)

    async def answer_all(self, entries: Sequence[Any], query: Query) -> web.StreamResponse:
        return json_list(await listed(entries, lambda entry: self.resource.document(self.state, entry, query)))

    async def create(self, request: web.Request, said: Mapping[str, Any]) -> Any:
        """The new object's entry."""
        assert self.resource.create is not None
        outcome = await self.submit(request, self.resource.create(**{**self.resource.made_up(), **said}))
        return outcome.entry

    async def submit(self, request: web.Request, command: Any) -> Outcome:
        """What the catalog makes of a command.

        Raises:
            Refused: it did not accept it.
        """
        outcome = await self.catalog.submit(command, actor=request[IDENTITY].name)
        if not outcome.accepted:
            raise refusal(outcome, self.resource.fields)
        return outcome

    async def _change(self, request: web.Request, *, partial: bool) -> web.StreamResponse:
        assert self.resource.change is not None
        entry = self.entry(request)
        body = await self.bodies.json(request)
        asked = self.resource.asked(request.query)
        said = check(asked, self.state, body, change=True, partial=partial, own=entry.pk)
        if said:
            entry = (await self.submit(request, self.resource.change(pk=entry.pk, **said))).entry
        return await self.answer_one(entry, request.query, wrote=True)


def refusal(outcome: Outcome, known: Iterable[Field]) -> Refused:
    """The answer to what the catalog refused."""
    if outcome.code == "not_found":
        return not_found()
    if outcome.field is None:
        return detail(400, outcome.detail)
    name = next((one.name for one in known if one.of == outcome.field), outcome.field)
    return Invalid({name: [outcome.detail]})

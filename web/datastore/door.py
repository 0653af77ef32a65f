"""Who may come in, and which method of a path is theirs: 401, then 403, then the rest."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from infra.errors import PartUnavailable
from web.api.operation import ROLES
from web.datastore import answers
from web.datastore.answers import Refused, answer, detail
from web.identity import IDENTITY, Catalog, by_bearer

BASE = "/api/v1/"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITER = ROLES.index("operator")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path, with and without a slash at its end.

    Attributes:
        path: ends in a slash; `{pk}` stands for a primary key.
        methods: what answers each.
        scoped: whether a token needs a scope for it.
        signed: whether it needs a token of ours.
        about: what it is, by method, for the document; of a resource's own paths the document knows.
        filters: parameters of the query that select.
    """

    path: str
    methods: Mapping[str, Answer]
    scoped: bool = True
    signed: bool = True
    about: Mapping[str, str] = field(default_factory=dict)
    filters: tuple[str, ...] = ()


class Door:
    """The way to every endpoint.

    Args:
        catalog: users and tokens.
        clock: UTC seconds.
    """

    def __init__(self, catalog: Catalog, endpoints: Sequence[Endpoint], clock: Callable[[], float]) -> None:
        self._catalog, self._clock = catalog, clock
        self._ours: dict[object, Endpoint] = {}
        self._endpoints = endpoints

    def routes(self) -> list[web.RouteDef]:
        """The routes, the more special path first."""
        found = []
        for one in sorted(self._endpoints, key=lambda endpoint: ("{" in endpoint.path, endpoint.path)):
            handler = self._handler(one)
            self._ours[handler] = one
            found.append(web.route("*", one.path.removesuffix("/") + "{slash:/?}", handler))
        return found

    @property
    def guard(self) -> Middleware:
        """Takes the datastore's requests, and those to nowhere below /api/v1, past the other doors."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            found = request.match_info
            if found.handler in self._ours:
                return await found.handler(request)
            if found.http_exception is not None and found.http_exception.status == 404 and request.path.startswith(BASE):
                return await self._nowhere(request)
            return await handler(request)

        return guard

    def _handler(self, one: Endpoint) -> Answer:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                await self._catalog.catch_up()  # what another server was answered is known here too
                if not self._catalog.caught_up:  # what is not there may stand in what is not read yet
                    raise detail(503, f"Not ready yet: {self._catalog.problem()}", {"Retry-After": "1"})
                if one.signed:
                    self._check(request, scoped=one.scoped)
                return await _method(one, request)
            except Refused as error:
                return answer(error.body, error.status, error.headers)
            except RecursionError:  # read at a depth where it cannot be said again
                return answer({"detail": "JSON parse error - nested too deeply"}, 400)
            except PartUnavailable as error:
                return answer({"detail": str(error)}, 503, {"Retry-After": "5"})

        return handle

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check(request, scoped=True)
            raise answers.not_found()
        except Refused as error:
            return answer(error.body, error.status, error.headers)

    def _check(self, request: web.Request, *, scoped: bool) -> None:
        """Tell who asks, and whether they may.

        Raises:
            Refused: nobody known (401), or they may not (403).
        """
        header = request.headers.get("Authorization")
        identity = by_bearer(self._catalog.state, header, self._clock())
        if identity is None:
            if header is not None and (trouble := self._catalog.problem()) is not None:
                raise detail(503, f"Whose token this is cannot be told yet: {trouble}", {"Retry-After": "1"})
            raise detail(401, answers.NOT_SIGNED_IN, {"WWW-Authenticate": 'Bearer realm="api"'})
        reads = request.method in _READS
        role = ROLES.index(identity.role) if identity.role in ROLES else 0
        if scoped and not (identity.may("read") if reads else identity.may("write") and role >= _WRITER):
            raise detail(403, answers.NOT_ALLOWED)
        request[IDENTITY] = identity


async def _method(one: Endpoint, request: web.Request) -> web.StreamResponse:
    method = request.method
    if method == "OPTIONS":
        return answer({}, headers={"Allow": ", ".join([*one.methods, "OPTIONS"])})
    found = one.methods.get("GET" if method == "HEAD" else method)
    if found is None:
        raise detail(405, f'Method "{method}" not allowed.', {"Allow": ", ".join([*one.methods, "OPTIONS"])})
    return await found(request)

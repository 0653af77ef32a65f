"""One operation of the REST API: its handler, who may use it, and what the document says of it, in one place."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec
from aiohttp import web

from infra.errors import PartUnavailable
from streams.catalog.admin.fields import FieldError
from streams.catalog.outcome import Outcome
from web.auth import problem
from web.identity import IDENTITY

T = TypeVar("T")

Document = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.Response]]
Role = Literal["viewer", "operator", "admin"]
Scope = Literal["read", "write", "admin"]

ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Each may do what those before it may."""

NO_STORE = {"Cache-Control": "no-store"}
"""For answers with a secret or a token."""

_STATUS = {
    "sensor_exists": 409,
    "user_exists": 409,
    "token_exists": 409,
    "site_in_use": 409,
    "last_admin": 409,
    "sensor_disabled": 409,
    "unknown_sensor": 404,
    "unknown_site": 404,
    "unknown_user": 404,
    "unknown_token": 404,
    "unknown_tariff": 404,
    "unknown_receiver": 404,
}


class Refused(Exception):
    """A request that is answered with an error.

    Attributes:
        more: further members of the answer.
    """

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.code, self.more = status, code, more


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path.

    Attributes:
        path: as aiohttp and OpenAPI write it.
        role, scope: what is needed; the scope binds bearer tokens.
        parameters: of the query, as OpenAPI; those of the path come by themselves.
        body: what it takes, as OpenAPI's content.
        answers: what it gives, by status, as OpenAPI.
        errors: codes of its own refusals, by status.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    tag: str
    summary: str
    handler: Handler
    role: Role = "viewer"
    scope: Scope = "read"
    description: str = ""
    parameters: tuple[Document, ...] = ()
    body: Document | None = None
    answers: Mapping[int, Document] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)

    def route(self) -> web.RouteDef:
        return web.route(self.method, self.path, self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            self._check(request)
            return await self.handler(request)
        except Refused as error:
            return problem(error.status, error.code, str(error), **error.more)
        except FieldError as error:
            return problem(422, error.code, str(error), **({"field": error.field} if error.field else {}))
        except PartUnavailable as error:
            unavailable = problem(503, "unavailable", str(error))
            unavailable.headers["Retry-After"] = "5"
            return unavailable

    def _check(self, request: web.Request) -> None:
        identity = request[IDENTITY]
        if ROLES.index(identity.role if identity.role in ROLES else "viewer") < ROLES.index(self.role):
            raise Refused(403, "role_missing", f"{identity.name} is {identity.role}; this needs the role {self.role}")
        if not identity.may(self.scope):
            raise Refused(403, "scope_missing", f"this token lacks the scope {self.scope}")


def settle(outcome: Outcome, *, fields: Mapping[str, str] | None = None) -> None:
    """Go on when the catalog accepted.

    Args:
        fields: for codes that are about a field of the body, its name.

    Raises:
        Refused: it did not.
    """
    if outcome.accepted:
        return
    named = (fields or {}).get(outcome.code)
    if named is not None:
        raise Refused(422, outcome.code, outcome.detail, field=named)
    raise Refused(_STATUS.get(outcome.code, 422), outcome.code, outcome.detail)


async def members(request: web.Request, known: tuple[str, ...] | None = None) -> Document:
    """The JSON object in a request; an empty body is an empty object.

    Args:
        known: members it may have; None: the caller judges.

    Raises:
        Refused: it is none.
        FieldError: it has another member.
    """
    body = await request.read()
    if body and request.content_type not in ("application/json", "application/merge-patch+json"):
        raise Refused(415, "unsupported_media_type", f"{request.content_type} came; expected application/json")
    try:
        found = msgspec.json.decode(body) if body else {}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refused(422, "bad_json", f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refused(422, "not_an_object", f"a JSON {type(found).__name__} came; expected an object")
    for name in found:
        if known is not None and name not in known:
            expected = ", ".join(known) or "no member"
            raise FieldError(name[:60], "unknown_field", f"{name[:60]!r} came; expected {expected}")
    return found


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list."""

    limit: int
    offset: int

    def answer(self, member: str, found: Sequence[T], facts: Callable[[T], Document]) -> web.Response:
        """This part of what was found, as `schemas.listing` describes it.

        Args:
            facts: of one, as they are shown.
        """
        rows = [facts(one) for one in found[self.offset : self.offset + self.limit]]
        return web.json_response({"total": len(found), "limit": self.limit, "offset": self.offset, member: rows})


LIMIT, LIMIT_MOST = 100, 10_000


def page(request: web.Request) -> Page:
    """limit and offset of the query.

    Raises:
        FieldError: one is no such number.
    """
    return Page(number(request, "limit", LIMIT, 1, LIMIT_MOST), number(request, "offset", 0, 0, 100_000_000))


def number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query.

    Raises:
        FieldError: it is none, or outside the bounds.
    """
    asked = request.query.get(name, str(default))
    if not (asked.isascii() and asked.isdigit() and len(asked) < 10 and least <= int(asked) <= most):
        raise FieldError(name, f"bad_{name}", f"{name}={asked[:20]} came; expected {least} to {most}")
    return int(asked)


def days(said: Document, most: int) -> int | None:
    """The member `days`, when there.

    Raises:
        FieldError: it is no whole number of days.
    """
    found = said.get("days")
    if found is not None and (type(found) is not int or not 1 <= found <= most):
        raise FieldError("days", "out_of_range", f"days {str(found)[:20]} came; expected a whole number, 1 to {most}")
    return found

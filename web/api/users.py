"""/api/v1/users: people, their roles, one-time passwords, and their programs' tokens."""

import time
from collections.abc import Callable

from aiohttp import web

from streams.catalog.admin import fields, grants
from streams.catalog.admin.facts import Document, iso, token_by_id, tokens_of, user_facts, user_token_facts
from streams.catalog.commands import AddUser, ChangeRole, RemoveUser, RevokeUserToken, SetPassword
from web.api import schemas
from web.api.operation import NO_STORE, Operation, Refused, Role, Scope, days, members, page, settle
from web.identity import IDENTITY, Catalog
from web.passwords import Passwords

_TAG = "users"
_ONE = "/api/v1/users/{name}"
_PLACEHOLDER = "$argon2"
"""Lets a name and a role be judged before the slow hash."""


class UsersApi:
    """The door for administrators' work on people.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, catalog: Catalog, passwords: Passwords, clock: Callable[[], float] = time.time) -> None:
        self._catalog, self._passwords, self._clock = catalog, passwords, clock

    def operations(self) -> list[Operation]:
        facts, unknown = {200: schemas.answer("The person as they are now.", "User")}, {404: "unknown_user"}
        by: tuple[Role, Scope] = ("admin", "admin")
        return [
            Operation(
                *("GET", "/api/v1/users", _TAG, "All people, by name", self.every, *by),
                parameters=(schemas.query("q", "part of the name"), *schemas.PAGING),
                answers={200: schemas.listing("users", "User")},
            ),
            Operation(
                *("POST", "/api/v1/users", _TAG, "Add a person", self.add, *by),
                body=schemas.body("NewUser", {"name": "ada", "role": "operator"}),
                answers={201: schemas.answer("Added; the password is shown only here.", "UserWithPassword")},
                errors={409: "user_exists", 422: "whatever a member is not"},
            ),
            Operation("GET", _ONE, _TAG, "One person", self.show, *by, answers=facts, errors=unknown),
            Operation(
                *("PATCH", _ONE, _TAG, "Give a person another role", self.change, *by),
                body=schemas.body("UserChange", {"role": "viewer"}),
                answers=facts,
                errors={404: "unknown_user", 409: "last_admin", 422: "whatever a member is not"},
            ),
            Operation(
                *("DELETE", _ONE, _TAG, "Remove a person", self.remove, *by),
                description="Their sessions and tokens end at once.",
                answers={204: {"description": "Removed."}},
                errors={404: "unknown_user", 409: "last_admin"},
            ),
            Operation(
                *("POST", f"{_ONE}/password", _TAG, "Give a person a new one-time password", self.password, *by),
                description="The old one and their sessions end.",
                answers={200: schemas.answer("The password is shown only here.", "UserWithPassword")},
                errors=unknown,
            ),
            Operation(
                *("GET", f"{_ONE}/tokens", _TAG, "Tokens of a person's programs", self.tokens, *by),
                answers={200: schemas.listing("tokens", "UserToken")},
                errors=unknown,
                parameters=schemas.PAGING,
            ),
            Operation(
                *("POST", f"{_ONE}/tokens", _TAG, "Issue a token for a person's programs", self.issue, *by),
                description="It may do what its scope says and the person's role allows.",
                body=schemas.body("NewUserToken", {"scope": "read write", "days": 30}),
                answers={201: schemas.answer("`token` is shown only here.", "UserTokenOnce")},
                errors={404: "unknown_user", 422: "whatever a member is not"},
            ),
            Operation(
                *("DELETE", f"{_ONE}/tokens/{{token_id}}", _TAG, "End a token", self.revoke, *by),
                answers={204: {"description": "Ended."}},
                errors={404: "unknown_user, unknown_token"},
            ),
        ]

    async def every(self, request: web.Request) -> web.Response:
        wanted, part = request.query.get("q", "")[:64].casefold(), page(request)
        found = [user for name, user in sorted(self._catalog.state.users.items()) if wanted in name]
        return part.answer("users", found, user_facts)

    async def add(self, request: web.Request) -> web.Response:
        said, password = await members(request), grants.new_password()
        command = fields.command(AddUser, said, password_hash=_PLACEHOLDER, one_time=True)
        hashed = await self._passwords.hash(password)
        command = fields.command(AddUser, said, password_hash=hashed, one_time=True)
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name))
        headers = {**NO_STORE, "Location": f"/api/v1/users/{command.name}"}
        return web.json_response({**self._facts(command.name), "one_time_password": password}, status=201, headers=headers)

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self._facts(request.match_info["name"]))

    async def change(self, request: web.Request) -> web.Response:
        name, said = request.match_info["name"], await members(request, ("role",))
        self._facts(name)
        command = fields.command(ChangeRole, {"name": name, **said})
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name))
        return web.json_response(self._facts(name))

    async def remove(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self._facts(name)
        settle(await self._catalog.submit(RemoveUser(name=name), actor=request[IDENTITY].name))
        return web.Response(status=204)

    async def password(self, request: web.Request) -> web.Response:
        name, password = request.match_info["name"], grants.new_password()
        await members(request, ())
        self._facts(name)
        command = SetPassword(name=name, password_hash=await self._passwords.hash(password), one_time=True)
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name))
        return web.json_response({**self._facts(name), "one_time_password": password}, headers=NO_STORE)

    async def tokens(self, request: web.Request) -> web.Response:
        name, part = request.match_info["name"], page(request)
        self._facts(name)
        return part.answer("tokens", tokens_of(self._catalog.state, name), user_token_facts)

    async def issue(self, request: web.Request) -> web.Response:
        name, said = request.match_info["name"], await members(request, ("scope", "days"))
        self._facts(name)
        scope, life = fields.scope(said.get("scope", "read write")), days(said, grants.DAYS_MOST)
        token, command = grants.for_user(name, scope, int(self._clock() * 1000), life)
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name))
        document = {
            "id": command.token_sha256[:12],
            "user": name,
            "scope": scope,
            "expires_at": iso(command.expires_at_ms),
            "token": token,
        }
        return web.json_response(document, status=201, headers=NO_STORE)

    async def revoke(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self._facts(name)
        found = token_by_id(self._catalog.state, request.match_info["token_id"], name)
        if found is None:
            raise Refused(
                404, "unknown_token", f"user {name} has no token of that id; GET /api/v1/users/{name}/tokens lists them"
            )
        command = RevokeUserToken(name=name, token_sha256=found.token_sha256)
        settle(await self._catalog.submit(command, actor=request[IDENTITY].name))
        return web.Response(status=204)

    def _facts(self, name: str) -> Document:
        user = self._catalog.state.users.get(name)
        if user is None:
            raise Refused(404, "unknown_user", f"there is no user {fields.shown(name)}; POST /api/v1/users adds one")
        return user_facts(user)

"""Who asks: a session's cookie or a bearer token, checked against the catalog."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from streams.catalog.commands import Command
from streams.catalog.outcome import Outcome
from streams.catalog.state import State, User
from streams.catalog.tokens import hash_of, same
from web.sessions import Session, Sessions, mark

COOKIE = "powermon"
SIGN_IN_SCOPE = "signin"
_BEARER = re.compile(r"Bearer ([!-~]{1,256})", re.IGNORECASE)


class Catalog(Protocol):
    """What the web server needs of streams.catalog.view.CatalogView."""

    @property
    def state(self) -> State: ...
    @property
    def caught_up(self) -> bool: ...
    def problem(self) -> str | None: ...
    async def catch_up(self) -> None: ...
    async def submit(self, command: Command, *, actor: str = ...) -> Outcome: ...
    async def submit_all(self, commands: Sequence[Command], *, actor: str = ...) -> list[Outcome]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody known.

    Attributes:
        scope: what a bearer token may do; None for a session, which may do what its role may.
        session: None for a bearer token.
    """

    name: str
    role: str
    scope: frozenset[str] | None
    session: Session | None
    must_change_password: bool = False

    def may(self, scope: str) -> bool:
        return self.scope is None or scope in self.scope


IDENTITY = web.RequestKey("identity", Identity)


def by_session(sessions: Sessions, state: State, cookie: str | None, now_s: float) -> Identity | None:
    """Whose session it is; None when it is nobody's, over, or from before the password changed."""
    session = sessions.find(cookie, now_s)
    if session is None or cookie is None:
        return None
    user = state.users.get(session.name)
    if user is None or mark(user.password_hash) != session.password_of:
        sessions.close(cookie, now_s)
        return None
    return Identity(user.name, user.role, None, session, user.one_time)


def by_bearer(state: State, header: str | None, now_s: float) -> Identity | None:
    """Whose token it is; None when there is none, it is unknown, expired, or only good for signing in."""
    found = _BEARER.fullmatch(header or "")
    if found is None:
        return None
    grant = by_token(state, found[1], now_s)
    if grant is None or grant[1] == {SIGN_IN_SCOPE}:
        return None
    return Identity(grant[0].name, grant[0].role, grant[1], None)


def by_token(state: State, token: str, now_s: float) -> tuple[User, frozenset[str]] | None:
    """The user and scope of a live token."""
    sha256 = hash_of(token)
    known = state.user_tokens.get(sha256)
    if known is None or not same(known.token_sha256, sha256) or known.expires_at_ms <= now_s * 1000:
        return None
    user = state.users.get(known.name)
    return None if user is None else (user, frozenset(known.scope.split()))

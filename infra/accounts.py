"""The first people of a stack: its administrator, this machine's command line, the demo's visitor."""

import asyncio
import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher

from infra.errors import ConfigurationError
from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog.commands import AddUser, Command, IssueUserToken
from streams.catalog.tokens import RANDOM_BYTES, hash_of, make_password, make_token
from streams.catalog.values import Role
from streams.catalog.view import CatalogView, view_of

ADMIN, OPERATOR, DEMO = "admin", "operator", "demo"
_DAY_MS = 86_400_000
_READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Welcome:
    """What to tell the person who started the stack; shown once, kept nowhere.

    Attributes:
        admin_password: of the administrator made just now; None when there was one.
        signin_token: opens the demo's pages in a browser; None without --demo.
    """

    admin_password: str | None
    signin_token: str | None


def welcome(settings: Settings) -> Welcome:
    """Make who is missing, and see that this machine's command line has a valid token.

    Raises:
        PartUnavailable: Kafka or the registry does not answer.
    """
    return asyncio.run(_welcome(settings))


async def _welcome(settings: Settings) -> Welcome:
    view = view_of(settings, Registry(settings.registry, settings.schema_cache))
    try:
        await view.ready(_READY_S)
        password = signin = None
        if OPERATOR not in view.state.users:
            await _submit(view, _user(OPERATOR, "admin", secrets.token_urlsafe(RANDOM_BYTES), datastore=False))
        if not _token_lives(view, settings.operator_token):
            _write_secret(settings.operator_token, await _issue(view, OPERATOR, "read write admin", days=365))
        if settings.demo:
            if DEMO not in view.state.users:
                await _submit(view, _user(DEMO, "operator", secrets.token_urlsafe(RANDOM_BYTES)))
            signin = await _issue(view, DEMO, "signin", days=1)
        elif ADMIN not in view.state.users:
            password = make_password(secrets.token_bytes(RANDOM_BYTES))
            await _submit(view, _user(ADMIN, "admin", password, one_time=True, datastore=False))
        return Welcome(password, signin)
    finally:
        await view.close()


def _user(name: str, role: Role, password: str, *, one_time: bool = False, datastore: bool = True) -> AddUser:
    hashed = PasswordHasher().hash(password)
    return AddUser(name=name, role=role, password_hash=hashed, one_time=one_time, datastore=datastore)


async def _issue(view: CatalogView, name: str, scope: str, *, days: int) -> str:
    token = make_token(secrets.token_bytes(RANDOM_BYTES))
    expires_at_ms = time.time_ns() // 1_000_000 + days * _DAY_MS
    await _submit(view, IssueUserToken(name=name, token_sha256=hash_of(token), scope=scope, expires_at_ms=expires_at_ms))
    return token


async def _submit(view: CatalogView, command: Command) -> None:
    outcome = await view.submit(command, actor="powermon up")
    if not outcome.accepted:
        raise ConfigurationError(f"the catalog refused {command.KIND}: {outcome.detail}")


def _token_lives(view: CatalogView, file: Path) -> bool:
    """Whether the file's token works for another month."""
    try:
        token = view.state.user_tokens.get(hash_of(file.read_text().strip()))
    except OSError:
        return False
    return token is not None and token.expires_at_ms > time.time_ns() // 1_000_000 + 30 * _DAY_MS


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mkstemp makes it mode 0600
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
    os.replace(name, path)

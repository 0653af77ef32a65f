"""Rules of registry connections: partners who may read summaries of projects, but not whose they are."""

import hashlib
from dataclasses import replace
from uuid import UUID

from streams.catalog.datastore.energy_commands import ChangeConnection, CreateConnection, RemoveConnection
from streams.catalog.datastore.entries import Connection
from streams.catalog.datastore.verdicts import missing, next_pk, not_found, not_unique, put, removed
from streams.catalog.outcome import Outcome
from streams.catalog.state import State


def by_token(state: State, token_digest: str) -> Connection | None:
    """The connection whose token has this digest."""
    pk = state.index.one("token", token_digest)
    return None if pk is None else state.connections[pk]


def registry_id(connection: Connection, project: int) -> str:
    """The UUID by which a partner knows a project: always the same, and nothing can be told from it."""
    digest = hashlib.sha256(f"{connection.salt}:{connection.pk}:{project}".encode()).digest()
    return str(UUID(bytes=digest[:16], version=4))


def create(state: State, command: CreateConnection, _: int) -> Outcome:
    if (wrong := missing("projects", state.projects, command.projects)) is not None:
        return wrong
    if by_token(state, command.token_digest) is not None:
        return not_unique("token")
    pk, counted = next_pk(state, "connections")
    token = command.token_digest, command.token_sealed, command.token_key
    return put("connections", Connection(pk, *token, command.salt, tuple(sorted({*command.projects}))), counted)


def change(state: State, command: ChangeConnection, _: int) -> Outcome:
    known = state.connections.get(command.pk)
    if known is None:
        return not_found(command.pk)
    changed = replace(known, **command.changes())
    if state.index.one("token", changed.token_digest) not in (None, known.pk):
        return not_unique("token")
    return put("connections", changed)


def remove(state: State, command: RemoveConnection, _: int) -> Outcome:
    known = state.connections.get(command.pk)
    return not_found(command.pk) if known is None else removed("connections", known)

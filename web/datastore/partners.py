"""/registry/connections/: partners who may read summaries of projects."""

import secrets
import uuid
from dataclasses import asdict
from typing import Any

from streams.catalog.datastore.energy_commands import ChangeConnection, CreateConnection, RemoveConnection
from streams.catalog.datastore.entries import Connection
from streams.catalog.state import State
from web.datastore.answers import Document
from web.datastore.fields import Field, Query
from web.datastore.kinds import UUID, pks
from web.datastore.partner_tokens import PartnerTokens
from web.datastore.resource import Resource
from web.identity import Catalog


def resource(catalog: Catalog, tokens: PartnerTokens) -> Resource:
    """The resource, with tokens as a client sees them."""

    def create(*, token: str, **said: Any) -> CreateConnection:
        return CreateConnection(**said, **asdict(tokens.seal(token, catalog.state)))

    def change(*, pk: int, token: str) -> ChangeConnection:
        return ChangeConnection(pk=pk, **asdict(tokens.seal(token, catalog.state)))

    def say(_: State, connection: Connection, __: Query, ___: bool) -> Document:
        return {"id": connection.pk, "projects": list(connection.projects), "token": tokens.open(connection)}

    return Resource(
        "registry/connections",
        "A partner who may read summaries of projects; its token opens /registry/summary/. A token that this server's key does "
        "not open is null.",
        "connections",
        (Field("projects", pks("projects", empty=True), fixed=True), Field("token", UUID)),
        create,
        change,
        RemoveConnection,
        say=say,
        made_up=lambda: {"token": str(uuid.uuid4()), "salt": secrets.token_hex(16)},
    )

"""/registry/summary/: what a connected partner may read, by a token of its own; whose projects they are it does not say."""

import re
import uuid
from importlib.metadata import version
from typing import Any

from aiohttp import web

from streams.catalog.datastore import connections
from streams.catalog.datastore.entries import Connection
from web.datastore.answers import NOT_SIGNED_IN, Document, answer, detail
from web.datastore.door import Endpoint
from web.datastore.partner_tokens import PartnerTokens
from web.datastore.ports import Meter
from web.identity import Catalog

SUMMARY_PATH = "/registry/summary/"

_SUMMARY = (
    *("trace_interpretation", "derivative_interpretation", "baseline_value", "baseline_upper", "baseline_lower"),
    *("reporting_value", "reporting_upper", "reporting_lower"),
)
_WORDS = re.compile(r"\s+")


class RegistryApi:
    """The door for partners.

    Args:
        meter: has the results; None: there are none.
    """

    def __init__(self, catalog: Catalog, tokens: PartnerTokens, meter: Meter | None) -> None:
        self._catalog, self._tokens, self._meter = catalog, tokens, meter

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint(SUMMARY_PATH, {"GET": self.summary}, signed=False)]

    async def summary(self, request: web.Request) -> web.StreamResponse:
        connection = self._connection(request.headers.get("Authorization", ""))
        results = [] if self._meter is None else await self._meter.latest(connection.projects)
        found = [_project(connection, result) for result in results if result["project"] in connection.projects]
        return answer({"datastore_version": version("powermon"), "projects": found})

    def _connection(self, header: str) -> Connection:
        words = _WORDS.split(header.strip())
        if words[0].lower() != "token":
            raise detail(401, NOT_SIGNED_IN, {"WWW-Authenticate": "Token"})
        if len(words) == 1:
            raise detail(403, "Invalid token header. No credentials provided.")
        if len(words) > 2:
            raise detail(403, "Invalid token header. Token string should not contain spaces.")
        try:
            digest = self._tokens.digest(str(uuid.UUID(words[1])))
        except ValueError:
            digest = None
        found = None if digest is None else connections.by_token(self._catalog.state, digest)
        if found is None:
            raise detail(403, "Invalid token.")
        return found


def _project(connection: Connection, result: Document) -> Document:
    summaries: list[dict[str, Any]] = []
    for one in result["derivative_aggregations"]:
        values = {**one, "derivative_interpretation": one["interpretation"]}
        summaries.append({name: values[name] for name in _SUMMARY})
    return {
        "registry_id": connections.registry_id(connection, result["project"]),
        "project_result_pk": result["id"],
        **{name: result[name] for name in ("eemeter_version", "meter_class", "meter_settings")},
        "summaries": summaries,
    }

"""GET /api/v1/openapi.json and GET /api/v1/docs: what the REST API is, made from the operations themselves."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from aiohttp import web

from infra import openapi
from web.api import schemas
from web.api.operation import Operation
from web.datastore import document as datastore

Document = dict[str, Any]

_ABOUT = """Everything the pages show and the command line does, for programs.

Send a token as `Authorization: Bearer …`; `powermon tokens issue --user NAME --scope "read write"` gives one. A token may do \
what its scope says and its person's role allows: viewers read, operators change sensors and sites, administrators also \
people, tariffs, replays and queries. A browser's session may read; changes need a token.

A change is answered once it is in force here: who reads after an answer reads what was written. Errors are \
`application/problem+json` with a `code` that stays the same and a `detail` for people; 503 may be tried again after \
`Retry-After`, after looking whether the change took effect. Secrets and tokens stand in one answer, once; only their hashes are \
kept."""

_TAGS = {
    "sensors": "Registered sensors, and those that were heard of.",
    "sites": "Places with a time zone.",
    "meters": "Linkys: what they say now, their minutes.",
    "anomalies": "What went wrong, when and how badly; who has seen it.",
    "energy": "Energy by period, demand, cost and bills.",
    datastore.TAG: datastore.ABOUT,
    "users": "People and their programs' tokens.",
    "tariffs": "Prices and calendars by the day from which they are valid.",
    "data": "Queries, replays, and how the parts do.",
}
_CODES = {
    401: "not_signed_in",
    403: "role_missing, scope_missing, token_needed",
    415: "unsupported_media_type",
    422: "bad_json, not_an_object, unknown_field, missing_field, wrong_type, out_of_range",
    503: "unavailable",
}
_SAYS = {
    401: "Not signed in",
    403: "Not allowed",
    404: "Not there",
    409: "Not in its present state",
    412: "Not as the header If-None-Match wants",
    413: "Too large",
    415: "Not this media type",
    422: "Not as expected",
    503: "Not now",
}


def document(operations: Iterable[Operation], more: tuple[Document, Document] = ({}, {})) -> Document:
    """The OpenAPI 3.1 document.

    Args:
        more: further paths and schemas.
    """
    paths: Document = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Powermon REST API", "version": version("powermon"), "description": _ABOUT},
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"token": []}],
        "paths": {**paths, **more[0]},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas.components(), **more[1]},
        },
    }


def _operation(one: Operation) -> Document:
    needs = f"Needs the role {one.role} or more, and the scope {one.scope}."
    named = re.findall(r"{(\w+)}", one.path)
    path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named]
    found: Document = {
        "operationId": f"{one.method.lower()}_{re.sub(r'[^a-z]+', '_', one.path.removeprefix('/api/v1/')).strip('_')}",
        "tags": [one.tag],
        "summary": one.summary,
        "description": f"{one.description}\n\n{needs}" if one.description else needs,
        "parameters": [*path, *one.parameters],
        "responses": {str(status): answer for status, answer in sorted({**one.answers, **_errors(one)}.items())},
    }
    if one.body is not None:
        found["requestBody"] = one.body
    return {name: value for name, value in found.items() if value != []}


def _errors(one: Operation) -> dict[int, Document]:
    codes = {status: _CODES[status] for status in (401, 403)}
    if one.method != "GET":
        codes[503] = _CODES[503]
    if one.body is not None:
        codes |= {status: _CODES[status] for status in (415, 422)}
    elif one.parameters:
        codes[422] = ", ".join(f"bad_{parameter['name']}" for parameter in one.parameters)
    content = {"application/problem+json": {"schema": schemas.ref("Problem")}}
    return {
        status: {"description": f"{_SAYS[status]}: {text}.", "content": content}
        for status, text in (codes | dict(one.errors)).items()
    }


class OpenApi:
    """Serves the document, to anybody: it holds nothing of this installation."""

    def __init__(self, operations: Iterable[Operation], more: tuple[Document, Document] = ({}, {})) -> None:
        self._document = document(operations, more)
        self._page: str | None = None

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/v1/openapi.json", self.json), web.get("/api/v1/docs", self.docs)]

    async def json(self, _: web.Request) -> web.Response:
        return web.json_response(self._document, headers={"Cache-Control": "no-cache"})

    async def docs(self, _: web.Request) -> web.Response:
        if self._page is None:
            self._page = openapi.page(self._document, address="/api/v1/openapi.json")
        return web.Response(text=self._page, content_type="text/html", charset="utf-8", headers={"Cache-Control": "no-cache"})

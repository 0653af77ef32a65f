"""What the OpenAPI document says of the datastore, made from its tables."""

import re
from collections.abc import Iterable
from typing import Any

from web.datastore.answers import Document
from web.datastore.door import BASE, Endpoint
from web.datastore.fields import Field
from web.datastore.registry import SUMMARY_PATH
from web.datastore.resource import Resource
from web.datastore.sync import Sync

TAG = "datastore"
ABOUT = (
    "Projects, their traces and what came of them: the energy datastore. Lists are bare JSON arrays by rising `id`; a filter "
    "that cannot be read selects nothing; flags are on at exactly `True`. Every path works with and without the slash at its "
    "end; a token is always needed, a session does not do. A sync stores each record by its key and says what became of it."
)

_PK = {"name": "pk", "in": "path", "required": True, "schema": {"type": "string"}, "description": "the object's `id`"}
_SAYS = {
    400: "Not as expected: texts by field, or `detail`",
    401: "Not signed in",
    403: "The token lacks the scope, or its person the role",
    404: "Not there",
    413: "Too large",
    415: "Not this media type",
    503: "Not now",
}
_WRITES = (400, 413, 415, 503)


def schema_name(resource: Resource) -> str:
    words = resource.name.replace("/", "_").split("_")
    return "Datastore" + "".join(word.capitalize() for word in words)


def components(resources: Iterable[Resource]) -> Document:
    """The schema of each resource's body, and of an error."""
    found: Document = {
        "DatastoreError": {
            "type": ["object", "array"],
            "description": "`detail`, or a list of texts for each field that is wrong; of several records a list.",
            "properties": {"detail": {"type": "string"}},
        }
    }
    for one in resources:
        required = [field.name for field in one.fields if field.required]
        found[schema_name(one)] = {
            "type": "object",
            "description": one.about,
            "properties": {"id": {"type": "integer", "readOnly": True}, **_properties(one.fields)},
            **({"required": required} if required else {}),
        }
        if one.sync is not None:
            found[f"{schema_name(one)}Sync"] = _sync_record(one.sync)
    return found


def paths(resources: Iterable[Resource], endpoints: Iterable[Endpoint]) -> Document:
    """The operations of the resources, and of every other endpoint, by path."""
    found: Document = {
        BASE: {"get": _operation("get_datastore", "The resources and their addresses", {200: _json({"type": "object"})}, (401,))},
    }
    for one in resources:
        found |= _resource(one)
    partner = _operation("get_registry_summary", "Results of a partner's projects", {200: _json({"type": "object"})}, (401, 403))
    partner["description"] = "With the connection's own token: `Authorization: Token UUID`."
    found[SUMMARY_PATH] = {"get": partner}
    for endpoint in endpoints:
        if endpoint.path not in found:
            found[endpoint.path] = {method.lower(): _other(endpoint, method) for method in endpoint.methods}
    return found


def _other(one: Endpoint, method: str) -> Document:
    """An operation that no table describes."""
    where = one.path.removeprefix(BASE)
    word = "_".join(re.findall(r"\w+", where))
    parameters = [_PK] if "{pk}" in one.path else [_query(name, "selects") for name in one.filters if method == "GET"]
    writes = method in ("POST", "PUT", "PATCH")
    status = 204 if method == "DELETE" else 201 if method == "POST" and not where.endswith(("sync/", "sync2/")) else 200
    errors = (401, 403, *((404,) if "{pk}" in one.path else ()), *(_WRITES if writes else ()))
    done = {"description": "Removed."} if status == 204 else _json({})
    summary = one.about.get(method, f"{method} {where}")
    return _operation(f"{method.lower()}_{word}", summary, {status: done}, errors, parameters, _body({}) if writes else None)


def _resource(one: Resource) -> Document:
    word, path, ref = one.name.replace("/", "_"), f"{BASE}{one.name}/", _ref(schema_name(one))
    object_, all_ = {200: _json(ref)}, {200: _json({"type": "array", "items": ref})}
    flags = [_query(name, f"`True`: {text}") for name, text in one.flags.items()]
    chosen = [_query(name, "selects") for name in one.filters]
    many: Document = {"get": _operation(f"list_{word}", f"All {word}", all_, (401, 403), [*chosen, *flags])}
    single: Document = {"get": _operation(f"get_{word}", f"One of {word}", object_, (401, 403, 404), [_PK, *flags])}
    if one.create is not None:
        created = {201: _json(ref)}
        many["post"] = _operation(f"add_{word}", f"Add one to {word}", created, (401, 403, *_WRITES), flags, _body(ref))
    if one.change is not None:
        for method, summary in (("put", "Change one: required fields must be there"), ("patch", "Change what is named")):
            single[method] = _operation(
                f"{method}_{word}", summary, object_, (401, 403, 404, *_WRITES), [_PK, *flags], _body(ref)
            )
    if one.remove is not None:
        gone = {204: {"description": "Removed, with all that belongs to it."}}
        single["delete"] = _operation(f"remove_{word}", "Remove one", gone, (401, 403, 404, 503), [_PK])
    found: Document = {path: many, f"{path}{{pk}}/": single}
    if one.sync is not None:
        entries = {200: _json({"type": "array", "items": {"type": "object"}}, "Each record's object, or error, and `status`.")}
        body = _body({"type": "array", "items": _ref(f"{schema_name(one)}Sync")})
        summary = "Store records by their key: " + ", ".join(one.sync.keys)
        found[f"{path}sync/"] = {"post": _operation(f"sync_{word}", summary, entries, (401, 403, *_WRITES), (), body)}
    return found


def _operation(
    name: str,
    summary: str,
    answers: dict[int, Document],
    errors: Iterable[int],
    parameters: Iterable[Document] = (),
    body: Document | None = None,
) -> Document:
    refused = {str(status): _json(_ref("DatastoreError"), f"{_SAYS[status]}.") for status in errors}
    found: dict[str, Any] = {
        "operationId": name,
        "tags": [TAG],
        "summary": summary,
        "parameters": list(parameters),
        "responses": {**{str(status): one for status, one in answers.items()}, **refused},
    }
    if body is not None:
        found["requestBody"] = body
    return {key: value for key, value in found.items() if value != []}


def _properties(fields: Iterable[Field]) -> Document:
    return {field.name: _schema(field) for field in fields}


def _schema(field: Field) -> Document:
    found = {**field.kind.schema, **({} if field.shown else {"writeOnly": True})}
    if not field.null:
        return found
    match found:
        case {"type": str(kind)}:
            return {**found, "type": [kind, "null"]}
        case {"type": list(kinds)}:
            return {**found, "type": [*kinds, "null"]}
        case _:
            return found


def _sync_record(sync: Sync) -> Document:
    names = dict.fromkeys([*sync.keys, *(field.name for field in sync.fields)])
    return {"type": "object", "properties": _properties(sync.fields), "required": list(names)}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Document, text: str = "As it is now.") -> Document:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _body(schema: Document) -> Document:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _query(name: str, text: str) -> Document:
    return {"name": name, "in": "query", "schema": {"type": "string"}, "description": text}

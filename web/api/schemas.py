"""What the REST API takes and gives, as JSON Schema; what it takes is made from the catalog's own commands."""

from functools import cache
from typing import Any

import msgspec

from streams.catalog import commands
from streams.catalog.admin.facts import REGISTRATIONS
from streams.catalog.admin.fields import EXPECTED
from web.api import anomaly_schemas, meter_schemas, notification_schemas

Document = dict[str, Any]

_OURS = ("secret_sha256", "password_hash", "one_time", "datastore")
_TEXT, _MOMENT = {"type": "string"}, {"type": "string", "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0}


def ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def answer(text: str, name: str) -> Document:
    """One JSON answer."""
    return {"description": text, "content": {"application/json": {"schema": ref(name)}}}


def listing(member: str, name: str) -> Document:
    """One part of a list, and how long all of it is."""
    schema = _object({"total": _COUNT, "limit": _COUNT, "offset": _COUNT, member: {"type": "array", "items": ref(name)}})
    return {"description": "In a stable order; `total` counts all parts.", "content": {"application/json": {"schema": schema}}}


def body(name: str, example: Document, *, required: bool = True) -> Document:
    """One JSON body."""
    return {"required": required, "content": {"application/json": {"schema": ref(name), "example": example}}}


def query(name: str, text: str, kind: str = "string", **more: Any) -> Document:
    """One parameter of the query."""
    schema: Document = {"type": "string", "format": "date"} if kind == "date" else {"type": kind, **more}
    return {"name": name, "in": "query", "schema": schema, "description": text}


PAGING = (
    query("limit", "rows at most", "integer", minimum=1, maximum=10_000, default=100),
    query("offset", "rows to leave out first", "integer", minimum=0, default=0),
)


_NOTE = "for people: bills of earlier months changed, too"


def _object(properties: Document, *, required: list[str] | None = None) -> Document:
    return {"type": "object", "properties": properties, "required": list(properties) if required is None else required}


def _of(kind: type, *, without: tuple[str, ...] = ()) -> Document:
    """The schema of a command's members that somebody may say."""
    _, components = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    found = components[kind.__name__]
    hidden = (*_OURS, *without)
    properties = {name: _described(name, one) for name, one in found["properties"].items() if name not in hidden}
    required = [name for name in found.get("required", []) if name not in hidden]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _described(name: str, schema: Document) -> Document:
    return {**_ecma(schema), "description": EXPECTED[name]} if name in EXPECTED else _ecma(schema)


def _ecma(schema: Any) -> Any:
    """Patterns as JSON Schema's dialect has them: ^ and $ for Python's \\A and \\Z."""
    if isinstance(schema, dict):
        return {
            name: one.replace(r"\A", "^").replace(r"\Z", "$") if name == "pattern" and isinstance(one, str) else _ecma(one)
            for name, one in schema.items()
        }
    return [_ecma(one) for one in schema] if isinstance(schema, list) else schema


@cache
def components() -> Document:
    """Every named schema."""
    new, change = _of(commands.RegisterSensor), _of(commands.ChangeSensor, without=("sensor_id",))
    # In any case when it comes in; answers have it in lower case.
    new["properties"]["sensor_id"]["pattern"] = "^([A-Za-z]{1,58}[0-9]{6}|[0-9]{12}|[Mm][0-9A-Fa-f]{20})$"
    limits = change["properties"]["thresholds"]
    limits["additionalProperties"] = {"type": ["number", "null"]}
    user = _object(
        {"name": _TEXT, "role": {"enum": ["admin", "operator", "viewer"]}, "one_time": {"type": "boolean"}, "added_at": _MOMENT}
    )
    scope = {"type": "string", "description": EXPECTED["scope"], "examples": ["read write"]}
    token = {
        "id": {"type": "string", "description": "first 12 digits of its hash"},
        "user": _TEXT,
        "scope": scope,
        "expires_at": _MOMENT,
    }
    life = {"type": "integer", "minimum": 1, "maximum": 36_500}
    return {
        "Problem": _problem(),
        "NewSensor": new,
        "SensorChange": {**change, "minProperties": 1},
        "Sensor": _sensor(new),
        "SensorWithSecret": {"allOf": [ref("Sensor"), _object({"secret": _TEXT})]},
        "SensorChanged": {"allOf": [ref("Sensor"), _object({"note": {**_TEXT, "description": _NOTE}}, required=[])]},
        "SensorInList": _listed(),
        "TokenLife": _object({"days": {**life, "default": 7}}, required=[]),
        "SensorToken": _object({"sensor_id": _TEXT, "token": _TEXT, "refresh_at": _MOMENT, "expires_at": _MOMENT}),
        "ImportReport": _report(),
        "SiteFacts": _of(commands.PutSite, without=("site_id",)),
        "Site": _object({"site_id": _TEXT, "zone": _TEXT, "name": _TEXT, "address": _TEXT, "sensors": _COUNT}),
        "NewUser": _of(commands.AddUser),
        "UserChange": _of(commands.ChangeRole, without=("name",)),
        "User": user,
        "UserWithPassword": {"allOf": [ref("User"), _object({"one_time_password": _TEXT})]},
        "NewUserToken": _object({"scope": {**scope, "default": "read write"}, "days": {**life, "default": 365}}, required=[]),
        "UserToken": _object(token),
        "UserTokenOnce": _object({**token, "token": _TEXT}),
        "Tariff": _object({"tariff_id": _TEXT, "valid_from": {"type": "array", "items": {"type": "string", "format": "date"}}}),
        "TariffVersion": _object(
            {"tariff_id": _TEXT, "valid_from": {"type": "string", "format": "date"}, "document": {"type": "object"}}
        ),
        **meter_schemas.components(),
        **notification_schemas.components(),
        **anomaly_schemas.components(),
    }


def _sensor(new: Document) -> Document:
    facts = {name: {k: v for k, v in one.items() if k != "default"} for name, one in new["properties"].items()}
    token = _object({"issued_at": _MOMENT, "refresh_at": _MOMENT, "expires_at": _MOMENT})
    facts["zone"] = {"type": "string", "description": "in force: its site's when it has one"}
    return _object(
        {
            "sensor_id": _TEXT,
            "registration": {"enum": list(REGISTRATIONS), "description": "new: has had no token yet"},
            **{name: one for name, one in facts.items() if name != "sensor_id"},
            "own_zone": {"type": "string", "description": "in force where it has no site"},
            "terms": {"type": "array", "items": _terms(), "description": "what it is billed by from which day on, oldest first"},
            "registered_at": _MOMENT,
            "revoked_at": {"type": ["string", "null"], "format": "date-time"},
            "tokens": {"type": "array", "items": token, "maxItems": 2},
        }
    )


def _terms() -> Document:
    since = {"type": ["string", "null"], "format": "date", "description": "null: since ever"}
    return _object({"from": since, "tariff": _TEXT, "contracted_power_w": {"type": "number"}})


def _listed() -> Document:
    known = {"type": ["string", "null"], "description": "null: heard of, but not registered"}
    return _object(
        {
            "id": _TEXT,
            "state": {"enum": ["live", "silent", "never"]},
            "detail": {"type": "string", "description": "for people"},
            "newest_s": {"type": ["integer", "null"], "description": "newest second heard, UTC"},
            "power_w": {"type": ["number", "null"]},
            "registration": {"enum": [*REGISTRATIONS, None]},
            "owner": known,
            "address": known,
            "category": known,
            "site": known,
            "anomalies": {**_COUNT, "description": "that go on"},
        }
    )


def _report() -> Document:
    row = _object(
        {
            "line": {"type": "integer", "minimum": 1},
            "sensor_id": _TEXT,
            "result": {"enum": ["added", "unchanged", "refused", "unknown"]},
            "detail": _TEXT,
            "field": _TEXT,
            "code": _TEXT,
            "secret": {"type": "string", "description": "shown only here"},
        },
        required=["line", "result", "detail"],
    )
    counts = dict.fromkeys(("added", "unchanged", "refused", "unknown"), _COUNT)
    return _object({"dry_run": {"type": "boolean"}, **counts, "rows": {"type": "array", "items": row}})


def _problem() -> Document:
    found = _object(
        {
            "status": {"type": "integer"},
            "code": _TEXT,
            "detail": _TEXT,
            "field": {"type": "string", "description": "what it is about"},
        },
        required=["status", "code", "detail"],
    )
    return {**found, "description": "Why a request was refused: `code` for programs, `detail` for people."}

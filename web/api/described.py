"""What the document says of operations whose doors judge by themselves: queries, replays, status."""

from aiohttp import web

from web.api import schemas
from web.api.operation import Operation, Role, Scope
from web.api.replays import WORST_MOST
from web.api.sql import DEFAULT_FORMAT, FORMATS

_TAG = "data"
_REPLAY = "/api/v1/replays/{name}"
_ANY = {"type": "object"}


async def _elsewhere(_: web.Request) -> web.Response:
    raise AssertionError("only described here")


def operations(*, replays: bool) -> list[Operation]:
    """Descriptions only; their routes are added elsewhere.

    Args:
        replays: whether this server has them.
    """
    return [*_queries(), *(_replays() if replays else [])]


def _queries() -> list[Operation]:
    ask = {
        "type": "object",
        "required": ["sql"],
        "properties": {"sql": {"type": "string"}, "format": {"enum": list(FORMATS), "default": DEFAULT_FORMAT}},
        "additionalProperties": False,
    }
    example = {"sql": "SELECT * FROM minutes ORDER BY minute DESC LIMIT 6"}
    return [
        Operation(
            *("GET", "/api/v1/status", _TAG, "Which parts are down", _elsewhere),
            answers={
                200: _json("`outages` is empty when all is well.", {"boot": {"type": "string"}, "outages": {"type": "array"}})
            },
        ),
        Operation(
            *("POST", "/api/v1/sql", _TAG, "One read-only query on ClickHouse", _elsewhere, "admin", "read"),
            description="As JSON, or as plain text with `?format=`.",
            body={"required": True, "content": {"application/json": {"schema": ask, "example": example}, "text/plain": {}}},
            answers={200: {"description": "The rows, in the format asked for."}},
            errors={422: "query_refused"},
        ),
    ]


def _replays() -> list[Operation]:
    one = {200: _json("The replay as it is now.", {})}
    refused = {404: "no_such_replay", 409: "replay_refused"}
    worst = schemas.query("worst", "how many of the worst minutes", "integer", minimum=0, maximum=WORST_MOST)
    plan = {"required": True, "content": {"application/json": {"schema": _ANY}}}
    by: tuple[Role, Scope] = ("admin", "write")
    return [
        Operation(
            *("GET", "/api/v1/replays", _TAG, "All replays", _elsewhere, "admin", "read"),
            answers={200: _json("All there are.", {"replays": {"type": "array", "items": _ANY}})},
        ),
        Operation(
            *("POST", "/api/v1/replays", _TAG, "Make the tables of a replay", _elsewhere, *by),
            description="For `powermon replay`, which makes the plan and fills the tables.",
            body=plan,
            answers=one,
            errors={409: "replay_refused", 422: "bad_plan"},
        ),
        Operation("GET", _REPLAY, _TAG, "One replay", _elsewhere, "admin", "read", answers=one, errors=refused),
        Operation(
            *("DELETE", _REPLAY, _TAG, "Remove a replay and its tables", _elsewhere, *by),
            answers={200: _json("Removed.", {})},
            errors=refused,
        ),
        Operation(
            *("GET", f"{_REPLAY}/diff", _TAG, "A replay beside what is live", _elsewhere, "admin", "read"),
            parameters=(worst,),
            answers={200: _json("How they differ.", {})},
            errors=refused,
        ),
        Operation("POST", f"{_REPLAY}/swap", _TAG, "Make a replay live", _elsewhere, *by, answers=one, errors=refused),
        Operation("POST", f"{_REPLAY}/undo", _TAG, "Undo that", _elsewhere, *by, answers=one, errors=refused),
    ]


def _json(text: str, properties: dict[str, object]) -> dict[str, object]:
    schema = {"type": "object", "properties": properties} if properties else _ANY
    return {"description": text, "content": {"application/json": {"schema": schema}}}

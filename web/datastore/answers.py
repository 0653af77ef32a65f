"""Answers of the datastore: JSON without blanks, errors in the contract's words."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

Document = dict[str, Any]

NOT_SIGNED_IN = "Authentication credentials were not provided."
NOT_ALLOWED = "You do not have permission to perform this action."
NOT_FOUND = "Not found."

_AT_ONCE = 250
_WHOLE_MOST = 1 << 20
"""Bytes."""


class Refused(Exception):
    """A request that is answered with an error.

    Attributes:
        body: the JSON answer.
    """

    def __init__(self, status: int, body: Document | list[Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}")
        self.status, self.body, self.headers = status, body, headers


class Invalid(Refused):
    """400: what is wrong, by field.

    Attributes:
        errors: texts by field.
    """

    def __init__(self, errors: Mapping[str, Any]) -> None:
        super().__init__(400, dict(errors))
        self.errors = errors


def detail(status: int, text: str, headers: Mapping[str, str] | None = None) -> Refused:
    return Refused(status, {"detail": text}, headers)


def not_found() -> Refused:
    return detail(404, NOT_FOUND)


def no_dictionary(found: Any) -> Invalid:
    """400 for a body that is no object."""
    if found is None:
        return Invalid({"non_field_errors": ["No data provided"]})
    return Invalid({"non_field_errors": [f"Invalid data. Expected a dictionary, but got {type(found).__name__}."]})


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer; not-a-number becomes null."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)


def shown(value: Any, most: int = 255) -> str:
    """A value of a body as an answer may show it."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return "a number of very many digits"
    return str(value)[:most]


def json_list(pieces: Sequence[bytes], status: int = 200) -> web.Response:
    """A list whose entries are JSON already, with commas between those of one piece; a long one is sent piece by piece."""
    body: Any = b"[" + b",".join(pieces) + b"]" if sum(map(len, pieces)) <= _WHOLE_MOST else _sent(pieces)
    return web.Response(body=body, status=status, content_type="application/json")


async def _sent(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    before = b"["
    for piece in pieces:
        yield before + piece
        before = b","
    yield b"]"


async def listed(entries: Sequence[Any], say: Callable[[Any], Document]) -> list[bytes]:
    """The pieces of a JSON list; between two the event loop does its other work."""
    said = []
    for start in range(0, len(entries), _AT_ONCE):
        said.append(msgspec.json.encode([say(entry) for entry in entries[start : start + _AT_ONCE]])[1:-1])
        await asyncio.sleep(0)
    return said

"""One line of a file to one record of a batch, or the reason why not. Pure.

Only what decides where a record goes is looked at here; everything else is the gateway's to judge and is passed
on as it stands.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

LINE_MAX = 65_536
"""Bytes of one body, as at POST /powermon/data."""

DEPTH_MAX = 32

_ENVELOPE = ("version", "sensor_id", "token")
_SENSOR_ID = re.compile(r"[A-Za-z]{1,58}[0-9]{6}")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_quote = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Line:
    """A line that may be sent.

    Attributes:
        number: in the file, from 1.
        sensor_id: lower case.
        version, token: as they stood in the line, JSON; None when absent.
        record: the line's object without version, sensor_id and token; JSON.
    """

    number: int
    sensor_id: str
    version: bytes | None
    token: bytes | None
    record: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that was not accepted; codes as in the sensor contract."""

    number: int
    code: str
    detail: str


def read_line(number: int, text: bytes, *, needs_token: bool) -> Line | Refused:
    """Take one line apart.

    Args:
        number: of the line, from 1.
        text: without its line end.
        needs_token: whether the line must bring its own token; else one it brings is left out.
    """
    if len(text) > LINE_MAX:
        return Refused(number, "body_too_large", f"more than {LINE_MAX} bytes")
    try:
        members = _members(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _not_members(number, text, error)
    if _odd(text, members):
        fault = fault_of(text)
        if fault is not None:
            return Refused(number, *fault)
    return _line(number, members, needs_token)


def _odd(text: bytes, members: dict[str, msgspec.Raw]) -> bool:
    """Whether a text may hold what the quick look above does not see: other letters, depth, a repeated member."""
    return (
        not text.isascii()
        or text.count(b"[") + text.count(b"{") > DEPTH_MAX
        or b"\\" in text
        or any(text.count(b'"' + name.encode() + b'"') != 1 for name in members)
    )


def _line(number: int, members: dict[str, msgspec.Raw], needs_token: bool) -> Line | Refused:
    raw_id, token, version = members.get("sensor_id"), members.get("token"), members.get("version")
    if raw_id is None:
        return Refused(number, "missing_field", "sensor_id is missing")
    try:
        sensor_id = _text(raw_id)
    except (msgspec.MsgspecError, ValueError):
        return Refused(number, "wrong_type", f"sensor_id {bytes(raw_id)[:40]!r} came; expected a string")
    if not _SENSOR_ID.fullmatch(sensor_id):
        return Refused(number, "bad_sensor_id", f"{sensor_id[:70]!r} came; expected Latin letters and then six digits")
    if needs_token and token is None:
        return Refused(number, "token_missing", "the line holds no token; with --token-for-all the operator's is used")
    record = b",".join(_quote(name) + b":" + bytes(value) for name, value in members.items() if name not in _ENVELOPE)
    return Line(
        number,
        sensor_id.lower(),
        None if version is None else bytes(version),
        bytes(token) if token is not None and needs_token else None,
        b"{" + record + b"}",
    )


def _not_members(number: int, text: bytes, error: Exception) -> Refused:
    fault = fault_of(text)
    if fault is not None:
        return Refused(number, *fault)
    if isinstance(error, RecursionError):
        return Refused(number, "too_deep", f"more than {DEPTH_MAX} levels")
    if isinstance(error, msgspec.ValidationError):
        return Refused(number, "not_an_object", "expected an object")
    return Refused(number, "bad_json", str(error)[:120])


class _Repeated(Exception):
    pass


def fault_of(text: bytes) -> tuple[str, str] | None:
    """What is wrong with a JSON text as such, looked at slowly and strictly: (code, detail), or None."""

    def once(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise _Repeated(next(name for name in names if names.count(name) > 1))

    def constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        return "bad_encoding", f"byte {error.start} is not UTF-8"
    if depth_of(text) > DEPTH_MAX:
        return "too_deep", f"more than {DEPTH_MAX} levels"
    try:
        json.loads(decoded, object_pairs_hook=once, parse_constant=constant, parse_int=len, parse_float=len)
    except _Repeated as error:
        return "duplicate_key", f"member {str(error)[:60]!r} stands more than once in one object"
    except (ValueError, RecursionError) as error:
        return "bad_json", str(error)[:120]
    return None


def depth_of(text: bytes) -> int:
    """How deep a JSON text nests; brackets inside strings do not count."""
    depth = deepest = 0
    in_string = False
    for mark in re.findall(rb'\\.|["\[\]{}]', text, re.DOTALL):
        if mark == b'"':
            in_string = not in_string
        elif in_string or mark[:1] == b"\\":
            continue
        elif mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest

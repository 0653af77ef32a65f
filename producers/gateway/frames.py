"""WebSocket frames, [2, id, action, payload] and what answers them: bytes in, values out, no socket and no clock."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from producers.gateway.members import RejectedError, parse
from producers.gateway.members import kind as kind_of
from producers.gateway.verdict import Rejection

FRAME_MAX = 2 * 1024 * 1024
ID_MAX = 36
NO_ID = "-1"
"""The id of an error that answers a frame whose own id could not be read."""

CALL, RESULT, ERROR = 2, 3, 4

FORMATION, PROPERTY, SECURITY, INTERNAL = "FormationViolation", "PropertyConstraintViolation", "SecurityError", "InternalError"
_CLASS_OF = {400: FORMATION, 401: SECURITY, 403: SECURITY, 404: PROPERTY, 413: PROPERTY, 422: PROPERTY}

_SHAPE = "expected [2, id, action, payload], [3, id, payload] or [4, id, code, text, details]"


class Call(NamedTuple):
    """[2, id, action, payload]: the other side asks."""

    id: str
    action: str
    payload: dict[str, Any]


class Reply(NamedTuple):
    """[3, id, payload] or [4, id, code, text, details]: an answer to a call of ours.

    Attributes:
        error: code, text and details; None when it is a result.
    """

    id: str
    payload: dict[str, Any]
    error: tuple[str, str, dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that is answered with an error.

    Attributes:
        id: of the frame, NO_ID when it could not be read.
        kind: the error's code as OCPP names it; the contract's own code stands in the details.
        more: further details.
    """

    id: str
    rejection: Rejection
    kind: str
    more: dict[str, Any] | None = None


def refused(frame_id: str, rejection: Rejection) -> Refused:
    """A frame of good shape that is refused for what it says."""
    return Refused(frame_id, rejection, _CLASS_OF.get(rejection.status, INTERNAL))


def read(frame: bytes) -> Call | Reply | Refused:
    """Read one frame, with JSON as strict as in a post."""
    try:
        top = parse(frame)
    except RejectedError as error:
        return Refused(NO_ID, error.rejection, FORMATION)
    frame_id = _id_of(top)
    if isinstance(frame_id, Refused):
        return frame_id
    kind = top[0] if type(top[0]) is int else None
    if kind == CALL:
        return _call(frame_id, top)
    if kind in (RESULT, ERROR):
        return _reply(frame_id, kind, top)
    return _misshapen(frame_id, "wrong_type", f"a frame of another kind came; {_SHAPE}")


def _id_of(top: Any) -> str | Refused:
    if not isinstance(top, list):
        return _misshapen(NO_ID, "not_an_object", f"{kind_of(top)} came; {_SHAPE}")
    if len(top) < 2:
        return _misshapen(NO_ID, "missing_field", f"{len(top)} elements came; {_SHAPE}")
    frame_id = top[1]
    if not isinstance(frame_id, str):
        return _misshapen(NO_ID, "wrong_type", f"{kind_of(frame_id)} came for an id; expected a string")
    if len(frame_id) > ID_MAX:
        return _misshapen(NO_ID, "out_of_range", f"an id of {len(frame_id)} characters came; expected at most {ID_MAX}")
    return frame_id


def _call(frame_id: str, top: list[Any]) -> Call | Refused:
    if len(top) != 4:
        code = "missing_field" if len(top) < 4 else "wrong_type"
        return _misshapen(frame_id, code, f"a call of {len(top)} elements came; expected [2, id, action, payload]")
    action, payload = top[2:]
    if not isinstance(action, str):
        return _misshapen(frame_id, "wrong_type", f"{kind_of(action)} came for an action; expected a string")
    if not isinstance(payload, dict):
        return _misshapen(frame_id, "not_an_object", f"{kind_of(payload)} came for a payload; expected an object")
    return Call(frame_id, action, payload)


def _reply(frame_id: str, kind: int, top: list[Any]) -> Reply | Refused:
    if kind == RESULT and len(top) == 3 and isinstance(top[2], dict):
        return Reply(frame_id, top[2], None)
    if kind == ERROR and len(top) == 5 and isinstance(top[2], str) and isinstance(top[3], str) and isinstance(top[4], dict):
        return Reply(frame_id, {}, (top[2], top[3], top[4]))
    return _misshapen(frame_id, "wrong_type", f"an answer of another shape came; {_SHAPE}")


def _misshapen(frame_id: str, code: str, detail: str) -> Refused:
    return Refused(frame_id, Rejection(422, code, None, detail), FORMATION)


# ---- what is sent


def result(frame_id: str, payload: dict[str, Any]) -> bytes:
    return _text([RESULT, frame_id, payload])


def error(what: Refused) -> bytes:
    """[4, id, kind, text, {"code", "field", "retry", …}]."""
    rejection = what.rejection
    details = {"code": rejection.code, "field": rejection.field, "retry": rejection.retry, **(what.more or {})}
    if rejection.retry_after_s is not None:
        details["retry_after"] = rejection.retry_after_s
    return _text([ERROR, what.id, what.kind, rejection.detail, details])


def call(frame_id: str, action: str, payload: dict[str, Any]) -> bytes:
    return _text([CALL, frame_id, action, payload])


def wire(text: bytes) -> bytes:
    """A whole WebSocket text message as RFC 6455 section 5.2 has it: final, not masked, in one frame."""
    n = len(text)
    if n < 126:
        return bytes((0x81, n)) + text
    if n < 1 << 16:
        return b"\x81\x7e" + n.to_bytes(2, "big") + text
    return b"\x81\x7f" + n.to_bytes(8, "big") + text


def _text(frame: list[Any]) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()

"""Any bytes to a JSON object and its members: the strict reading that every body gets, and the words of a refusal."""

import datetime
import json
import re
from typing import Any, NoReturn

import numpy

from producers.gateway.verdict import MISSING, Rejection

SENSOR_ID = r"(?:[A-Za-z]{1,58}[0-9]{6}|[0-9]{12}|[Mm][0-9A-Fa-f]{20})"
"""Of a sensor, or of a meter: its address or pseudonym. What each may post is judged by its token."""
VERSION = r"[0-9]{6}"
DEPTH_MAX = 32

_DIGITS_MAX = 25
BEYOND = 10**_DIGITS_MAX
"""What integers of more digits become."""
_SENSOR_ID = re.compile(SENSOR_ID, re.ASCII)
_VERSION = re.compile(VERSION, re.ASCII)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A string, also one that does not end: a search that went back to look for its end would take the square of its length."""
_TOKEN = re.compile(r"pm[1s]_[\w-]*", re.ASCII)
_HIDDEN = "pm?_..."
_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


class RejectedError(Exception):
    """A body that is refused, on its way out of the functions that read it."""

    def __init__(self, status: int, code: str, field: str | None, detail: str) -> None:
        super().__init__(code)
        self.rejection = Rejection(status, code, field, detail)


def top_level(body: bytes) -> dict[str, Any]:
    """The object a body is.

    Raises:
        RejectedError: it is none, or there is not one way only of reading it.
    """
    top = parse(body)
    if not isinstance(top, dict):
        no("not_an_object", None, f"{kind(top)} came; expected an object")
    return top


def parse(body: bytes) -> Any:
    """The value that a text of JSON is.

    Raises:
        RejectedError: it is none, or there is not one way only of reading it.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RejectedError(400, "bad_encoding", None, f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        top = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        if _too_deep(text[: error.pos + 1].encode()):
            _deep()
        raise RejectedError(400, "bad_json", None, f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        _deep()
    if _too_deep(body):
        _deep()
    return top


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        repeated = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise RejectedError(
            400, "duplicate_key", without_tokens(repeated[:64]), "a member stands twice in one object; expected once"
        )
    return members


def _constant(name: str) -> NoReturn:
    raise RejectedError(400, "bad_json", None, f"{name} is not JSON")


def _integer(digits: str) -> int:
    # Beyond every range of ours one number is as good as another, and converting a long one costs its square.
    return int(digits) if len(digits) <= _DIGITS_MAX else -BEYOND if digits[0] == "-" else BEYOND


def _too_deep(text: bytes) -> bool:
    # Counted by numpy: as a loop of ours, two megabytes of brackets kept the processor for half a second.
    steps = numpy.frombuffer(_STRING.sub(b"", text).translate(_STEPS, _BUT_BRACKETS), numpy.int8)
    return len(steps) > DEPTH_MAX and int(steps.cumsum(dtype=numpy.int32).max()) > DEPTH_MAX


def _deep() -> NoReturn:
    raise RejectedError(400, "too_deep", None, f"the body nests deeper than {DEPTH_MAX} levels")


def sensor_id_of(top: dict[str, Any]) -> str:
    """The member sensor_id, in lower case."""
    sensor_id = member(top, "sensor_id", "")
    if not isinstance(sensor_id, str):
        wrong_type("sensor_id", sensor_id, "a string")
    if not is_sensor_id(sensor_id):
        no(
            "bad_sensor_id",
            "sensor_id",
            f"{echo(sensor_id, 64)} came; expected 1 to 58 Latin letters, then six digits; of a Linky 12 digits or a pseudonym",
        )
    return sensor_id.lower()


def is_sensor_id(text: str) -> bool:
    """Whether text is a sensor's id, in letters of either case."""
    return _SENSOR_ID.fullmatch(text) is not None


def version_of(top: dict[str, Any]) -> str:
    """The member version."""
    version = member(top, "version", "")
    if not isinstance(version, str):
        wrong_type("version", version, "a string")
    if not is_version(version):
        no("bad_version", "version", f"{echo(version, 20)} came; expected a date as YYMMDD")
    return version


def is_version(text: str) -> bool:
    """Whether text is six digits that are a date, YYMMDD."""
    if not _VERSION.fullmatch(text):
        return False
    try:
        datetime.date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return False
    return True


def member(members: dict[str, Any], name: str, at: str) -> Any:
    """A member that must be there; `at` is where the object stands, for the refusal."""
    value = members.get(name, MISSING)
    if value is MISSING:
        field = f"{at}.{name}" if at else name
        no("missing_field", field, f"there is no {field}; it is required")
    return value


def no(code: str, field: str | None, detail: str) -> NoReturn:
    """Refuse with 422."""
    raise RejectedError(422, code, field, detail)


def wrong_type(field: str, value: Any, expected: str) -> NoReturn:
    no("wrong_type", field, f"{kind(value)} came; expected {expected}")


def echo(text: str, most: int) -> str:
    """What came, for a refusal: a piece of it as a literal, with what looks like a token or secret left out.

    Devices mix up their fields, and write our answers to logs of their own.
    """
    return ascii(without_tokens(text[:most]))


def without_tokens(text: str) -> str:
    """Text in which nothing that looks like a token or secret of ours is left."""
    return _TOKEN.sub(_HIDDEN, text)


def kind(value: Any) -> str:
    words = {dict: "an object", list: "an array", str: "a string", int: "an integer", bool: "a truth value"}
    return "null" if value is None else words.get(type(value), "a number with a fraction or exponent")


def shown(number: int) -> str:
    return str(number) if abs(number) < BEYOND else "a number of many digits"

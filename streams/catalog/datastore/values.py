"""A value of a JSON body as a data type of the contract, or ValueError with the contract's text."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

BAD_TIME = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
BAD_DATE = "Date has wrong format. Use one of these formats instead: YYYY[-MM[-DD]]."
BAD_NUMBER = "A valid number is required."
BAD_INTEGER = "A valid integer is required."
CHAR_MAX = 100

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})[T ]([0-9]{1,2}):([0-9]{1,2})"
    r"(?::([0-9]{1,2})(?:\.([0-9]{1,6})[0-9]{0,6})?)?\s*(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_INTEGER = re.compile(r"[+-]?[0-9]{1,30}(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FLAGS: dict[Any, bool] = {"true": True, "1": True, "false": False, "0": False}


def boolean(value: object) -> bool:
    """true/false, 1/0, "true"/"false", "1"/"0" in any case."""
    if isinstance(value, str | int | bool):
        found = _FLAGS.get(str(value).strip().lower())
        if found is not None:
            return found
    said = type(value).__name__ if isinstance(value, list | dict) else str(value)[:100]
    raise ValueError(f'"{said}" is not a valid boolean.')


def text(value: object) -> str:
    """Trimmed; numbers are taken."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("Not a valid string.")
    found = str(value).strip()
    if len(found) > CHAR_MAX:
        raise ValueError(f"Ensure this field has no more than {CHAR_MAX} characters.")
    return found


def day(value: object) -> str:
    """A date as YYYY-MM-DD."""
    found = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(BAD_DATE)
    try:
        return date(*map(int, found.groups())).isoformat()
    except ValueError:
        raise ValueError(BAD_DATE) from None


def time_us(value: object) -> int:
    """A time as microseconds since 1970, UTC; without zone it is UTC."""
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(BAD_TIME)
    year, month, month_day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    fraction, zone = found.groups()[6:]
    try:
        moment = datetime(year, month, month_day, hour, minute, second, int((fraction or "0").ljust(6, "0")), _zone(zone))
        return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise ValueError(BAD_TIME) from None


def number(value: object) -> float:
    """A finite number; numeric text is taken."""
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits and not (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
        raise ValueError(BAD_NUMBER)
    try:
        found = float(value)  # type: ignore[arg-type]  # it is a number or the text of one
    except OverflowError:
        raise ValueError(BAD_NUMBER) from None
    if not math.isfinite(found):
        raise ValueError(BAD_NUMBER)
    return found


def integer(value: object) -> int:
    """A whole number of 64 bits; numeric text is taken."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(BAD_INTEGER)
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value.strip()):
            raise ValueError(BAD_INTEGER)
        value = int(value.strip().split(".")[0])
    if not -(2**63) <= value < 2**63:
        raise ValueError(BAD_INTEGER)
    return value


READERS: dict[str, Callable[[object], Any]] = {
    "BOOLEAN": boolean,
    "CHAR": text,
    "DATE": day,
    "DATETIME": time_us,
    "FLOAT": number,
    "INTEGER": integer,
}
"""How a value is read, by data type."""


def _zone(sign: str | None) -> timezone:
    if sign is None or sign == "Z":
        return UTC
    digits = sign[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if sign[0] == "-" else offset)

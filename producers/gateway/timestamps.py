"""Timestamps that came as strings."""

import datetime
import re

_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,25}", re.ASCII)


def seconds_of(text: str) -> int | None:
    """UTC seconds of a string: digits, or ISO-8601 in UTC, of which fractions of a second are cut off."""
    if _DIGITS.fullmatch(text):
        return int(text)
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    try:
        return int(datetime.datetime.fromisoformat(found[1] + "+00:00").timestamp())
    except ValueError:
        return None

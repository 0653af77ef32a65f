"""A tariff's document: JSON whose numbers stay the decimals that are written there."""

import json
from decimal import Decimal
from functools import lru_cache
from typing import Any

KEPCO, LINKY = "tariff-kepco/1", "tariff-linky/1"
"""What `schema` says of the two shapes that bills are made from."""

Document = dict[str, Any]


@lru_cache(maxsize=64)
def read(text: str) -> Document:
    """The document of a text; not to be changed by the caller.

    Raises:
        ValueError: it is no JSON object.
    """
    found = json.loads(text, parse_float=Decimal)
    if not isinstance(found, dict):
        raise ValueError(f"a JSON {type(found).__name__} came; expected an object")
    return found


def decimal(value: Any) -> Decimal:
    """A number of a document."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError(f"{value!r} came where a number is expected")
    return Decimal(value)

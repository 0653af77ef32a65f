"""The document of a tariff as it comes from a file or over REST."""

import json
from typing import Any

from streams.catalog.admin.fields import EXPECTED, FieldError, is_text
from streams.catalog.values import DOCUMENT_MAX


def tariff_document(content: bytes) -> str:
    """The text to keep, one JSON object, without needless space.

    Raises:
        FieldError: it is none, or too long.
    """
    try:
        document = json.loads(content.decode("utf-8-sig"), parse_constant=_no_number, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise _refusal("bytes that are not UTF-8") from error
    except RecursionError as error:
        raise _refusal("JSON nested too deep") from error
    except ValueError as error:
        raise _refusal(f"no JSON ({error})") from error
    if not isinstance(document, dict):
        raise _refusal(f"a JSON {type(document).__name__}")
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if not is_text(text):
        raise _refusal("text with half a surrogate pair")
    if len(text) > DOCUMENT_MAX:
        raise _refusal(f"an object of {len(text)} characters")
    return text


def _refusal(came: str) -> FieldError:
    return FieldError("document", "bad_document", f"{came} came; expected {EXPECTED['document']}")


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member name comes twice in one object")
    return found

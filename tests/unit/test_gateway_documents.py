"""The list of doors, and the OpenAPI document: whole, and the same as what the code does."""

import json
import re
from pathlib import Path
from typing import Any

from infra.openapi import page
from producers.gateway import app, guide
from producers.gateway.doors import CODES, DOCUMENT

GATEWAY = Path(app.__file__).parent


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for one in value for name in references(one)]
    if not isinstance(value, dict):
        return []
    found = [value["$ref"].rpartition("/")[2]] if "$ref" in value else []
    return found + [name for one in value.values() for name in references(one)]


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert set(references(DOCUMENT)) <= set(schemas)
    assert set(schemas) <= set(references(DOCUMENT))


def test_it_is_json_and_the_page_is_made_of_it() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    text = page(DOCUMENT)
    for path in DOCUMENT["paths"]:
        assert path in text
    assert "<script" not in text
    assert 'name="viewport"' in text


def test_every_code_that_is_answered_is_explained() -> None:
    known = {code for codes in CODES.values() for code in codes}
    names = ("exact", "members", "tokens", "secrets", "entrance", "handlers", "app", "arrival", "media", "connection", "sockets")
    text = "\n".join((GATEWAY / f"{name}.py").read_text() for name in names)
    answered = set(re.findall(r'(?:Rejection|RejectedError|_rejected)\(\s*(?:\d+|status),\s*"([a-z_]+)"', text))
    answered |= set(re.findall(r'(?:no|_rejected)\("([a-z_]+)"', text))
    assert len(answered) > 20
    assert answered <= known


def test_the_list_names_every_door() -> None:
    assert {door["path"] for door in guide.doors()} == set(DOCUMENT["paths"])
    assert all(door["summary"] for door in guide.doors())

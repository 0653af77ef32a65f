"""An OpenAPI 3.1 document as one HTML page: no script, nothing loaded from elsewhere."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup, escape

METHODS = ("get", "post", "put", "patch", "delete")

Document = dict[str, Any]


def page(document: Document, *, address: str = "openapi.json") -> str:
    """The document for people.

    Args:
        document: OpenAPI 3.1; texts may hold `code` and paragraphs.
        address: of the document itself, linked at the top.
    """
    schemas = document.get("components", {}).get("schemas", {})
    return _template().render(document=document, groups=_groups(document), schemas=schemas, address=address)


def _groups(document: Document) -> list[tuple[Document, list[Document]]]:
    """Operations by tag, in the order in which tags are declared, then in that of the paths."""
    tags = {tag["name"]: tag for tag in document.get("tags", [])}
    found: dict[str, list[Document]] = {name: [] for name in tags}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                operation = {**methods[method], "method": method.upper(), "path": path}
                operation["parameters"] = [*methods.get("parameters", []), *operation.get("parameters", [])]
                found.setdefault(next(iter(operation.get("tags", [])), "other"), []).append(operation)
    return [(tags.get(name, {"name": name}), operations) for name, operations in found.items() if operations]


def _prose(text: str) -> Markup:
    """Paragraphs, with `code`."""
    return Markup().join(Markup("<p>{}</p>").format(_line(part)) for part in text.strip().split("\n\n") if part.strip())


def _line(text: str) -> Markup:
    pieces = text.split("`")
    return Markup().join(Markup("<code>{}</code>").format(p) if k % 2 else escape(p) for k, p in enumerate(pieces))


def _kind(schema: Document) -> Markup:
    """What fits a schema, in a few words; named schemas are links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return Markup(" or ").join(_kind(one) for one in schema[word])
    if "enum" in schema:
        return Markup(" | ").join(Markup("<code>{}</code>").format(json.dumps(value)) for value in schema["enum"])
    if "const" in schema:
        return Markup("<code>{}</code>").format(json.dumps(schema["const"]))
    kind = schema.get("type", "anything")
    words = escape(" or ".join(kind) if isinstance(kind, list) else kind)
    if kind == "array" and schema.get("items"):
        words += Markup(" of ") + _kind(schema["items"])
    return words + escape(_bounds(schema))


def _bounds(schema: Document) -> str:
    signs = {
        "minimum": "≥ {}",
        "maximum": "≤ {}",
        "exclusiveMinimum": "> {}",
        "exclusiveMaximum": "< {}",
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minItems": "at least {}",
        "maxItems": "at most {}",
        "pattern": "as {}",
        "format": "{}",
    }
    said = [sign.format(schema[name]) for name, sign in signs.items() if name in schema]
    if "default" in schema:
        said.append(f"default {json.dumps(schema['default'], ensure_ascii=False)}")
    return f" ({', '.join(said)})" if said else ""


@cache
def _template() -> Template:
    found = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    found.filters.update(prose=_prose, line=_line, kind=_kind, pretty=lambda v: json.dumps(v, indent=2, ensure_ascii=False))
    return found.get_template("openapi.html")

"""An OpenAPI document as a page."""

from infra.openapi import page

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Doors <b>", "version": "1", "description": "First `code`.\n\nSecond."},
    "tags": [{"name": "late", "description": "declared first"}, {"name": "early"}],
    "paths": {
        "/a/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 9}}],
            "get": {
                "tags": ["early"],
                "summary": "look",
                "responses": {"200": {"description": "found", "content": {"application/json": {"example": {"a": "<i>"}}}}},
            },
        },
        "/b": {
            "post": {
                "tags": ["late"],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {"201": {"description": "made"}},
            }
        },
    },
    "components": {
        "schemas": {
            "Thing": {
                "required": ["kind"],
                "properties": {
                    "kind": {"enum": ["x", "y"], "description": "which"},
                    "n": {"type": ["integer", "null"], "minimum": 0},
                },
            }
        }
    },
}


def test_every_operation_stands_on_the_page_under_its_tag() -> None:
    text = page(DOCUMENT)
    assert text.index("declared first") < text.index("/b") < text.index("/a/{id}")
    for part in ("string (at most 9 characters)", '<a href="#schema-Thing">', 'id="schema-Thing"', "integer or null (≥ 0)"):
        assert part in text
    assert "<p>First <code>code</code>.</p><p>Second.</p>" in text


def test_texts_are_escaped_and_nothing_is_loaded() -> None:
    text = page(DOCUMENT)
    assert "Doors &lt;b&gt;" in text
    assert "&lt;i&gt;" in text
    assert "<script" not in text
    assert "http" not in text

"""Pages from templates, and the headers every answer carries."""

import secrets
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, Template

from web.assets import versioned

_templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


def template(name: str) -> Template:
    """A template by file name; its values are escaped."""
    return _templates.get_template(name)


def page(file: str, /, *, status: int = 200, **values: Any) -> web.Response:
    """A page of ours."""
    text = template(file).render({"versioned": versioned, **values})
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)


def new_nonce() -> str:
    """What marks the inline scripts of one answer as ours."""
    return secrets.token_urlsafe(16)


NONCE = web.ResponseKey("nonce", str)


async def secure(request: web.Request, response: web.StreamResponse) -> None:
    """The security headers; nothing is ever loaded from elsewhere."""
    nonce = response.get(NONCE)
    scripts = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
    headers = response.headers
    headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    )
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    headers.setdefault("Cache-Control", "no-store")
    if request.secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    headers.popall("Server", None)

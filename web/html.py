"""Pages from templates, and the headers every answer carries."""

import json
import secrets
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, Template

from web.assets import versioned
from web.language import LANGUAGES, current, script_messages
from web.view.places import PLACES
from web.view.say import Language, localized, say, say_n


@cache
def _environment(language: Language) -> Environment:
    """The templates in one language: every text they show is said in it."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=lambda value: localized(value, language),
    )
    made.globals |= {"_": say, "say_n": say_n, "lang": language.code, "languages": LANGUAGES, "navigation": PLACES}
    made.globals["texts"] = script_messages(language.code)
    dumps = made.policies["json.dumps_function"] or json.dumps
    made.policies["json.dumps_function"] = lambda value, **how: dumps(localized(value, language), **how)
    return made


def template(name: str) -> Template:
    """A template by file name, in the language of the request; its values are escaped."""
    return _environment(current()).get_template(name)


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

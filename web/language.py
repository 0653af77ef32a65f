"""The languages of the pages: which one a request wants, and its messages.

The switch in a page's frame keeps the reader's choice in a cookie; before that, the browser's own list counts.
"""

import gettext
import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from babel import Locale
from babel.dates import format_datetime
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from web.view.say import ENGLISH, Language

LANGUAGES = {"en": "English", "ko": "한국어", "fr": "Français"}
"""By code, as each calls itself."""
COOKIE = "powermon_language"
MESSAGES = Path(__file__).parent / "messages"

_FIGURES = {"ko": (".", ","), "fr": (",", "\u202f")}
_PATTERNS = {
    "ko": {"date": "y. M. d.", "full date": "y년 M월 d일 EEEE", "long date": "y년 M월 d일", "day": "M월 d일", "month": "y년 M월"}
    | {"weekday and day": "M월 d일 (EEE)"},
    "fr": {"date": "dd/MM/y", "full date": "EEEE d MMMM y", "long date": "d MMMM y", "day": "d MMM", "month": "MMMM y"}
    | {"weekday and day": "EEE d MMM"},
}
_TIMES = {"second": "HH:mm:ss", "minute": "HH:mm"}
_SHORT = {"short month": "MMM", "weekday": "EEE"}

_current: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def current() -> Language:
    """The language of the request that is being answered; of a task it started, the one it began with."""
    return _current.get()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Answer in a language."""
    token = _current.set(language(code))
    try:
        yield
    finally:
        _current.reset(token)


@cache
def catalog(code: str) -> Catalog:
    """The messages of a language as they stand in its file."""
    with (MESSAGES / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


@cache
def language(code: str) -> Language:
    """A language by its code; English when there is none of this code."""
    if code not in LANGUAGES or code == ENGLISH.code:
        return ENGLISH
    compiled = io.BytesIO()
    write_mo(compiled, catalog(code))
    compiled.seek(0)
    known = gettext.GNUTranslations(compiled)
    patterns = _TIMES | _SHORT | _PATTERNS[code]
    patterns |= {f"date {name}": f"{patterns['date']} {time}" for name, time in _TIMES.items()}
    locale = Locale(code)

    def moment(at: date, pattern: str) -> str:
        return format_datetime(at, patterns[pattern], locale=locale)

    return Language(code, known.gettext, known.ngettext, _FIGURES[code], moment)


@cache
def script_messages(code: str) -> dict[str, Any]:
    """The translations of what scripts say: text, or one and many."""
    if code == ENGLISH.code:
        return {}
    spoken = [m for m in catalog(code) if m.string and any(str(path).endswith(".js") for path, _ in m.locations)]
    return {m.id[0] if isinstance(m.id, tuple | list) else m.id: m.string for m in spoken}


def wanted(cookie: str | None, accept: str) -> str:
    """The code of the language to answer in.

    Args:
        cookie: the reader's own choice.
        accept: the header Accept-Language.
    """
    if cookie in LANGUAGES:
        return cookie
    listed: list[tuple[float, int, str]] = []
    for nth, part in enumerate(accept.split(",")[:50]):
        name, _, weight = part.partition(";")
        code = name.strip().partition("-")[0].lower()
        try:
            share = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if code in LANGUAGES and share > 0:
            listed.append((-share, nth, code))
    return min(listed)[2] if listed else ENGLISH.code


@web.middleware
async def choose(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer each request in the language its reader wants."""
    with speaking(wanted(request.cookies.get(COOKIE), request.headers.get("Accept-Language", ""))):
        return await handler(request)

"""What the first reader in a language would wait for page by page: plots, and templates with their messages."""

import asyncio
from functools import cache

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from web.html import template
from web.language import current
from web.pages import anomaly, energy, live, meter
from web.view.say import Language

_TEMPLATES = ("live.html", "energy.html", "demand.html", "cost.html", "anomalies.html", "meter.html")


class ReadyMade:
    """Makes it beside the event loop while somebody looks at their first page, the one to sign in at say."""

    def __init__(self) -> None:
        self._making: dict[str, asyncio.Future[None]] = {}

    @property
    def soon(self) -> Middleware:
        @web.middleware
        async def soon(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            language = current()
            if response.content_type == "text/html" and language.code not in self._making:
                self._making[language.code] = asyncio.ensure_future(asyncio.to_thread(make, language))
            return response

        return soon

    async def close(self) -> None:
        """Wait for what is being made; what could not be is tried again, and fails for all to see, by the page that needs it."""
        await asyncio.gather(*self._making.values(), return_exceptions=True)


@cache
def make(language: Language) -> None:
    """Make all of it in the language that is spoken; takes a second."""
    for of_language in (live.plots, meter.plots):
        of_language(language)
    for of_all in (energy.document, anomaly.timeline, anomaly.around):
        of_all()
    for name in _TEMPLATES:
        template(name)

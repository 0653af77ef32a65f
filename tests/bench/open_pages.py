"""Open pages for a measurement: each signs in, takes its page and then asks for what the page's scripts ask for; costs little.

python -m tests.bench.open_pages --wait SECONDS BASE TOKEN SECONDS REPORT PATH…
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, CookieJar, WSMsgType

LIST_S, FRESH_S = 2.0, 3.0
"""How often static/sensors.js and static/fresh.js ask."""

SPREAD_S = 0.3
"""Pages are opened one after another: nobody opens fifty at once."""

_TOKEN = re.compile(r'"token":"([^"]+)"')
_VIEW = re.compile(r'<script type="application/json" id="view">(.*?)</script>', re.DOTALL)


@dataclass
class Opened:
    """One open page, and what it got.

    Attributes:
        load_ms: until its HTML was there.
        asked: answers to its scripts.
        patches: changes of its plots over the WebSocket; `samples`: points that came with them.
        drawn: values in its view when it was opened, and in the last one.
        wrong: what was not as it must be.
    """

    path: str
    load_ms: float = 0.0
    asked: int = 0
    patches: int = 0
    samples: int = 0
    drawn: int = 0
    wrong: list[str] = field(default_factory=list)

    async def run(self, base: str, token: str, until: float) -> None:
        async with ClientSession(base, cookie_jar=CookieJar(unsafe=True), timeout=ClientTimeout(total=60)) as session:
            async with session.get("/signin", params={"token": token}, allow_redirects=False) as answer:
                await answer.read()
            began = time.monotonic()
            text = await self._get(session, self.path, "text/html")
            self.load_ms = (time.monotonic() - began) * 1000
            self.drawn = _values(text)
            jobs = [self._every(session, "/api/v1/status", LIST_S, until)]
            if 'id="list"' in text:
                kind = {"/": "sensors?kind=power&q=", "/meters": "meters?q="}.get(self.path.partition("?")[0], "sensors?q=")
                jobs.append(self._every(session, f"/api/v1/{kind}", LIST_S, until))
            if (found := _VIEW.search(text)) is not None and (every_s := json.loads(found[1]).get("every_s")):
                jobs.append(self._every(session, self.path, float(every_s), until, "text/html"))
            if "/fresh" in text:
                jobs.append(self._every(session, self.path, FRESH_S, until, "text/html"))
            if (held := _TOKEN.search(text)) is not None:
                jobs.append(self._plots(session, base, held[1], until))
            await asyncio.gather(*jobs)

    async def _get(self, session: ClientSession, path: str, accept: str = "application/json") -> str:
        try:
            async with session.get(path, headers={"Accept": accept}) as answer:
                text = await answer.text()
                if answer.status != 200 or answer.url.path != path.partition("?")[0]:
                    self.wrong.append(f"{path}: {answer.status} from {answer.url.path}")
                return text
        except (OSError, TimeoutError) as error:
            self.wrong.append(f"{path}: {error!r}")
            return ""

    async def _every(
        self, session: ClientSession, path: str, every_s: float, until: float, accept: str = "application/json"
    ) -> None:
        """Ask as the page does: so long after the answer before."""
        while time.monotonic() + every_s < until:
            await asyncio.sleep(every_s)
            text = await self._get(session, path, accept)
            self.asked += 1
            if accept == "text/html":
                self.drawn = _values(text)

    async def _plots(self, session: ClientSession, base: str, token: str, until: float) -> None:
        """What BokehJS does: takes the document, then every change of it."""
        path = "/meters/ws" if self.path.startswith("/meters") else "/ws"
        async with session.ws_connect(path, protocols=("bokeh", token), origin=base, max_msg_size=0) as socket:
            await _pull(socket)
            while (left := until - time.monotonic()) > 0:
                try:
                    message = await socket.receive(left)
                except TimeoutError:
                    break
                if message.type is not WSMsgType.TEXT:
                    if message.type is not WSMsgType.BINARY:
                        self.wrong.append(f"{self.path}: its plots ended with {message.type.name}")
                        break
                    continue
                if message.data.startswith('{"events"'):
                    self.patches += 1
                    self.samples += _samples(json.loads(message.data)["events"])


async def _pull(socket: ClientWebSocketResponse) -> None:
    for part in ({"msgid": "1", "msgtype": "PULL-DOC-REQ"}, {}, {}):
        await socket.send_str(json.dumps(part))


def _samples(events: list[dict[str, Any]]) -> int:
    """Points of time in what is appended."""
    streamed = [one["data"] for one in events if one.get("kind") == "ColumnsStreamed"]
    entries = [dict(one["entries"]) if one.get("type") == "map" else one for one in streamed]
    return sum(len(one["t"]) for one in entries if "power_A" in one)


def _values(text: str) -> int:
    """How many values a page's view draws; of a page without one, how many rows its tables have."""
    found = _VIEW.search(text)
    if found is None:
        return text.count("<tr")
    view = json.loads(found[1])
    bars = view.get("bars") or {}
    drawn = sum(value is not None for value in bars.get("top", ())) + len((view.get("lines") or {}).get("t", ()))
    return drawn or text.count("<tr")


async def main(base: str, token: str, seconds: float, paths: list[str]) -> dict[str, Any]:
    """Open every page and keep it open."""
    until, cpu = time.monotonic() + seconds, time.process_time()
    pages = [Opened(path) for path in paths]

    async def open_one(nth: int, page: Opened) -> None:
        await asyncio.sleep(nth * SPREAD_S)
        await page.run(base, token, until)

    await asyncio.gather(*(open_one(nth, page) for nth, page in enumerate(pages)))
    return {"pages": [vars(page) for page in pages], "cpu_share": (time.process_time() - cpu) / seconds}


if __name__ == "__main__":
    _, wait_s, base, token, seconds, report, *paths = sys.argv[1:]
    time.sleep(float(wait_s))
    found = asyncio.run(main(base, token, float(seconds), paths))
    Path(report).write_text(json.dumps(found))

"""/replays: which there are, what each read again, how far it is, and what it says otherwise than live."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from aiohttp import web

from infra.errors import NoSuchReplay, PartUnavailable, PowermonError, ReplayRefused
from schemas.units import MWS_PER_KWH
from web.api.replays import Replays
from web.identity import IDENTITY
from web.meter_pages import Shell
from web.view.replay import told
from web.view.say import Number, Text, say

WORST, DAYS = 20, 200
"""Rows on the page; the file has all days."""
WAIT_S = 5.0
"""How long a page waits for what the broker and the tables say."""

Document = dict[str, Any]


class ReplayPages:
    """Everything /replays holds.

    Args:
        replays: what does the work; None: this server has none.
        shell: answers with a page without a document on the server.
    """

    def __init__(self, replays: Replays | None, shell: Shell) -> None:
        self._replays, self._shell = replays, shell
        self._comparing: dict[str, asyncio.Task[Document]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/replays", self.every),
            web.get("/replays/{name}", self.show),
            web.get("/replays/{name}/days.csv", self.sheet),
        ]

    async def every(self, request: web.Request) -> web.Response:
        """All replays, the newest first."""
        found, trouble = await self._try(self._every)
        rows = [told(one) for one in reversed(found or [])]
        return self._shell("replays.html", request[IDENTITY], kind="replays", rows=rows, trouble=trouble)

    async def show(self, request: web.Request) -> web.Response:
        """One replay with its progress, and its differences once it is complete."""
        name = request.match_info["name"]
        try:
            found, trouble = await self._try(lambda: self._status(name))
        except NoSuchReplay:
            return self._shell("no_replay.html", request[IDENTITY], status=404, kind="replays", asked=name[:40])
        difference, waiting = None, False
        if found and found["complete"]:
            difference, trouble = await self._try(lambda: self._difference(name))
            waiting = difference is None and trouble is None
        identity = request[IDENTITY]
        values = {"one": told(found) if found else None, "name": name, "trouble": trouble, "waiting": waiting}
        shown = difference and {**difference, "days": difference["days"][:DAYS], "all_days": len(difference["days"])}
        may = identity.role == "admin" and identity.may("write")
        return self._shell(
            "replay.html", identity, kind="replays", may=may, difference=shown, energy=energy, at=minute_of, **values
        )

    async def sheet(self, request: web.Request) -> web.Response:
        """What differs, by sensor and UTC day, as CSV."""
        name = request.match_info["name"]
        try:
            found = await self._compare(name)
        except (PowermonError, ValueError) as error:
            return web.Response(status=404 if isinstance(error, NoSuchReplay) else 409, text=str(error))
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\r\n")
        columns = ("sensor_id", "day", "minutes", "only_live", "only_replay", "differing", "energy_difference_mws")
        rows.writerow(columns)
        rows.writerows([day[column] for column in columns] for day in found["days"])
        headers = {"Content-Disposition": f'attachment; filename="replay-{name}.csv"'}
        return web.Response(text=out.getvalue(), content_type="text/csv", charset="utf-8", headers=headers)

    # ---- the work, which blocks

    async def _every(self) -> list[Document]:
        return await asyncio.to_thread(self._replays.every) if self._replays else []

    async def _status(self, name: str) -> Document:
        if self._replays is None:
            raise NoSuchReplay(f"there is no replay {name}")
        replays = self._replays
        try:
            return await asyncio.to_thread(replays.status, name)
        except PartUnavailable:  # then what is known without the broker
            return next(one for one in await asyncio.to_thread(replays.every) if one["name"] == name)

    async def _difference(self, name: str) -> Document:
        return await self._compare(name)

    async def _compare(self, name: str) -> Document:
        """A comparison may take long: one at a time, and a page that did not wait for it finds it later."""
        if self._replays is None:
            raise NoSuchReplay(f"there is no replay {name}")
        task = self._comparing.get(name)
        if task is None:
            task = self._comparing[name] = asyncio.create_task(asyncio.to_thread(self._replays.diff, name, WORST))
            task.add_done_callback(lambda _: asyncio.get_running_loop().call_later(30, self._comparing.pop, name, None))
        return await asyncio.shield(task)

    async def _try(self, work: Callable[[], Awaitable[Any]]) -> tuple[Any, Text | str | None]:
        """What the work gives within WAIT_S, and why it gives nothing; neither: it is not done yet."""
        try:
            async with asyncio.timeout(WAIT_S):
                return await work(), None
        except TimeoutError:
            return None, None
        except NoSuchReplay:
            raise
        except (PartUnavailable, ReplayRefused, PowermonError) as error:
            structlog.get_logger(__name__).info("replays are not told", reason=str(error))
            return None, say("A part does not answer: {detail}", detail=str(error))


def energy(energy_mws: int | None) -> Text | str:
    """Energy as kWh with its sign."""
    if energy_mws is None:
        return "–"
    text = f"{energy_mws / MWS_PER_KWH:+,.6f}".replace(",", "\u202f").replace("-", "\u2212")
    return Number(text + " kWh")


def minute_of(at_s: int) -> str:
    """A minute in UTC, as replays take it."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M}"

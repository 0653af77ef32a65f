"""/meters: the pages of meters. `id` and `day` in the address reopen the same view."""

from collections.abc import Awaitable, Callable
from datetime import date
from urllib.parse import urlencode

from aiohttp import web
from bokeh.document import Document

from sinks.clickhouse import ClickHouse
from streams.catalog.state import State
from web.feed import Feed
from web.identity import IDENTITY, Identity
from web.meter_source import MeterSource
from web.meters import Meters, first
from web.pages.meter import MeterPage
from web.view import meter_day
from web.view.meter_day import Day
from web.view.say import moment, say

Plotted = Callable[..., Awaitable[web.Response]]
Shell = Callable[..., web.Response]
_EARLIEST = date(2010, 1, 1)


class MeterPages:
    """Everything /meters holds.

    Args:
        state: the catalog.
        plotted: answers with a page around plots: (page's name, identity, arguments of its document, **values).
        shell: answers with a page without plots.
        clock: UTC seconds.
    """

    def __init__(
        self, db: ClickHouse, state: Callable[[], State], plotted: Plotted, shell: Shell, clock: Callable[[], float]
    ) -> None:
        self.meters = Meters(db, state, clock)
        self.feed = Feed(MeterSource(db, self.meters.zone, self.meters.newest), clock)
        self._plotted, self._shell, self._clock = plotted, shell, clock

    async def show(self, request: web.Request) -> web.Response:
        """One meter on one day; today, and the first meter, when the address names none."""
        identity: Identity = request[IDENTITY]
        entries = await self.meters.entries()
        asked = request.query.get("id", "").strip()
        meter_id = asked or first(entries, self._clock())
        if meter_id is None or not self.meters.knows(meter_id):
            return self._shell("no_meter.html", identity, status=404 if asked else 200, asked=asked, kind="meter")
        zone = self.meters.zone(meter_id)
        now = meter_day.today(self._clock(), zone)
        day = _day(request.query.get("day"), now)
        await self.feed.prepare(meter_id, day.number)
        values = {"kind": "meter", "sensor_id": meter_id, "hours": 1, **_links(meter_id, day, now)}
        return await self._plotted("meter", identity, {"meter": meter_id, "day": str(day.number), "zone": zone}, **values)

    def build(self, document: Document, arguments: dict[str, str]) -> None:
        """Fill a new document."""
        MeterPage(document, self.feed, arguments["meter"], meter_day.day_of(int(arguments["day"]), arguments["zone"]))


def _day(asked: str | None, now: Day) -> Day:
    """The day somebody asks for; today when it is none, or none that can hold data."""
    try:
        wanted = date.fromisoformat(asked or "")
    except ValueError:
        return now
    return now if not _EARLIEST <= wanted <= now.date else meter_day.day_of(wanted.toordinal() - meter_day.EPOCH_DAY, now.zone)


def _links(meter_id: str, day: Day, now: Day) -> dict[str, object]:
    """What leads from this view to others."""

    def of(number: int) -> str:
        if number == now.number:
            return f"/meters?{urlencode({'id': meter_id})}"
        return f"/meters?{urlencode({'id': meter_id, 'day': meter_day.day_of(number, day.zone).date.isoformat()})}"

    span = urlencode({"from": meter_day.iso(day.start_s), "to": meter_day.iso(day.end_s), "format": "csv"})
    return {
        "today": day == now,
        "day_title": say("Today") if day == now else moment(day.date, "full date"),
        "meter_link": of(now.number),
        "before": of(day.number - 1),
        "after": None if day == now else of(day.number + 1),
        "csv": f"/api/v1/meters/{meter_id}/minutes?{span}",
    }

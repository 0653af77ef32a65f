"""The live page: the last minute of one sensor at its sampling rate, and its last hours by minute.

The plots are the same for everybody and come with the page; its document on the server holds the data alone. The
words and numbers around them, the list of sensors and the colours of light and dark are in templates/live.html and
static/live.js.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

from bokeh.document import Document
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from schemas.units import MINUTE_S
from web.feed import Feed, Page
from web.html import template
from web.language import current
from web.pages import look
from web.view import minutes, seconds
from web.view.say import Language, say
from web.watched import Update, Watched

_HEIGHTS = {"power": 208, "voltage": 138, "pf": 156}


class LivePage:
    """One open page: its document, kept up to date as long as it is open.

    Args:
        document: new and empty.
        feed: has `prepare`d the sensor, so that the page opens with data.
        sensor_id, hours: what to show first; the page asks for others through the source `choice`.
        allowed: whether a sensor may be chosen.
    """

    def __init__(
        self, document: Document, feed: Feed[Watched], sensor_id: str, hours: int, allowed: Callable[[str], bool]
    ) -> None:
        assert document.session_context is not None
        self._context, self._feed, self._allowed = document.session_context, feed, allowed
        self._language = current()
        self._points = ColumnDataSource(dict.fromkeys(seconds.COLUMNS, ()), name="points")
        self._minutes = ColumnDataSource(dict.fromkeys(minutes.COLUMNS, ()), name="minutes")
        self._now, self._past = (ColumnDataSource({"json": [""]}, name=name) for name in ("now", "past"))
        self._choice = ColumnDataSource({"sensor": [sensor_id], "hours": [hours]}, name="choice")
        self._page = Page(sensor_id, hours, self._deliver)
        self._switching: set[asyncio.Task[None]] = set()
        look.add_roots(document, (self._points, self._minutes, self._now, self._past, self._choice))
        for model in document.models:
            model.syncable = model is self._choice
        self._choice.on_change("data", self._chosen)
        self._show(feed.whole(sensor_id, hours))
        feed.watch(self._page)
        document.on_session_destroyed(lambda _: feed.unwatch(self._page))
        document.title = f"{sensor_id} · Powermon"
        document.template = template("live.html")
        document.template_variables["plots"] = plots(self._language)

    def _show(self, update: Update) -> None:
        if update.whole is not None:
            self._points.data = dict(update.whole)
        if update.points is not None:
            self._points.stream(dict[str, Any](update.points), seconds.ROLLOVER)
        if update.change is not None:
            _apply(self._minutes, update.change)
        if update.now is not None:
            self._now.data = {"json": [update.now.of(self._language)]}
        if update.past is not None:
            self._past.data = {"json": [update.past.of(self._language)]}

    async def _deliver(self, update: Update) -> None:
        shown = self._page.name, self._page.span

        async def locked(_: Document) -> None:
            if shown == (self._page.name, self._page.span):  # else the page has switched while this waited
                self._show(update)

        if not self._context.destroyed:
            await self._context.with_locked_document(locked)

    def _chosen(self, _attribute: str, _old: Any, new: Any) -> None:
        """The page asks for another sensor or other hours. What it sends is not trusted."""
        try:
            sensor_id, hours = str(new["sensor"][0]), int(new["hours"][0])
        except (KeyError, IndexError, TypeError, ValueError):
            return
        if self._allowed(sensor_id) and hours in minutes.HOURS:
            task = asyncio.get_running_loop().create_task(self._switch(sensor_id, hours))
            self._switching.add(task)
            task.add_done_callback(self._switching.discard)

    async def _switch(self, sensor_id: str, hours: int) -> None:
        await self._feed.prepare(sensor_id, hours)

        async def locked(_: Document) -> None:
            self._feed.unwatch(self._page)
            self._page.waiting.clear()
            self._page.name, self._page.span = sensor_id, hours
            self._show(self._feed.whole(sensor_id, hours))
            self._feed.watch(self._page)

        if not self._context.destroyed:
            await self._context.with_locked_document(locked)


@cache
def plots(_: Language) -> dict[str, Any]:
    """The plots without data, said in the language that is spoken now."""
    points = ColumnDataSource(dict.fromkeys(seconds.COLUMNS, ()), name="drawn_points")
    past_points = ColumnDataSource(dict.fromkeys(minutes.COLUMNS, ()), name="drawn_minutes")
    return look.embedded(_minute_plots(points) | _hours_plots(past_points))


def _minute_plots(points: ColumnDataSource) -> dict[str, Any]:
    x = Range1d(start=0, end=60_000)
    gaps = ColumnDataSource({"x0": [], "x1": []}, name="now_gaps")
    drawn = {}
    for quantity in seconds.QUANTITIES:
        plot = look.time_plot(quantity, x, height=_HEIGHTS[quantity], axis=quantity == "pf")
        look.missing_spans(plot, gaps)
        for phase in seconds.PHASES:
            plot.line("t", f"{quantity}_{phase}", source=points, name=phase, line_width=1.7, line_color=look.PHASE_COLOURS[phase])
        drawn[quantity] = plot
    return drawn


def _hours_plots(past_points: ColumnDataSource) -> dict[str, Any]:
    x = Range1d(start=0, end=3_600_000)
    plot = look.time_plot("hours", x, height=214, axis=False)
    look.missing_spans(plot, ColumnDataSource({"x0": [], "x1": []}, name="past_gaps"))
    for phase in seconds.PHASES:
        colour = look.PHASE_COLOURS[phase]
        # Bars, one for each minute: an area would be drawn across gaps.
        band = {"bottom": f"min_{phase}", "top": f"max_{phase}", "width": MINUTE_S * 1000}
        plot.vbar("t", **band, source=past_points, name=phase, line_color=None, fill_color=colour, fill_alpha=0.16)
    lines = []
    for phase in seconds.PHASES:
        colour = look.PHASE_COLOURS[phase]
        lines.append(plot.line("t", f"mean_{phase}", source=past_points, name=phase, line_width=1.8, line_color=colour))
        plot.scatter("t", f"mean_{phase}", source=past_points, name=phase, size="dot", fill_color=colour, line_color=None)
    rows = [(phase, f"@mean_{phase}{{0.000}} kW (@min_{phase}{{0.000}} – @max_{phase}{{0.000}})") for phase in seconds.PHASES]
    hover = HoverTool(
        tooltips=look.tips((say("minute"), "@t{%H:%M}"), *rows, (say("measured"), "@coverage{0} %")),
        formatters={"@t": "datetime"},
        mode="vline",
        line_policy="nearest",
        renderers=[lines[0]],
    )
    plot.add_tools(hover)
    strip = look.time_plot("coverage", x, height=72, axis=True)
    strip.y_range.end = 100
    strip.yaxis.ticker = [0, 100]
    strip.vbar("t", MINUTE_S * 1040, "coverage", source=past_points, name="measured", line_color=None, fill_color=look.COVERAGE)
    return {"hours": plot, "coverage": strip}


def _apply(source: ColumnDataSource, change: minutes.Change) -> None:
    if change.whole is not None:
        source.data = dict(change.whole)
        return
    if change.patches:
        source.patch(change.patches)
    if change.added:
        source.stream(dict[str, Any](change.added), len(source.data["t"]))

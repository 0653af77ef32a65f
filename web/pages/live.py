"""The live page: the last minute of one sensor at its sampling rate, and its last hours by minute.

The document holds the plots and the data; the words and numbers around them, the list of sensors and the
colours of light and dark are in templates/live.html and static/live.js.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from bokeh.document import Document
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from schemas.units import MINUTE_S
from web.feed import Feed, Page
from web.html import template
from web.pages import look
from web.view import minutes, seconds
from web.watched import Update

TITLES = {"power": "Power", "voltage": "Voltage", "pf": "Power factor"}
_HEIGHTS = {"power": 208, "voltage": 138, "pf": 156}


def build(document: Document, feed: Feed, sensor_id: str, hours: int, allowed: Callable[[str], bool]) -> None:
    """Fill a new document and keep it up to date as long as its page is open.

    Args:
        feed: has `prepare`d the sensor, so that the page opens with data.
        sensor_id, hours: what to show first; the page asks for others through the source `choice`.
        allowed: whether a sensor may be chosen.
    """
    points = ColumnDataSource(dict.fromkeys(seconds.COLUMNS, ()), name="points")
    past_points = ColumnDataSource(dict.fromkeys(minutes.COLUMNS, ()), name="minutes")
    words = {name: ColumnDataSource({"json": [""]}, name=name) for name in ("now", "past")}
    choice = ColumnDataSource({"sensor": [sensor_id], "hours": [hours]}, name="choice")
    plots = [*_minute_plots(points), *_hours_plots(past_points)]
    for root in (*plots, points, past_points, *words.values(), choice):
        document.add_root(root)
    for model in document.models:
        model.syncable = model is choice  # what a browser does to ranges and colours stays there

    def show(update: Update) -> None:
        if update.whole is not None:
            points.data = dict(update.whole)
        if update.points is not None:
            points.stream(dict[str, Any](update.points), seconds.ROLLOVER)
        if update.change is not None:
            _apply(past_points, update.change)
        if update.now is not None:
            words["now"].data = {"json": [update.now]}
        if update.past is not None:
            words["past"].data = {"json": [update.past]}

    context = document.session_context
    assert context is not None

    async def deliver(update: Update) -> None:
        shown = page.sensor_id, page.hours

        async def locked(_: Document) -> None:
            if shown == (page.sensor_id, page.hours):  # else the page has switched while this waited
                show(update)

        if not context.destroyed:
            await context.with_locked_document(locked)

    page = Page(sensor_id, hours, deliver)
    switching: set[asyncio.Task[None]] = set()

    async def switch(sensor: str, wanted_hours: int) -> None:
        await feed.prepare(sensor, wanted_hours)

        async def locked(_: Document) -> None:
            feed.unwatch(page)
            page.waiting.clear()
            page.sensor_id, page.hours = sensor, wanted_hours
            show(feed.whole(sensor, wanted_hours))
            feed.watch(page)

        if not context.destroyed:
            await context.with_locked_document(locked)

    def chosen(_attribute: str, _old: Any, new: Any) -> None:
        sensor, wanted_hours = str(new["sensor"][0]), int(new["hours"][0])
        if allowed(sensor) and wanted_hours in minutes.HOURS:
            task = asyncio.get_running_loop().create_task(switch(sensor, wanted_hours))
            switching.add(task)
            task.add_done_callback(switching.discard)

    choice.on_change("data", chosen)
    show(feed.whole(sensor_id, hours))
    feed.watch(page)
    document.on_session_destroyed(lambda _: feed.unwatch(page))
    document.title = f"{sensor_id} · Powermon"
    document.template = template("live.html")


def _minute_plots(points: ColumnDataSource) -> list[Any]:
    x = Range1d(start=0, end=60_000)
    gaps = ColumnDataSource({"x0": [], "x1": []}, name="now_gaps")
    plots = []
    for quantity in seconds.QUANTITIES:
        plot = look.time_plot(quantity, x, height=_HEIGHTS[quantity], axis=quantity == "pf")
        look.missing_spans(plot, gaps)
        for phase in seconds.PHASES:
            plot.line("t", f"{quantity}_{phase}", source=points, name=phase, line_width=1.7, line_color=look.PHASE_COLOURS[phase])
        plots.append(plot)
    return plots


def _hours_plots(past_points: ColumnDataSource) -> list[Any]:
    x = Range1d(start=0, end=3_600_000)
    plot = look.time_plot("hours", x, height=214, axis=False)
    look.missing_spans(plot, ColumnDataSource({"x0": [], "x1": []}, name="past_gaps"))
    for phase in seconds.PHASES:
        colour = look.PHASE_COLOURS[phase]
        band = {"y1": f"min_{phase}", "y2": f"max_{phase}"}
        plot.varea("t", **band, source=past_points, name=phase, fill_color=colour, fill_alpha=0.16)
    lines = []
    for phase in seconds.PHASES:
        colour = look.PHASE_COLOURS[phase]
        lines.append(plot.line("t", f"mean_{phase}", source=past_points, name=phase, line_width=1.8, line_color=colour))
        plot.scatter("t", f"mean_{phase}", source=past_points, name=phase, size="dot", fill_color=colour, line_color=None)
    rows = [
        (f"{phase}", f"@mean_{phase}{{0.000}} kW (@min_{phase}{{0.000}} to @max_{phase}{{0.000}})") for phase in seconds.PHASES
    ]
    hover = HoverTool(
        tooltips=[("minute", "@t{%H:%M}"), *rows, ("measured", "@coverage{0} %")],
        formatters={"@t": "datetime"},
        mode="vline",
        line_policy="nearest",
        renderers=[lines[0]],
    )
    plot.add_tools(hover)
    strip = look.time_plot("coverage", x, height=72, axis=True)
    strip.y_range.end = 100
    strip.yaxis.ticker = [0, 100]
    strip.vbar("t", MINUTE_S * 1000, "coverage", source=past_points, name="coverage", line_color=None, fill_color=look.COVERAGE)
    return [plot, strip]


def _apply(source: ColumnDataSource, change: minutes.Change) -> None:
    if change.whole is not None:
        source.data = dict(change.whole)
        return
    if change.patches:
        source.patch(change.patches)
    if change.added:
        source.stream(dict[str, Any](change.added), len(source.data["t"]))

"""A meter's page: its last minutes frame by frame, and one day by minute.

The plots are the same for everybody and come with the page; its document on the server holds the data alone. Words,
numbers and the colours of light and dark are in templates/meter.html and static/meter.js. Another day or another meter
is another page.
"""

from functools import cache
from typing import Any

from bokeh.document import Document
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d
from bokeh.models.annotations.geometry import Span

from schemas.units import MINUTE_S
from web.feed import Feed, Page
from web.html import template
from web.language import current
from web.meter_watched import MeterWatched
from web.pages import look
from web.view import meter_day, meter_live
from web.view.meter import PHASES
from web.view.meter_day import Day
from web.view.say import Language, say
from web.watched import Update

APPARENT, INJECTED = "#0072B2", "#009E73"
_MINUTES = (*meter_day.COLUMNS, "when")


class MeterPage:
    """One open page: its document, kept up to date as long as it is open.

    Args:
        document: new and empty.
        feed: has `prepare`d the meter, so that the page opens with data.
        day: which day to show.
    """

    def __init__(self, document: Document, feed: Feed[MeterWatched], meter_id: str, day: Day) -> None:
        assert document.session_context is not None
        self._context, self._language = document.session_context, current()
        self._frames = ColumnDataSource(dict.fromkeys(meter_live.COLUMNS, ()), name="frames")
        self._minutes = ColumnDataSource(dict.fromkeys(_MINUTES, ()), name="day_minutes")
        self._now, self._past = (ColumnDataSource({"json": [""]}, name=name) for name in ("now", "past"))
        self._page = Page(meter_id, day.number, self._deliver)
        self._when = meter_day.labels(day)
        look.add_roots(document, (self._frames, self._minutes, self._now, self._past))
        for model in document.models:
            model.syncable = False
        self._show(feed.whole(meter_id, day.number))
        feed.watch(self._page)
        document.on_session_destroyed(lambda _: feed.unwatch(self._page))
        document.title = f"{meter_id} · Powermon"
        document.template = template("meter.html")
        document.template_variables["plots"] = plots(self._language)

    def _show(self, update: Update) -> None:
        if update.whole is not None:
            self._frames.data = dict(update.whole)
        if update.points is not None:
            self._frames.stream(dict[str, Any](update.points), meter_live.ROLLOVER)
        if update.change is not None and update.change.whole is not None:
            self._minutes.data = {**update.change.whole, "when": self._when}
        elif update.change is not None and update.change.patches:
            self._minutes.patch(update.change.patches)
        if update.now is not None:
            self._now.data = {"json": [update.now.of(self._language)]}
        if update.past is not None:
            self._past.data = {"json": [update.past.of(self._language)]}

    async def _deliver(self, update: Update) -> None:
        async def locked(_: Document) -> None:
            self._show(update)

        if not self._context.destroyed:
            await self._context.with_locked_document(locked)


@cache
def plots(_: Language) -> dict[str, Any]:
    """The plots without data, said in the language that is spoken now."""
    frames = ColumnDataSource(dict.fromkeys(meter_live.COLUMNS, ()), name="drawn_frames")
    minutes = ColumnDataSource(dict.fromkeys(_MINUTES, ()), name="drawn_minutes")
    return look.embedded({"live": _live(frames)} | _day(minutes))


def _live(frames: ColumnDataSource) -> Any:
    plot = look.time_plot("live", Range1d(start=0, end=60_000), height=180, axis=True)
    look.missing_spans(plot, ColumnDataSource({"x0": [], "x1": []}, name="now_gaps"))
    plot.add_layout(_contract("contract"))
    plot.line("t", "injected", source=frames, name="injected", line_width=1.7, line_color=INJECTED)
    plot.step("t", "apparent", source=frames, name="apparent", line_width=1.8, line_color=APPARENT, mode="after")
    return plot


def _contract(name: str) -> Span:
    """The contract's power, where the axis reaches it."""
    return Span(name=name, dimension="width", location=0, line_color=look.GRID, line_dash="dashed", line_width=1.4, visible=False)


def _day(minutes: ColumnDataSource) -> dict[str, Any]:
    x = Range1d(start=0, end=86_400_000)
    covered = _coverage(minutes, x)
    covered.xaxis.ticker = FixedTicker(ticks=[])
    return {"day": _load(minutes, x), "tariffs": _tariffs(x), "voltage": _voltage(minutes, x), "covered": covered}


def _load(minutes: ColumnDataSource, x: Range1d) -> Any:
    plot = look.time_plot("day", x, height=224, axis=False)
    look.missing_spans(plot, ColumnDataSource({"x0": [], "x1": []}, name="past_gaps"))
    plot.add_layout(_contract("day_contract"))
    # Bars, not an area: an area would span the gaps.
    band = {"bottom": "min", "top": "max", "width": MINUTE_S * 1000}
    plot.vbar("t", **band, source=minutes, name="apparent", line_color=None, fill_color=APPARENT, fill_alpha=0.22)
    line = plot.line("t", "mean", source=minutes, name="apparent", line_width=1.6, line_color=APPARENT)
    plot.scatter("t", "mean", source=minutes, name="apparent", size="dot", fill_color=APPARENT, line_color=None)
    plot.line("t", "injected", source=minutes, name="injected", line_width=1.6, line_color=INJECTED)
    plot.add_tools(
        HoverTool(
            tooltips=look.tips(
                (say("minute"), "@when"),
                (say("mean"), "@mean{0.00} kVA (@min{0.00} – @max{0.00})"),
                (say("measured"), "@coverage{0} %"),
            ),
            mode="vline",
            line_policy="nearest",
            renderers=[line],
        )
    )
    return plot


def _tariffs(x: Range1d) -> Any:
    """Which index counted when, as a strip under the curve."""
    plot = look.time_plot("tariffs", x, height=22, axis=False)
    plot.yaxis.visible = False
    plot.ygrid.visible = False
    plot.min_border_top = plot.min_border_bottom = 2
    spans = ColumnDataSource({"x0": [], "x1": [], "colour": []}, name="tariff_spans")
    plot.quad("x0", "x1", bottom=0, top=1, source=spans, name="tariff", fill_color="colour", line_color=None)
    return plot


def _voltage(minutes: ColumnDataSource, x: Range1d) -> Any:
    plot = look.time_plot("voltage", x, height=120, axis=False)
    for phase, colour in zip(PHASES, look.PHASE_COLOURS.values(), strict=True):
        plot.line("t", f"volt_{phase}", source=minutes, name=f"volt_{phase}", line_width=1.4, line_color=colour)
    return plot


def _coverage(minutes: ColumnDataSource, x: Range1d) -> Any:
    strip = look.time_plot("covered", x, height=72, axis=True)
    strip.y_range.end = 100
    strip.yaxis.ticker = [0, 100]
    strip.vbar("t", MINUTE_S * 1040, "coverage", source=minutes, name="measured", line_color=None, fill_color=look.COVERAGE)
    return strip

"""How plots look. Colours that follow light and dark are set in the browser by static/look.js."""

from collections.abc import Iterable, Mapping
from typing import Any

from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    DatetimeAxis,
    DatetimeTicker,
    DatetimeTickFormatter,
    FixedTicker,
    LinearAxis,
    Range1d,
    VStrip,
)
from bokeh.plotting import figure

from web.language import current
from web.view.say import Text, localized

PHASE_COLOURS = {"A": "#0072B2", "B": "#D55E00", "C": "#009E73"}
"""Okabe and Ito's: told apart by the colour-blind too."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
LABELS = "#5b6675"
GRID = "#8a94a3"
COVERAGE = "#7d8ea3"


def time_plot(name: str, x: Range1d, *, height: int, axis: bool) -> Any:
    """An empty plot over time.

    Args:
        name: of the figure and its place in the page.
        x: shared with the plots beside it.
        axis: whether the times stand under it; plots above others leave them out.
    """
    plot = figure(
        name=name,
        height=height,
        sizing_mode="stretch_width",
        x_range=x,
        y_range=Range1d(start=0, end=1),
        x_axis_type=None,
        tools="",
        toolbar_location=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border_left=46,
        min_border_right=14,
        min_border_top=8,
        min_border_bottom=26 if axis else 8,
        output_backend="canvas",
    )
    plot.toolbar.logo = None
    no_times = FixedTicker(ticks=[])
    below = _times() if axis else LinearAxis(ticker=no_times, visible=False)  # type: ignore[arg-type]  # its stub is too narrow
    plot.add_layout(below, "below")
    plot.yaxis.ticker = BasicTicker(desired_num_ticks=5, num_minor_ticks=0)
    for one in (*plot.xaxis, *plot.yaxis):
        one.axis_line_color = None
        one.major_tick_line_color = None
        one.minor_tick_line_color = None
        one.major_label_text_font = FONT
        one.major_label_text_font_size = "12px"
        one.major_label_text_color = LABELS
        one.major_label_standoff = 6
    plot.ygrid.grid_line_color = GRID
    plot.ygrid.grid_line_alpha = 0.22
    return plot


def tips(*rows: tuple[Text | str, str]) -> list[tuple[str, str]]:
    """What a plot says under the pointer: names in the reader's language, with fields of its source."""
    return [(localized(name, current()), fields) for name, fields in rows]


def _times() -> DatetimeAxis:
    """An axis with a ticker of its own from the beginning: a ticker of times is 13 models, and a figure would make another."""
    formatter = DatetimeTickFormatter(
        milliseconds="%H:%M:%S",
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%d %b",
    )
    return DatetimeAxis(ticker=DatetimeTicker(desired_num_ticks=6, num_minor_ticks=0), formatter=formatter)


def embedded(plots: Mapping[str, Any]) -> dict[str, Any]:
    """Plots as static/embed.js takes them: `json` for the page, and `roots`, the id of each by the name of its place.

    As bokeh.embed.components does it, in a fifth of its time: that looks through all models once for each plot.
    """
    made = Document()
    for plot in plots.values():
        for renderer in plot.renderers:  # nobody chooses points or mutes them; looks for that are a third of the models
            renderer.nonselection_glyph = renderer.muted_glyph = None
    add_roots(made, plots.values())
    roots = {name: plot.id for name, plot in plots.items()}
    text = serialize_json({"document": made.to_json(deferred=False), "roots": roots}, pretty=False)
    return {"json": text.replace("<", "\\u003c"), "roots": roots}


def add_roots(document: Document, roots: Iterable[Any]) -> None:
    """Add the roots of a new page at once: after each root by itself all models of the document are looked for again."""
    with document.models.freeze():
        for root in roots:
            document.add_root(root)


def missing_spans(plot: Any, gaps: ColumnDataSource) -> None:
    """Shade the times in which nothing was measured."""
    shade = VStrip(x0="x0", x1="x1", fill_color=GRID, fill_alpha=0.16, line_color=None)
    plot.add_glyph(gaps, shade, name="gaps", level="underlay")

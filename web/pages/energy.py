"""The plots of energy and demand: one document without data, the same for everybody; static/energy.js fills it.

Words, and the colours of light and dark, are in templates and static/energy.js.
"""

from functools import cache
from typing import Any

from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d
from bokeh.models.annotations.geometry import Span

from web.pages import look
from web.view import minutes

_BARS = ("left", "right", "bottom", "top", "fill", "band", "when", "kwh", "measured")
_BEFORE = ("left", "right", "value", "when")


@cache
def document() -> dict[str, Any]:
    return look.embedded({"chart": _chart(), "covered": _covered()})


def _source(name: str, *columns: str) -> ColumnDataSource:
    return ColumnDataSource({column: [] for column in columns}, name=f"{name}_data")


def _plot(name: str, height: int, *, axis: bool) -> Any:
    plot = look.time_plot(name, Range1d(start=0, end=1), height=height, axis=axis)
    if axis:
        plot.xaxis.ticker = FixedTicker(ticks=[])
    return plot


def _chart() -> Any:
    """Bars by band with marks of the span before; or lines of an hour and a minute, with the band of each minute."""
    plot = _plot("chart_plot", 280, axis=False)
    look.missing_spans(plot, _source("gaps", "x0", "x1"))
    bars, before, lines = _source("bars", *_BARS), _source("before", *_BEFORE), _source("lines", *minutes.COLUMNS)
    drawn = plot.quad("left", "right", "top", "bottom", source=bars, name="bars", fill_color="fill", line_color=None)
    plot.segment("left", "value", "right", "value", source=before, name="before", line_width=2, line_color=look.LABELS)
    for phase in "ABC":
        colour, band = look.PHASE_COLOURS[phase], {"bottom": f"min_{phase}", "top": f"max_{phase}", "width": 60_000}
        plot.vbar("t", **band, source=lines, name=f"phase_{phase}", line_color=None, fill_color=colour, fill_alpha=0.16)
    curves = []
    for phase in "ABC":
        colour, at = look.PHASE_COLOURS[phase], f"mean_{phase}"
        curves.append(plot.line("t", at, source=lines, name=f"phase_{phase}", line_width=1.7, line_color=colour))
        plot.scatter("t", at, source=lines, name=f"phase_{phase}", size="dot", fill_color=colour, line_color=None)
    plot.add_layout(Span(name="contract", dimension="width", location=0, line_dash="dashed", line_width=1.5, visible=False))
    tips = [("", "@when"), ("@band", "@kwh{0,0.[000]}"), ("measured", "@measured{0.[0]} %")]
    plot.add_tools(HoverTool(name="bar_tips", tooltips=tips, renderers=[drawn]))
    of_phases = [(phase, f"@mean_{phase}{{0.000}}") for phase in "ABC"]
    plot.add_tools(
        HoverTool(name="line_tips", tooltips=of_phases, mode="vline", line_policy="nearest", renderers=[curves[0]], visible=False)
    )
    return plot


def _covered() -> Any:
    strip = _plot("covered_plot", 76, axis=True)
    strip.y_range.end = 100
    strip.yaxis.ticker = [0, 100]
    source = _source("covered", "left", "right", "value")
    strip.quad("left", "right", "value", 0, source=source, name="measured", fill_color=look.COVERAGE, line_color=None)
    return strip

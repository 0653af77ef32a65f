"""The plots of anomalies: documents without data, the same for everybody; static/anomalies.js fills them."""

from functools import cache
from typing import Any

from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d, TapTool
from bokeh.models.annotations.geometry import BoxAnnotation, Span

from web.pages import look

_BARS = ("left", "right", "bottom", "top", "fill", "id", "when", "what", "value", "lasted", "of")


@cache
def timeline() -> dict[str, Any]:
    """Marks by lane over time."""
    plot = look.time_plot("timeline_plot", Range1d(start=0, end=1), height=120, axis=True)
    plot.xaxis.ticker = FixedTicker(ticks=[])
    plot.yaxis.visible = False
    plot.ygrid.visible = False
    plot.min_border_left = 14
    bars = ColumnDataSource({name: [] for name in _BARS}, name="bars_data")
    names = ColumnDataSource({name: [] for name in ("x", "y", "text")}, name="names_data")
    drawn = plot.quad("left", "right", "top", "bottom", source=bars, name="bars", fill_color="fill", line_color=None)
    drawn.selection_glyph = None
    font = {"text_font": value(look.FONT), "text_font_size": value("12px"), "text_color": look.LABELS}
    plot.text("x", "y", "text", source=names, name="names", text_baseline="middle", x_offset=2, **font)
    plot.add_tools(HoverTool(tooltips=[("", "@of"), ("", "@what"), ("", "@value, @lasted"), ("", "@when")], renderers=[drawn]))
    plot.add_tools(TapTool(renderers=[drawn]))
    return look.embedded({"timeline": plot})


@cache
def around() -> dict[str, Any]:
    """What was measured around one anomaly: three phases or their sum, the limit, the time in which it was broken."""
    plot = look.time_plot("around_plot", Range1d(start=0, end=1), height=300, axis=True)
    plot.xaxis.ticker = FixedTicker(ticks=[])
    plot.add_layout(BoxAnnotation(name="mark", left=0, right=0, fill_alpha=0.14, fill_color=look.GRID, line_color=None))
    for name in ("A", "B", "C", "total"):
        source = ColumnDataSource({"t": [], "v": []}, name=f"{name}_data")
        colour = look.PHASE_COLOURS.get(name, look.LABELS)
        plot.line("t", "v", source=source, name=f"line_{name}", line_width=1.8, line_color=colour)
    plot.add_layout(Span(name="limit", dimension="width", location=0, line_dash="dashed", line_width=1.5, visible=False))
    return look.embedded({"around": plot})

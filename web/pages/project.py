"""The plots of a project's page: built once, without a connection to the server behind them.

Words, and the colours of light and dark, are in templates/project.html and static/project.js.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import BasicTicker, BasicTickFormatter, ColumnDataSource, DatetimeTickFormatter, HoverTool, Range1d
from bokeh.models.annotations.geometry import Span

from web.language import current
from web.pages import look
from web.view.project_days import DAY_S, Floats, Int64s, Usage, axis_ms, broken, date_of, line
from web.view.say import say

USAGE, BASELINE, REPORTING, WARMTH, EXPECTED = "#0072B2", "#0072B2", "#D55E00", "#8246a0", "#566273"
Plots = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Curve:
    """One period of a model by day, shape (n,) each: energy in the trace's unit, temperatures as the page shows them."""

    day_s: Floats
    temperature: Floats
    metered: Floats
    predicted: Floats


def over_time(used: Usage, edges: Int64s, warmth: Floats, marks: Mapping[str, int], zone: str, words: Mapping[str, str]) -> Plots:
    """Usage, temperature and coverage over one axis of time.

    Args:
        edges: midnights between which `warmth` is; empty: no weather.
        marks: moments to draw a line at, UTC seconds, by name.
        words: "energy" and "temperature": units.
    """
    left, right = axis_ms(used.start_s, zone), axis_ms(used.end_s, zone)
    per_day = used.energy / used.days
    columns = {"left": left, "right": right, "top": per_day, "coverage": used.coverage * 100}
    days = ColumnDataSource({**columns, "day": _dates(used.start_s, zone)}, name="days")
    span = Range1d(start=left[0], end=right[-1], bounds=None) if len(left) else Range1d(start=0, end=1)
    usage = look.time_plot("usage_plot", span, height=220, axis=False)
    usage.y_range.start, usage.y_range.end = _axis(per_day)
    bars = usage.quad("left", "right", "top", 0, source=days, name="usage", fill_color=USAGE, line_color=None, fill_alpha=0.75)
    tips = look.tips(
        (say("day"), "@day"), (say("metered"), f"@top{{0.00}} {words['energy']}"), (say("measured"), "@coverage{0} %")
    )
    usage.add_tools(HoverTool(tooltips=tips, renderers=[bars]))
    covered = look.time_plot("covered_plot", span, height=76, axis=True)
    covered.y_range.end = 100
    covered.yaxis.ticker = [0, 100]
    covered.quad("left", "right", "coverage", 0, source=days, name="measured", fill_color=look.COVERAGE, line_color=None)
    plots = {"usage": usage, "covered": covered}
    if len(edges) > 1:
        warm = look.time_plot("warmth_plot", span, height=130, axis=False)
        warm.y_range.start, warm.y_range.end = _axis(warmth, zero=False)
        at = axis_ms(edges[:-1], zone) + DAY_S * 500
        drawn = ColumnDataSource({"t": at, "warmth": warmth, "day": _dates(edges[:-1], zone)})
        curve = warm.line("t", "warmth", source=drawn, name="warmth", line_width=1.3, line_color=WARMTH)
        tips = look.tips((say("day"), "@day"), (say("mean"), f"@warmth{{0.0}} {words['temperature']}"))
        warm.add_tools(HoverTool(tooltips=tips, mode="vline", renderers=[curve]))
        plots["warmth"] = warm
    for plot in plots.values():
        _by_date(plot)
        for name, at_s in marks.items():
            where = float(axis_ms([at_s], zone)[0])
            plot.add_layout(Span(name=name, dimension="height", location=where, line_color=look.LABELS, line_dash="dashed"))
    return plots


def model(curves: Mapping[str, Curve], width: float, zone: str, words: Mapping[str, str]) -> Any:
    """Usage of days against their temperature, with what the models say.

    Args:
        curves: by period.
        width: of the steps of temperature over which a model's line is the mean.
    """
    plot = look.time_plot("model_plot", Range1d(start=0, end=1), height=300, axis=True)
    for axis in plot.xaxis:
        axis.formatter, axis.ticker = BasicTickFormatter(), BasicTicker(desired_num_ticks=8, num_minor_ticks=0)
    temperatures = np.concatenate([one.temperature for one in curves.values()])
    energies = np.concatenate([np.concatenate([one.metered, one.predicted]) for one in curves.values()])
    plot.x_range.start, plot.x_range.end = _axis(temperatures, zero=False)
    plot.y_range.start, plot.y_range.end = _axis(energies)
    for period, one in curves.items():
        colour = BASELINE if period == "BASELINE" else REPORTING
        name = period.lower()
        points = ColumnDataSource({"x": one.temperature, "y": one.metered, "day": _dates(one.day_s, zone)}, name=f"{name}_points")
        marker = "circle" if period == "BASELINE" else "triangle"
        dots = plot.scatter(
            "x", "y", source=points, name=name, marker=marker, size=5, fill_color=colour, line_color=None, fill_alpha=0.45
        )
        x, y = line(one.temperature, one.predicted, width)
        plot.line("x", "y", source=ColumnDataSource({"x": x, "y": y}), name=name, line_width=2.6, line_color=colour)
        mean = say("mean"), f"@x{{0.0}} {words['temperature']}"
        tips = look.tips((say("day"), "@day"), mean, (say("metered"), f"@y{{0.00}} {words['energy']}"))
        plot.add_tools(HoverTool(tooltips=tips, renderers=[dots]))
    return plot


def against(days: Curve, half_width: float, zone: str, words: Mapping[str, str]) -> Any:
    """What the baseline's model expects of the reporting period, with the band of a day, and what was metered."""
    at = axis_ms(days.day_s, zone)
    low, high = days.predicted - half_width, days.predicted + half_width
    columns = {"left": at, "right": at + DAY_S * 1000, "low": low, "high": high, "middle": at + DAY_S * 500}
    said = {"metered": days.metered, "predicted": days.predicted, "day": _dates(days.day_s, zone)}
    source = ColumnDataSource({**columns, **said}, name="against_days")
    span = Range1d(start=at[0], end=at[-1] + DAY_S * 1000)
    plot = look.time_plot("against_plot", span, height=260, axis=True)
    plot.y_range.start, plot.y_range.end = _axis(np.concatenate([low, high, days.metered]))
    # Bars, not an area: an area would span the gaps.
    plot.quad(
        "left", "right", "high", "low", source=source, name="expected", fill_color=EXPECTED, fill_alpha=0.18, line_color=None
    )
    t, predicted, metered = broken(days.day_s, days.predicted, days.metered)
    lines = ColumnDataSource({"t": axis_ms(t, zone) + DAY_S * 500, "predicted": predicted, "metered": metered})
    plot.line("t", "predicted", source=lines, name="expected", line_width=1.5, line_color=EXPECTED, line_dash="dashed")
    plot.line("t", "metered", source=lines, name="metered", line_width=1.6, line_color=REPORTING)
    unseen = plot.scatter("middle", "metered", source=source, size=3, fill_color=REPORTING, line_color=None, name="metered")
    tips = look.tips(
        (say("day"), "@day"),
        (say("expected"), f"@predicted{{0.00}} {words['energy']} (@low{{0.00}} – @high{{0.00}})"),
        (say("metered"), f"@metered{{0.00}} {words['energy']}"),
    )
    plot.add_tools(HoverTool(tooltips=tips, mode="vline", renderers=[unseen]))
    _by_date(plot)
    return plot


def saved(days: Curve, half_width: float, zone: str) -> Any:
    """Energy avoided up to each day, and the band of the whole at its end."""
    total = np.nancumsum(days.predicted - days.metered)
    end = float(total[-1])
    t, summed = broken(days.day_s, total)
    at = axis_ms(t, zone) + DAY_S * 500
    plot = look.time_plot("saved_plot", Range1d(start=at[0], end=at[-1] + 10 * DAY_S * 1000), height=180, axis=True)
    plot.y_range.start, plot.y_range.end = _axis(np.concatenate([total, [end - half_width, end + half_width]]))
    plot.add_layout(Span(dimension="width", location=0, line_color=look.GRID))
    plot.line("t", "y", source=ColumnDataSource({"t": at, "y": summed}, name="saved_days"), name="saved", line_width=2)
    last = {"x": [at[-1] + 5 * DAY_S * 1000], "low": [end - half_width], "high": [end + half_width], "end": [end]}
    band = ColumnDataSource(last, name="saved_band")
    plot.segment("x", "low", "x", "high", source=band, name="saved", line_width=3)
    plot.scatter("x", "end", source=band, name="saved", size=8, line_color=None)
    _by_date(plot)
    return plot


_DATES = {"en": ("%b %Y", "%-d %b"), "ko": ("%Y. %-m.", "%-m. %-d."), "fr": ("%m/%Y", "%d/%m")}
"""Months and days under a plot."""


def _by_date(plot: Any) -> None:
    months, days = _DATES[current().code]
    plot.xaxis.formatter = DatetimeTickFormatter(
        hours=days, days=days, months=months, years="%Y", hourmin=days, minutes=days, minsec=days, seconds=days
    )


def _axis(values: Floats, *, zero: bool = True) -> tuple[float, float]:
    """A range that holds all values, and a little more; zero too."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    low, high = (min(low, 0.0), max(high, 0.0)) if zero else (low, high)
    room = (high - low or 1.0) * 0.05
    return (low if zero and low == 0 else low - room), high + room


def _dates(at_s: Floats | Int64s, zone: str) -> list[str]:
    return [str(date_of(at, zone)) for at in at_s.tolist()]

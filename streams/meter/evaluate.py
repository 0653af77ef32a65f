"""A trace's two models and what follows from them."""

from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from streams.meter import fit, periods
from streams.meter.aggregate import ANNUALIZED, AVOIDED, BASELINE, GROSS, REPORTING, Figure
from streams.meter.fit import Model, Sum
from streams.meter.readings import Insufficient, Series, Usage, usage
from streams.meter.task import MeterSettings, Trace

CURVE_DIGITS = 6


@dataclass(slots=True)
class Side:
    """One trace in one period.

    Attributes:
        model: None where there is none; `reasons` say why.
        window: first instant and end of what was modelled, microseconds since 1970, UTC.
        curve: by day: start in UTC seconds, mean temperature in degrees Fahrenheit, metered and predicted energy.
    """

    period: str
    kind: str = ""
    model: Model | None = None
    figures: dict[str, Figure] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    window: tuple[int, int] | None = None
    curve: dict[str, list[float | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluated:
    trace: Trace
    sides: dict[str, Side]
    metered: dict[str, list[float | None]]
    """The reporting period by day, as `Side.curve`: what the baseline's model expects against what was metered."""


def evaluate(
    trace: Trace,
    zone: tzinfo,
    bounds: tuple[Any, Any],
    temperature: Series,
    normal: Series,
    settings: MeterSettings,
) -> Evaluated:
    """Fit both models of a trace; what cannot be fitted says why, and the other goes on.

    Args:
        trace: its records.
        zone: of the building.
        bounds: end of the baseline, start of the reporting period.
        temperature: hourly, degrees Fahrenheit.
        normal: the same of a normal year; may be empty.
        settings: of the run.
    """
    sides = {name: Side(name) for name in (BASELINE, REPORTING)}
    spans = {BASELINE: (None, bounds[0]), REPORTING: (bounds[1], None)}
    try:
        used = usage(trace, zone, settings.subdaily_model)
    except Exception as error:
        for side in sides.values():
            side.reasons = _reasons(error)
        return Evaluated(trace, sides, {})
    own = used.energy.index.tz
    temperature = temperature.tz_convert(own) if len(temperature) else temperature
    normal = normal.tz_convert(own) if len(normal) else normal
    for name, side in sides.items():
        side.kind = used.kind
        try:
            cut = periods.inside(used, *spans[name], temperature, last_year=name == BASELINE)
            side.window = (_us(cut.energy.index[0]), _us(cut.end))
            side.model = fit.fit(cut, temperature, settings)
            side.warnings += side.model.warnings
            side.curve = _curve(side.model.fitted, temperature, used)
        except Exception as error:
            side.model, side.reasons = None, _reasons(error)
    for side in sides.values():
        _derive(side, bounds[1].tz_convert(own), temperature, normal)
    return Evaluated(trace, sides, _avoid(used, sides, bounds[1], temperature))


def _derive(side: Side, start: Any, temperature: Series, normal: Series) -> None:
    """The two derivatives of a model, over the same days for both periods."""
    model = side.model
    if model is None:
        return
    try:
        predicted = model.predict(temperature)
        year = model.normal_year(model.predict(normal) if len(normal) else predicted)
        if year is None:
            side.warnings.append("annualized_weather_normal is left out: some day of the calendar has no weather in any year")
        _put(side, ANNUALIZED, year)
        gross = model.total(predicted[predicted.index >= start])
        if gross is None:
            side.warnings.append("gross_predicted is left out: the weather ends before a whole day of the reporting period")
        _put(side, GROSS, gross)
    except Exception as error:
        side.warnings += [f"a derivative is left out: {reason}" for reason in _reasons(error)]


def _avoid(used: Usage, sides: dict[str, Side], start: Any, temperature: Series) -> dict[str, list[float | None]]:
    """Metered savings: the baseline's model against what was metered, over the days that have both."""
    model = sides[BASELINE].model
    if model is None:
        return {}
    try:
        cut = periods.inside(used, start, None, temperature, last_year=False)
        both = model.against(cut, temperature)
        counterfactual = model.total(both["predicted"])
        if counterfactual is None:
            return {}
        _put(sides[BASELINE], AVOIDED, counterfactual)
        _put(sides[REPORTING], AVOIDED, Sum(float(both["observed"].sum()), 0.0, len(both)))
        return _curve(both, temperature, used)
    except Insufficient:
        return {}
    except Exception as error:
        sides[BASELINE].warnings += [f"avoided energy use is left out: {reason}" for reason in _reasons(error)]
        return {}


def _put(side: Side, interpretation: str, found: Sum | None) -> None:
    if found is not None:
        side.figures[interpretation] = Figure(found.value, found.half_width, found.half_width, found.n)


def _curve(table: Any, temperature: Series, used: Usage) -> dict[str, list[float | None]]:
    """A model's days for a plot, of hours their days."""
    days = table[["observed", "predicted"]]
    if used.kind == "hourly":
        days = days.groupby(days.index.normalize()).sum()
    warmth = temperature.groupby(temperature.index.normalize()).mean().reindex(days.index.normalize())
    columns = {"temperature_f": warmth, "metered": days["observed"], "predicted": days["predicted"]}
    numbers = {name: [_short(number) for number in column.tolist()] for name, column in columns.items()}
    starts: list[float | None] = [float(t) for t in days.index.as_unit("s").asi8.tolist()]
    return {"day_s": starts} | numbers


def _short(number: float) -> float | None:
    return None if number != number else float(f"{number:.{CURVE_DIGITS}g}")  # noqa: PLR0124 (NaN)


def _reasons(error: Exception) -> list[str]:
    """Sentences for people; what a library says in its own words is cut, it may list every instant."""
    if isinstance(error, Insufficient):
        return [str(reason) for reason in error.args]
    text = " ".join(str(error).split())[:300]
    return [f"OpenDSM failed on this data: {type(error).__name__}: {text}"]


def _us(instant: Any) -> int:
    return int(instant.value) // 1000

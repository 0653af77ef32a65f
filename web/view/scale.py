"""Axis ranges that stay put: they snap to round numbers, grow when they must and shrink only when much too wide."""

import math

Range = tuple[float, float]


def calm(low: float, high: float, current: Range | None, *, least: float, floor: float | None = None) -> Range:
    """The range an axis should show.

    Args:
        low, high: extremes of the data; NaN when there is none.
        current: what the axis shows now.
        least: smallest span worth showing, so that noise does not look like a storm.
        floor: a value that is always included (0 for power).

    Returns:
        start and end; the current ones whenever they still fit.
    """
    if math.isnan(low) or math.isnan(high):
        return current or ((floor or 0.0), (floor or 0.0) + least)
    if floor is not None:
        low, high = min(low, floor), max(high, floor)
    span = max(high - low, least)
    if current is not None:
        start, end = current
        fits = start <= low and high <= end
        if fits and span >= 0.35 * (end - start):
            return current
        if fits and end - start <= _snapped(low, high, span, floor)[1] - _snapped(low, high, span, floor)[0]:
            return current
    return _snapped(low, high, span, floor)


def _snapped(low: float, high: float, span: float, floor: float | None) -> Range:
    middle = (low + high) / 2
    if high - low < span and not (floor is not None and floor in (low, high)):
        low, high = middle - span / 2, middle + span / 2
    elif high - low < span:
        low, high = (low, low + span) if low == floor else (high - span, high)
    step = _nice(span / 5)
    start = low if floor is not None and low == floor else math.floor((low - 0.06 * span) / step) * step
    end = high if floor is not None and high == floor and low < floor else math.ceil((high + 0.06 * span) / step) * step
    return round(start, 9), round(end, 9)


def _nice(value: float) -> float:
    """The round number (1, 2, 2.5 or 5 times a power of ten) at or above a value."""
    power: float = 10.0 ** math.floor(math.log10(value))
    for factor in (1, 2, 2.5, 5, 10):
        if factor * power >= value * (1 - 1e-9):
            return factor * power
    return 10 * power

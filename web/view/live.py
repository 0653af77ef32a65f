"""What the live page says beside its plots: state, numbers, window, gaps. Plain values for JSON."""

from collections.abc import Mapping
from typing import Any

from web.view import minutes as by_minute
from web.view import quantity, seconds
from web.view.clock import Zone
from web.view.scale import Range

Json = dict[str, Any]


def state(newest_s: int | None, now_s: float, zone: Zone) -> Json:
    """Whether the sensor is live, as a word for the style and a sentence for people."""
    if newest_s is None:
        return {"state": "never", "sentence": "nothing received yet"}
    silent_s = now_s - (newest_s + 1)
    if silent_s <= seconds.LIVE_S:
        return {"state": "live", "sentence": "live"}
    if silent_s < 3600:
        return {"state": "silent", "sentence": f"no data for {quantity.duration(silent_s)}"}
    return {"state": "silent", "sentence": f"silent since {zone.text(newest_s + 1, now_s)}"}


def now(sensor_id: str, held: seconds.Seconds, newest_s: int | None, now_s: float, zone: Zone, axes: Mapping[str, Range]) -> Json:
    """Everything about this moment of one sensor.

    Args:
        held: its seconds, at least those of the window.
        newest_s: its newest second ever received, held or not.
        now_s: the clock, UTC.
        axes: the y axes' ranges.
    """
    start_s, end_s = seconds.window(newest_s, now_s)
    said = state(newest_s, now_s, zone)
    # A sensor that stopped shows no power "now": its last value is history and stays in the plots.
    values = seconds.now(held.get(newest_s) if newest_s is not None and said["state"] == "live" else None)
    missing = seconds.gaps(held, start_s, end_s)
    last = newest_s is not None and newest_s + 1 < now_s - seconds.WINDOW_S
    return {
        "sensor": sensor_id,
        **said,
        "zone": zone.label,
        "clock": zone.text(newest_s, now_s) if newest_s is not None else quantity.DASH,
        "span": f"the last minute received, up to {zone.text(end_s, now_s)}" if last else "the last 60 seconds",
        "missing_s": sum(b - a for a, b in missing),
        "window": [zone.local_ms(start_s), zone.local_ms(end_s)],
        "axes": {name: list(bounds) for name, bounds in axes.items()},
        "gaps": [[zone.local_ms(a), zone.local_ms(b)] for a, b in missing],
        "numbers": {
            "total": quantity.power(values.total_mw),
            **{f"power_{p}": quantity.power(values.power_mw[k]) for k, p in enumerate(seconds.PHASES)},
            **{f"voltage_{p}": quantity.voltage(values.voltage_mv[k]) for k, p in enumerate(seconds.PHASES)},
            **{f"pf_{p}": quantity.percent(values.pf_pct[k]) for k, p in enumerate(seconds.PHASES)},
        },
    }


def past(shown: by_minute.Minutes, hours: int, now_s: float, zone: Zone, axis: Range) -> Json:
    """Everything about the last hours of one sensor that is not a column."""
    missing = by_minute.gaps(shown)
    return {
        "hours": hours,
        "window": [zone.local_ms(shown.start_s), zone.local_ms(shown.end_s)],
        "axis": list(axis),
        "gaps": [[zone.local_ms(a), zone.local_ms(b)] for a, b in missing],
        "span": (f"up to {zone.text(shown.end_s, now_s)}, the last data" if shown.end_s < now_s else f"the last {_hours(hours)}"),
        "measured": f"{_share(shown.measured_pct)} measured",
    }


def _hours(hours: int) -> str:
    return "hour" if hours == 1 else f"{hours} hours"


def _share(value: float) -> str:
    """Never 100 % unless it is, never 0 % unless it is."""
    if value in (0.0, 100.0):
        return f"{value:.0f}\u202f%"
    return f"{min(99.9, max(0.1, value)):.1f}\u202f%"

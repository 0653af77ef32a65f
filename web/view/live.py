"""What the live page says beside its plots: state, numbers, window, gaps. Plain values for JSON."""

import math
from collections.abc import Mapping
from typing import Any

from web.view import minutes as by_minute
from web.view import quantity, seconds
from web.view.clock import Zone
from web.view.demand import NEAR
from web.view.say import Number, Text, joined, say, say_n
from web.view.scale import Range

Json = dict[str, Any]


def state(newest_s: int | None, now_s: float, zone: Zone) -> Json:
    """Whether the sensor is live, as a word for the style and a sentence for people."""
    if newest_s is None:
        return {"state": "never", "sentence": say("nothing received yet")}
    silent_s = now_s - (newest_s + 1)
    if silent_s <= seconds.LIVE_S:
        return {"state": "live", "sentence": say("live")}
    if silent_s < 3600:
        return {"state": "silent", "sentence": say("no data for {span}", span=quantity.duration(silent_s))}
    return {"state": "silent", "sentence": say("silent since {moment}", moment=zone.text(newest_s + 1, now_s))}


def now(
    sensor_id: str,
    held: seconds.Seconds,
    newest_s: int | None,
    now_s: float,
    zone: Zone,
    axes: Mapping[str, Range],
    contract_w: float = 0.0,
) -> Json:
    """Everything about this moment of one sensor.

    Args:
        held: its seconds, at least those of the window.
        newest_s: its newest second ever received, held or not.
        now_s: the clock, UTC.
        axes: the y axes' ranges.
        contract_w: contracted power; 0: none.
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
        "span": _span(end_s if last else None, now_s, zone),
        "contract": contract(values.total_mw, contract_w),
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


def contract(total_mw: float, contract_w: float) -> Json | None:
    """How near the power of this moment is to the contract; None when none is set, or nothing is measured now."""
    if not contract_w or math.isnan(total_mw):
        return None
    share = max(0.0, total_mw / 1000 / contract_w)
    return {
        "state": "over" if share > 1 else "near" if share >= NEAR else "fine",
        "width": round(min(100.0, 100 * share), 1),
        "text": say(
            "{share} of the contracted {power}",
            share=joined("\u202f", quantity.percent(100 * share)),
            power=quantity.power_text(contract_w * 1000),
        ),
    }


def past(shown: by_minute.Minutes, hours: int, now_s: float, zone: Zone, axis: Range) -> Json:
    """Everything about the last hours of one sensor that is not a column."""
    missing = by_minute.gaps(shown)
    return {
        "hours": hours,
        "window": [zone.local_ms(shown.start_s), zone.local_ms(shown.end_s)],
        "axis": list(axis),
        "gaps": [[zone.local_ms(a), zone.local_ms(b)] for a, b in missing],
        "span": (
            say("up to {moment}, the last data", moment=zone.text(shown.end_s, now_s))
            if shown.end_s < now_s
            else say_n("the last hour", "the last {n} hours", hours)
        ),
        "measured": say("{share} measured", share=_share(shown.measured_pct)),
    }


def _span(end_s: int | None, now_s: float, zone: Zone) -> Text:
    if end_s is None:
        return say("the last 60 seconds")
    return say("the last minute received, up to {moment}", moment=zone.text(end_s, now_s))


def _share(value: float) -> Number:
    """Never 100 % unless it is, never 0 % unless it is."""
    if value in (0.0, 100.0):
        return Number(f"{value:.0f}\u202f%")
    return Number(f"{min(99.9, max(0.1, value)):.1f}\u202f%")

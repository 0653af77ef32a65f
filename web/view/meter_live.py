"""The last minutes of a meter frame by frame, and what its page says in words and numbers."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from web.view import meter_day, quantity
from web.view.clock import Zone
from web.view.meter import BROKEN_S, COLOURS, LIVE_S, Frame, Minute, tariff_index, tariff_text
from web.view.meter_day import Counted, Day, Quality
from web.view.say import Number, Text, joined, say, say_n
from web.view.scale import Range, calm

Json = dict[str, Any]
WINDOW_S = 300
COLUMNS = ("t", "apparent", "injected")
ROLLOVER = 700
"""Points a page keeps: some more than the window, at the shortest frames."""
SKEW_S = 120
"""The meter's clock may be this far from the reader's before it is told."""
_NAN = float("nan")


def columns(frames: Sequence[Frame], zone: Zone, before: Frame | None = None) -> dict[str, list[float]]:
    """One point a frame; one without values where nothing came for BROKEN_S.

    Args:
        frames: by time.
        before: the frame before these that the page has.
    """
    out: dict[str, list[float]] = {name: [] for name in COLUMNS}

    def point(at_s: float, apparent: float, injected: float) -> None:
        out["t"].append(zone.local_ms(at_s))
        out["apparent"].append(apparent)
        out["injected"].append(injected)

    for frame in frames:
        if before is not None and frame.at_s - before.at_s > BROKEN_S:
            point(before.at_s + 1, _NAN, _NAN)
        point(frame.at_s, _kva(frame.apparent_va), -_kva(frame.injected_va))
        before = frame
    return out


def _kva(value_va: int | None) -> float:
    return _NAN if value_va is None else value_va / 1000


def window(newest_s: float | None, now_s: float, *, live: bool) -> tuple[float, float]:
    """What to show: up to the newest frame while frames come, up to now in a silence, and what came last in a long one."""
    if newest_s is None:
        end_s = now_s
    elif live or newest_s < now_s - WINDOW_S:
        end_s = newest_s
    else:
        end_s = now_s
    return end_s - WINDOW_S, end_s


def gaps(frames: Sequence[Frame], start_s: float, end_s: float) -> list[tuple[float, float]]:
    """Spans of more than BROKEN_S without a right frame."""
    moments = [start_s, *(frame.at_s for frame in frames if start_s <= frame.at_s <= end_s), end_s]
    return [(a, b) for a, b in itertools.pairwise(moments) if b - a > BROKEN_S]


def state(newest: Frame | None, now_s: float, zone: Zone) -> Json:
    """Whether the meter is live, as a word for the style and a sentence for people; by the reader's clock."""
    if newest is None:
        return {"state": "never", "sentence": say("nothing received yet")}
    silent_s = now_s - newest.received_s
    if silent_s <= LIVE_S:
        return {"state": "live", "sentence": say("live")}
    if silent_s < 3600:
        return {"state": "silent", "sentence": say("no data for {span}", span=quantity.duration(silent_s))}
    return {"state": "silent", "sentence": say("silent since {moment}", moment=zone.text(newest.received_s, now_s))}


def volt_amperes(value_va: float | None) -> tuple[str, str]:
    """Apparent power to the volt-ampere, as the meter gives it."""
    if value_va is None or math.isnan(value_va):
        return quantity.DASH, "VA"
    return Number(f"{value_va:,.0f}".replace(",", "\u202f")), "VA"


def watt_hours(energy_wh: int) -> Number:
    """Energy of a day: 0.35 kWh, 12.40 kWh."""
    return Number(f"{energy_wh / 1000:,.2f}".replace(",", "\u202f") + " kWh")


def now(name: str, frames: Sequence[Frame], newest: Frame | None, now_s: float, zone: Zone, axis: Range) -> Json:
    """Everything about this moment of one meter.

    Args:
        frames: by time, at least those of the window.
        newest: the last one ever received, held or not.
    """
    newest_s = None if newest is None else newest.at_s
    said = state(newest, now_s, zone)
    start_s, end_s = window(newest_s, now_s, live=said["state"] == "live")
    shown = newest if said["state"] == "live" else None  # a last value is history, not "now"
    contract_va = newest.contract_va if newest else 0
    long_ago = newest_s is not None and shown is None and newest_s < now_s - WINDOW_S
    apparent = None if shown is None else shown.apparent_va
    return {
        "meter": name,
        **said,
        "zone": zone.label,
        "clock": zone.text(newest_s, now_s) if newest_s is not None else quantity.DASH,
        "span": (
            say("the last data, up to {moment}", moment=zone.text(end_s, now_s)) if long_ago else say("the last five minutes")
        ),
        "window": [zone.local_ms(start_s), zone.local_ms(end_s)],
        "axis": list(axis),
        "gaps": [[zone.local_ms(a), zone.local_ms(b)] for a, b in gaps(frames, start_s, end_s)],
        "contract_kva": contract_va / 1000 or None,
        "numbers": {
            "apparent": volt_amperes(apparent),
            "injected": volt_amperes(shown.injected_va if shown else None),
            "contract": (Number(f"{contract_va / 1000:g}"), "kVA") if contract_va else (quantity.DASH, "kVA"),
            "voltage": (_each(shown.voltage_v if shown else ()), "V"),
            "current": (_each(shown.current_a if shown else ()), "A"),
        },
        "share": None if apparent is None or not contract_va else round(apparent / contract_va * 100),
        "over_power": bool(shown and shown.over_power),
        "injects": bool(shown and shown.injected_va is not None),
        "tariff": tariff_text(shown.tariff, shown.tariff_name) if shown else "",
        "index": tariff_index(shown.tariff, shown.tariff_name) if shown else 0,
        # Yesterday's "today" is not today's.
        "tempo": _tempo(newest) if newest and zone.date(newest.at_s) == zone.date(now_s) else None,
        "mode": newest.mode if newest else "",
        "notes": [] if newest is None else _clock_notes(newest),
    }


def axis_of(points: Mapping[str, Sequence[float]], contract_va: int, current: Range | None) -> Range:
    """The y axis of the last minutes, kVA. Far below the contract the contract's line is not in it."""
    values = np.array([*points["apparent"], *points["injected"]])
    seen = values[~np.isnan(values)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (_NAN, _NAN)
    if contract_va and high > 0.6 * contract_va / 1000:
        high = max(high, contract_va / 1000)
    return calm(low, high, current, least=0.3, floor=0.0)


def _each(values: Iterable[int | None]) -> str:
    return " · ".join(quantity.DASH if value is None else str(value) for value in values) or quantity.DASH


def _clock_notes(newest: Frame) -> list[str]:
    """When moments are not what they seem."""
    if newest.clock_degraded:
        return [say("The meter's clock has lost the time: moments here are those of the reader until the meter is set again.")]
    skew_s = newest.at_s - newest.received_s
    if abs(skew_s) <= SKEW_S or not newest.clock_synchronised or newest.mode == "historic":
        return []
    off = quantity.duration(abs(skew_s))
    if skew_s > 0:
        return [say("The meter's clock is {span} ahead; moments here are the meter's.", span=off)]
    return [say("The meter's clock is {span} behind; moments here are the meter's.", span=off)]


def _tempo(newest: Frame) -> Json | None:
    """Colours of today and tomorrow; None for a contract without any."""
    if not {newest.tempo_today, newest.tempo_tomorrow} & COLOURS.keys():
        return None
    return {
        day: {"colour": colour if colour in COLOURS else "none", "text": COLOURS.get(colour, say("not announced yet"))}
        for day, colour in (("today", newest.tempo_today), ("tomorrow", newest.tempo_tomorrow))
    }


def past(
    minutes: Mapping[int, Minute],
    day: Day,
    names: Mapping[int, str],
    now_s: float,
    axes: Mapping[str, Range],
) -> Json:
    """Everything about one day that is not a column.

    Args:
        minutes: of the day, and of the hour before it.
        names: of tariffs by index, where the meter said them.
    """
    mine = [one for start_s, one in sorted(minutes.items()) if day.start_s <= start_s < day.end_s]
    running = day.start_s <= now_s < day.end_s
    heard = [one for start_s, one in minutes.items() if now_s - 3600 <= start_s] if running else mine
    link = meter_day.quality(heard)
    over = sum(one.over_power for one in mine)
    return {
        "day": f"{day.date:%Y-%m-%d}",
        "window": [0, day.ms(day.end_s)],
        "ticks": meter_day.ticks(day),
        "axes": {name: list(bounds) for name, bounds in axes.items()},
        "gaps": meter_day.gaps(minutes, day, now_s),
        "tariffs": meter_day.in_force(minutes, day),
        "measured": say("{share} measured", share=share(meter_day.covered_pct(mine, day, now_s))),
        "energy": energy(mine, day, names),
        "quality": _quality(link, say_n("the last hour", "the last {n} hours", 1) if running else say("this day")),
        "voltage": _voltage(mine),
        "over": _over(over),
        "notes": _notes(mine, link, running=running),
        "empty": not mine,
    }


def energy(minutes: Sequence[Minute], day: Day, names: Mapping[int, str]) -> Json:
    """The table of the day: a row for each tariff that ever counted, the sum, and what was injected."""
    found = {one.label: one for one in meter_day.counted(minutes)}
    rows = [one for one in found.values() if one.index is not None and one.last_wh]
    drawn, injected = found.get("EAST"), found.get("EAIT")
    total_wh = drawn.total_wh if drawn else sum(one.total_wh for one in rows)
    measured_wh = drawn.measured_wh if drawn else sum(one.measured_wh for one in rows)
    begin: str = ""
    if minutes and minutes[0].minute_s > day.start_s:
        begin = say("since {moment}: nothing was heard before", moment=day.clock(minutes[0].minute_s))
    return {
        "rows": [_row(one, names, total_wh) for one in rows],
        "total": watt_hours(total_wh) if found else quantity.DASH,
        "injected": watt_hours(injected.total_wh) if injected and injected.last_wh else None,
        "note": joined("; ", (text for text in (begin, _unheard(total_wh - measured_wh)) if text)),
    }


def _row(one: Counted, names: Mapping[int, str], total_wh: int) -> Json:
    assert one.index is not None
    return {
        "label": one.label,
        "index": one.index,
        "name": tariff_name(one, names),
        "energy": watt_hours(one.total_wh),
        "share": round(one.total_wh / total_wh * 100) if total_wh else 0,
        "reading": Number(f"{one.last_wh / 1000:,.3f}".replace(",", "\u202f") + " kWh"),
    }


def tariff_name(one: Counted, names: Mapping[int, str]) -> str:
    """What people call the tariff of an index."""
    from_label = meter_day.HISTORIC_NAMES.get(one.label)
    return from_label or names.get(one.index or 0, say("Index {n}", n=one.index))


def _unheard(difference_wh: int) -> str:
    """What the meter counted while no frame came: its indexes tell it afterwards, the load curve does not show it."""
    return say("of this, {energy} while nothing was heard", energy=watt_hours(difference_wh)) if difference_wh > 0 else ""


def share(value: float) -> Number:
    """Never 100 % unless it is, never 0 % unless it is."""
    if value in (0.0, 100.0):
        return Number(f"{value:.0f}\u202f%")
    return Number(f"{min(99.9, max(0.1, value)):.1f}\u202f%")


def _quality(link: Quality, span: Text) -> Json:
    pct = link.right_pct
    state = "none" if pct is None else "good" if pct >= meter_day.GOOD_PCT else "fair" if pct >= meter_day.POOR_PCT else "bad"
    return {
        "state": state,
        "span": span,
        "right": (quantity.DASH, "%") if pct is None else (Number(share(pct).removesuffix("\u202f%")), "%"),
        "counts": {
            "bad_characters": _count(link.bad_characters),
            "rejected_groups": _count(link.rejected_groups),
            "lost_frames": _count(link.lost_frames + link.discarded_frames),
            "quarantined": _count(link.quarantined),
        },
    }


def _count(value: int) -> Number:
    return Number(f"{value:,}".replace(",", "\u202f"))


def _over(minutes: int) -> str:
    if not minutes:
        return ""
    return say_n("over the contract's power in {n} minute", "over the contract's power in {n} minutes", minutes)


def _voltage(minutes: Sequence[Minute]) -> str:
    low = [value for one in minutes for value in one.voltage_min_v if value]
    high = [value for one in minutes for value in one.voltage_max_v if value]
    return say("from {low} to {high} V", low=f"{min(low):.0f}", high=f"{max(high):.0f}") if low and high else ""


def _notes(minutes: Sequence[Minute], link: Quality, *, running: bool) -> list[Json]:
    """What somebody who looks at these numbers must know."""
    notes = []
    if not running and any(one.clock_degraded for one in minutes):
        text = say("The meter's clock had lost the time on this day: moments are then those of the reader.")
        notes.append({"kind": "clock", "text": text})
    pct = link.right_pct
    if pct is not None and pct < meter_day.POOR_PCT:
        text = say(
            "The line is bad: only {share} of its frames came through. See “How good a line is” in docs/linky.md.",
            share=share(pct),
        )
        notes.append({"kind": "link", "text": text})
    quarantined = sum(one.quarantined for one in minutes)
    if quarantined:
        text = say_n(
            "{n} frame contradicts those before and does not count; {command} shows it with its bytes.",
            "{n} frames contradict those before and do not count; {command} shows them with their bytes.",
            quarantined,
            command="`powermon dead-letters list`",
        )
        notes.append({"kind": "quarantine", "text": text})
    return notes

"""What the plots of anomalies show: a timeline by lane, and what was measured around one. Pure; times in ms of the window."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from schemas.anomaly import LINKY
from web.view import anomaly as words
from web.view import anomaly_facts as facts
from web.view.anomaly_facts import Row
from web.view.say import Text, moment

LANES_MOST = 24
LEAST_SHARE = 0.004
"""Of the window: what is shorter is drawn so wide, that it is seen."""

_STEPS_S = (60, 300, 900, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 86_400, 2 * 86_400, 7 * 86_400)
_VOLTAGE = ("sag", "swell", "interruption")
_TOTAL = ("overload", "overload_quarter", "peak", "reverse_power", "habit")

Columns = dict[str, list[Any]]
MinuteRow = tuple[int, int, float, float, float]
"""UTC second, phase 1 to 3, mean power in mW, power factor in percent, mean voltage in mV."""


def timeline(rows: Sequence[Row], start_s: float, end_s: float, zone: str, now_s: float, *, by_rule: bool) -> dict[str, Any]:
    """Marks of anomalies, a lane a sensor or rule; those with the most anomalies, by name.

    Returns:
        window, ticks, height in lanes; `bars` and `names` as columns; `hidden`, how many lanes have no room.
    """
    of = [row["rule"] if by_rule else row["source"] for row in rows]
    common = sorted(set(of), key=lambda name: (-of.count(name), name))
    lanes = sorted(common[:LANES_MOST])
    if by_rule:
        lanes.sort(key=list(words.RULES).index)
    place = {name: at for at, name in enumerate(lanes)}
    window = [0.0, (end_s - start_s) * 1000]
    bars: Columns = {
        name: [] for name in ("left", "right", "bottom", "top", "colour", "id", "when", "what", "value", "lasted", "of")
    }
    for row, lane in zip(rows, of, strict=True):
        if lane not in place:
            continue
        left = max(window[0], row["start_us"] / 1000 - start_s * 1000)
        end_ms = row["start_us"] / 1000 + facts.lasted_s(row, now_s) * 1000 if row["end_us"] is None else row["end_us"] / 1000
        right = min(window[1], end_ms - start_s * 1000)
        least = window[1] * LEAST_SHARE
        if right - left < least:
            left, right = max(0.0, (left + right - least) / 2), max(least, (left + right + least) / 2)
        at = len(lanes) - 1 - place[lane]
        values = {
            "left": left,
            "right": right,
            "bottom": at + 0.06,
            "top": at + 0.46,
            "colour": words.COLOURS.get(row["severity"], "--accent"),
            "id": row["id"],
            "when": words.when(zone, row["start_us"]),
            "what": words.rule(row),
            "value": words.worst(row, now_s),
            "lasted": words.lasted(row, now_s),
            "of": row["source"],
        }
        for name, found in values.items():
            bars[name].append(found)
    named = [words.RULES.get(name, Text(name)) if by_rule else name for name in lanes]
    return {
        "window": window,
        "ticks": ticks(start_s, end_s, zone),
        "lanes": len(lanes),
        "bars": bars,
        "names": {"x": [0] * len(lanes), "y": [len(lanes) - k - 0.3 for k in range(len(lanes))], "text": named},
        "hidden": len(common) - len(lanes),
    }


def ticks(start_s: float, end_s: float, zone: str) -> list[tuple[float, Text]]:
    """Places of the axis, at whole local times, and what stands there."""
    length = end_s - start_s
    step = next((one for one in _STEPS_S if length / one <= 13), 28 * 86_400)
    here = ZoneInfo(zone)
    if step >= 86_400:
        day = datetime.fromtimestamp(start_s, here).replace(hour=0, minute=0, second=0, microsecond=0)
        found = []
        while day.timestamp() <= end_s:
            if day.timestamp() >= start_s:
                found.append(((day.timestamp() - start_s) * 1000, moment(day, "day")))
            day += timedelta(days=step // 86_400)
        return found
    shift = int((datetime.fromtimestamp(start_s, here).utcoffset() or timedelta()).total_seconds())
    at = -(-int(start_s + shift) // step) * step - shift
    places = range(at, int(end_s) + 1, step)
    local = [datetime.fromtimestamp(one, here) for one in places]
    days = [moment(one, "day") if (one.hour, one.minute) == (0, 0) else moment(one, "minute") for one in local]
    return [((one - start_s) * 1000, said) for one, said in zip(places, days, strict=True)]


def span_of(row: Row, now_s: float) -> tuple[float, float]:
    """From when to when to show what was measured, UTC seconds: voltage sample by sample, else by minute."""
    start = row["start_us"] / 1e6
    end = start + facts.lasted_s(row, now_s)
    if row["rule"] in _VOLTAGE:
        seconds = [one[0] for one in facts.samples(row)]
        return (min(seconds), max(seconds) + 1) if seconds else (start - 2, end + 2)
    around = min(1800.0, max(600.0, (end - start) / 4))
    first = int(start - around) // 60 * 60
    return first, min(first + 3 * 86_400, int(end + around) // 60 * 60 + 60)


def kind_of(row: Row) -> str:
    """What is drawn: voltage, total, pf, power; of a Linky: apparent."""
    if row["kind"] == LINKY:
        return "apparent"
    if row["rule"] in (*_VOLTAGE, "voltage_imbalance"):
        return "voltage"
    return "total" if row["rule"] in _TOTAL else "pf" if row["rule"] == "low_pf" else "power"


def around(row: Row, minutes: Sequence[MinuteRow], zone: str, now_s: float) -> dict[str, Any]:
    """The plot of one anomaly: what was measured, the limit in force, and how long it was broken.

    Args:
        minutes: of the span, in order; none are needed for voltage events.
    """
    start_s, end_s = span_of(row, now_s)
    sampled = row["rule"] in _VOLTAGE
    lines = _sampled(row, start_s) if sampled else _by_minute(kind_of(row), minutes, start_s)
    sign = -1 if row["rule"] == "reverse_power" else 1
    limit = None
    if sampled or (row["rule"] in (*_TOTAL, "low_pf") and row["kind"] != LINKY):
        limit = sign * row["limit_value"] / {"voltage": 1000, "total": 1e6, "pf": 10}[kind_of(row)]
    begins = row["start_us"] / 1000 - start_s * 1000
    known = [v for line in lines.values() for v in line["v"] if v is not None]
    return {
        "window": [0.0, (end_s - start_s) * 1000],
        "ticks": _second_ticks(start_s, end_s, zone) if sampled else ticks(start_s, end_s, zone),
        "axis": _axis(
            [*known, *([limit] if limit is not None else [])], from_zero=kind_of(row) in ("power", "total", "apparent")
        ),
        "lines": lines,
        "limit": limit,
        "mark": [begins, begins + facts.lasted_s(row, now_s) * 1000],
        "empty": not known,
    }


def _sampled(row: Row, start_s: float) -> dict[str, Columns]:
    """Each sample as a level as long as its window; a second that is not there is a gap."""
    lines: dict[str, Columns] = {name: {"t": [], "v": []} for name in "ABC"}
    last: dict[str, int] = {}
    for second, probe, _, _, volts in facts.samples(row):
        line, name = lines["ABC"[probe - 1]], "ABC"[probe - 1]
        if name in last and second != last[name] + 1:
            line["t"].append((last[name] + 1 - start_s) * 1000)
            line["v"].append(None)
        last[name] = second
        for k, millivolts in enumerate(volts):
            line["t"] += [(second - start_s + k / len(volts)) * 1000, (second - start_s + (k + 1) / len(volts)) * 1000]
            line["v"] += [millivolts / 1000] * 2
    return {name: line for name, line in lines.items() if line["t"]}


def _by_minute(kind: str, minutes: Sequence[MinuteRow], start_s: float) -> dict[str, Columns]:
    """Each minute as a level; of all phases together one line."""
    found: dict[str, dict[int, float]] = {}
    for at, probe, power, pf, voltage in minutes:
        name = "total" if kind in ("total", "apparent") else "ABC"[probe - 1]
        line = found.setdefault(name, {})
        line[at] = line.get(at, 0.0) + {"pf": abs(pf), "voltage": voltage / 1000}.get(kind, power / 1e6)
    lines: dict[str, Columns] = {}
    for name, line in sorted(found.items()):
        made = lines[name] = {"t": [], "v": []}
        before = None
        for at, level in sorted(line.items()):
            if before is not None and at != before + 60:
                made["t"].append((before + 60 - start_s) * 1000)
                made["v"].append(None)
            made["t"] += [(at - start_s) * 1000, (at + 60 - start_s) * 1000]
            made["v"] += [level, level]
            before = at
    return lines


def _second_ticks(start_s: float, end_s: float, zone: str) -> list[tuple[float, Text]]:
    here = ZoneInfo(zone)
    places = range(int(start_s), int(end_s) + 1)
    return [((at - start_s) * 1000, moment(datetime.fromtimestamp(at, here), "second")) for at in places]


def _axis(values: Sequence[float], *, from_zero: bool) -> list[float]:
    if not values:
        return [0.0, 1.0]
    low, high = min(values), max(values)
    if from_zero:
        low, high = min(0.0, low), max(0.0, high)
    room = 0.08 * (high - low) or 1.0
    return [low if from_zero and low == 0 else low - room, high + room]


def legend(lines: dict[str, Columns]) -> list[str]:
    """Names of the lines in their order."""
    return [name for name in ("A", "B", "C", "total") if name in lines]

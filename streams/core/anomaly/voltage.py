"""Sags, swells and interruptions: sample by sample, over the few seconds in which a voltage left its band.

EN 50160: a dip begins when a voltage falls below its limit and ends when it is back above the limit and 2 % more. Two of
them less than 1 s apart are one. While all phases are gone it is an interruption, and not a dip of each as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from streams.core.anomaly.limits import ROW

SAG, SWELL, INTERRUPTION = "sag", "swell", "interruption"
JOIN_US = 1_000_000
SECOND_US = 1_000_000

_AT = {name: at for at, name in enumerate(ROW)}


@dataclass(frozen=True, slots=True)
class Second:
    """What one second of one sensor says about voltage.

    Attributes:
        timestamp_s: its start.
        samples: by probe 0..2, the n voltages in mV in which one left its band; None: all n within the band.
            A probe that did not come is not in it.
    """

    timestamp_s: int
    samples: Mapping[int, tuple[int, ...] | None]


@dataclass(frozen=True, slots=True)
class Event:
    """A voltage event that is not over, or was over less than a second ago.

    Attributes:
        end_us: the end of the newest moment in it.
        running: whether that moment is the newest one known.
        worst_us: when it was worst.
        absorbed: it is part of an interruption.
    """

    rule: str
    phase: int
    start_us: int
    end_us: int
    worst_mv: int
    worst_us: int
    running: bool
    absorbed: bool = False


Events = dict[tuple[str, int], Event]
"""By rule and phase (0: all): the memory of one sensor."""


def judge(events: Events, second: Second, limits: list[int]) -> tuple[Events, list[Event]]:
    """Take one more second in.

    Args:
        events: the memory; not changed.
        second: the next one; seconds that did not come at all are left out.
        limits: a row of `limits.row_of`.

    Returns:
        the new memory, and the events that are over for good.
    """
    now_us = second.timestamp_s * SECOND_US
    events, over = expire(events, now_us)
    over += _interruption(events, second, limits)
    for probe, samples in second.samples.items():
        for rule, limit, end, sign in (
            (SAG, limits[_AT["sag_pct"]], limits[_AT["sag_end_pct"]], 1),
            (SWELL, limits[_AT["swell_pct"]], limits[_AT["swell_end_pct"]], -1),
        ):
            key = rule, probe + 1
            if samples is not None:
                over += _samples(events, key, now_us, [sign * v for v in samples], (sign * limit, sign * end), sign)
            elif key in events and events[key].running:
                events[key] = replace(events[key], running=False)
    for key, event in list(events.items()):  # of probes that did not come
        if event.running and event.end_us <= now_us:
            events[key] = replace(event, running=False)
    _absorb(events)
    return events, [event for event in over if not event.absorbed]


def expire(events: Events, now_us: int) -> tuple[Events, list[Event]]:
    """Let go of what was over a second ago, with nothing measured since its end up to now_us; the rest, and what is over.

    An event that is still running when nothing more is measured ends with its last moment.
    """
    kept: Events = {}
    over: list[Event] = []
    for key, event in events.items():
        if now_us - event.end_us < JOIN_US:
            kept[key] = event
        else:
            over.append(replace(event, running=False))
    return kept, [event for event in over if not event.absorbed]


def _samples(
    events: Events, key: tuple[str, int], start_us: int, values: list[int], limits: tuple[int, int], sign: int
) -> list[Event]:
    """The samples of one probe-second, as if below were wrong; changes the memory, and gives what is over for good."""
    limit, end = limits
    n = len(values)
    over: list[Event] = []
    event = events.get(key)
    for k, value in enumerate(values):
        at_us = start_us + k * SECOND_US // n
        until_us = start_us + (k + 1) * SECOND_US // n
        if event is not None and not event.running and at_us - event.end_us >= JOIN_US:
            over.append(event)
            event = None
        if value < (end if event is not None and event.running else limit):
            if event is None:
                event = Event(*key, at_us, until_us, sign * value, at_us, True)
            else:
                event = replace(event, end_us=until_us, running=True)
                if value < sign * event.worst_mv:
                    event = replace(event, worst_mv=sign * value, worst_us=at_us)
        elif event is not None and event.running:
            event = replace(event, running=False)
    if event is None:
        events.pop(key, None)
    else:
        events[key] = event
    return over


def _interruption(events: Events, second: Second, limits: list[int]) -> list[Event]:
    """All voltages gone, moment by moment; those that have one value for the second have it in all its moments."""
    end = limits[_AT["interruption_end_pct"]]
    lists = list(second.samples.values())
    if not lists or any(one is None for one in lists):
        highest = [end]
    else:
        n = max(len(one) for one in lists if one is not None)
        highest = [max(one[k * len(one) // n] for one in lists if one is not None) for k in range(n)]
    bounds = limits[_AT["interruption_pct"]], end
    return _samples(events, (INTERRUPTION, 0), second.timestamp_s * SECOND_US, highest, bounds, 1)


def _absorb(events: Events) -> None:
    """Mark the dips that are part of an interruption."""
    gone = events.get((INTERRUPTION, 0))
    if gone is None:
        return
    for key, event in list(events.items()):
        if event.rule == SAG and event.start_us < gone.end_us + JOIN_US and gone.start_us < event.end_us + JOIN_US:
            events[key] = replace(event, absorbed=True)


# ---- classes

_IEEE_1159_S = ((0.5, "instantaneous"), (3.0, "momentary"), (60.0, "temporary"))
_CELL_RESIDUALS = (80, 70, 40, 5)
_CELL_DURATIONS_MS = ((200, "10-200ms"), (500, "200-500ms"), (1000, "0.5-1s"), (5000, "1-5s"), (60_000, "5-60s"))
_RIDE_THROUGH_LOW = ((20, 0), (500, 700), (10_000, 800))
_RIDE_THROUGH_HIGH = ((3, 1400), (500, 1200))


def ieee1159(rule: str, duration_us: int) -> str:
    """The class by duration; interruptions have no instantaneous one."""
    found = next((name for most_s, name in _IEEE_1159_S if duration_us < most_s * SECOND_US), "sustained")
    return "momentary" if rule == INTERRUPTION and found == "instantaneous" else found


def en50160(residual_permille: int, duration_us: int) -> str:
    """The cell of EN 50160's table of dips, as 80-70%/200-500ms; longer than a minute it is none."""
    duration = next((name for most_ms, name in _CELL_DURATIONS_MS if duration_us <= most_ms * 1000), None)
    if duration is None:
        return ""
    high = 90
    for low in _CELL_RESIDUALS:
        if residual_permille >= low * 10:
            return f"{high}-{low}%/{duration}"
        high = low
    return f"<5%/{duration}"


def rides_through(permille: int, duration_us: int) -> bool:
    """Whether equipment must stand it by the ITIC curve."""
    if permille < 1000:
        return permille >= next((least for most_ms, least in _RIDE_THROUGH_LOW if duration_us <= most_ms * 1000), 900)
    return permille <= next((most for most_ms, most in _RIDE_THROUGH_HIGH if duration_us <= most_ms * 1000), 1100)

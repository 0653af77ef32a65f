"""What a gateway receives when devices and links behave as badly as they may, and what must come out of it."""

from dataclasses import dataclass

import numpy as np

from producers.simulate import events
from producers.simulate.fleet import Body, Fleet, second
from producers.simulate.noise import between, hashed, uniform

LIVE, RETRANSMISSION, STRAY_COPY, BACKLOG, LATE_BLOCK, CONFLICT = (
    "live",
    "retransmission",
    "stray_copy",
    "backlog",
    "late_block",
    "conflict",
)


@dataclass(frozen=True, slots=True)
class Rates:
    """How much goes wrong.

    Attributes:
        retransmission: share of the seconds sent again within a minute.
        stray_copy: share of the seconds whose copy wanders in up to an hour later.
        conflict: share of the seconds whose later copy holds other values.
        outage_every_s, outage_s: mean distance and greatest length of link outages; the backlog follows in a burst.
        gap_every_s, gap_s: the same for seconds that were never measured.
        step_every_s, step_s: the same for a clock that runs ahead and is then set back.
        late_block_s: seconds of each sensor that come last of all, backwards.
    """

    retransmission: float = 0.02
    stray_copy: float = 0.002
    conflict: float = 0.0
    outage_every_s: int = 1800
    outage_s: int = 600
    gap_every_s: int = 2400
    gap_s: int = 90
    step_every_s: int = 7200
    step_s: int = 30
    late_block_s: int = 120


@dataclass(frozen=True, slots=True)
class Arrival:
    """One post at the gateway.

    Attributes:
        at_s: when it comes, UTC.
        index: which sensor of the fleet.
        timestamp_s: the second it holds, by the sensor's clock.
        why: LIVE, RETRANSMISSION, ...
    """

    at_s: float
    index: int
    timestamp_s: int
    why: str


def arrivals(fleet: Fleet, start_s: int, end_s: int, rates: Rates | None = None) -> list[Arrival]:
    """Every post of [start_s, end_s) in the order a gateway receives them."""
    rates = rates or Rates()
    out: list[Arrival] = []
    for index in range(len(fleet.sensor_ids)):
        out += _of_sensor(fleet, index, start_s, end_s, rates)
    out.sort(key=lambda a: (a.at_s, a.index, a.timestamp_s))
    return out


def expected(fleet: Fleet, posts: list[Arrival]) -> dict[str, list[int]]:
    """The distinct seconds of each sensor, ascending: what a stack holds once all posts are in."""
    found: dict[str, set[int]] = {}
    for post in posts:
        found.setdefault(fleet.sensor_ids[post.index], set()).add(post.timestamp_s)
    return {sensor_id: sorted(seconds) for sensor_id, seconds in sorted(found.items())}


def body(fleet: Fleet, post: Arrival) -> Body:
    """The body of one post, without token."""
    made = second(fleet, post.index, post.timestamp_s)
    if made is None:
        raise ValueError(f"sensor {fleet.sensor_ids[post.index]} is silent at {post.timestamp_s}")
    if post.why == CONFLICT:
        for probe in made["data"]:
            probe["power"] = [p + 1 for p in probe["power"]]
    return made


def _of_sensor(fleet: Fleet, index: int, start_s: int, end_s: int, rates: Rates) -> list[Arrival]:
    seed = fleet.seed
    measured = _labels(seed, index, start_s, end_s, rates)
    label_s = np.array([label for _, label in measured], np.int64)
    who = np.full(len(label_s), index, np.int64)
    silent = events.at(seed, who, label_s, fleet.event_chance).of(events.SILENCE)
    outages = _spells(seed, 50, index, start_s, end_s, rates.outage_every_s, rates.outage_s)
    latency_s = between(hashed(seed, 51, index, label_s), 0.03, 0.6)
    again, again_after_s = uniform(hashed(seed, 52, index, label_s)), between(hashed(seed, 53, index, label_s), 1, 60)
    stray, stray_after_s = uniform(hashed(seed, 54, index, label_s)), between(hashed(seed, 55, index, label_s), 60, 3600)
    late_from = start_s + int(uniform(hashed(seed, 56, index))[0] * max(end_s - start_s - rates.late_block_s, 1))
    late = (label_s >= late_from) & (label_s < late_from + rates.late_block_s)
    out: list[Arrival] = []
    for k, (at_s, label) in enumerate(measured):
        if silent[k]:
            continue
        why, comes_s = LIVE, at_s + 1 + float(latency_s[k])
        if late[k]:
            why, comes_s = LATE_BLOCK, end_s + 3700 + (late_from + rates.late_block_s - label) * 0.05
        for number, (outage_s, over_s) in enumerate(outages):
            if why == LIVE and outage_s <= at_s < over_s:
                # Every other outage is drained newest first.
                place = at_s - outage_s if number % 2 == 0 else over_s - at_s
                why, comes_s = BACKLOG, over_s + 1 + place * 0.05 + float(latency_s[k]) * 0.01
        out.append(Arrival(comes_s, index, label, why))
        if again[k] < rates.retransmission:
            out.append(Arrival(comes_s + float(again_after_s[k]), index, label, RETRANSMISSION))
        if stray[k] < rates.stray_copy:
            out.append(Arrival(comes_s + float(stray_after_s[k]), index, label, STRAY_COPY))
        elif stray[k] > 1 - rates.conflict:
            out.append(Arrival(comes_s + float(stray_after_s[k]), index, label, CONFLICT))
    return out


def _labels(seed: int, index: int, start_s: int, end_s: int, rates: Rates) -> list[tuple[int, int]]:
    """(true second, second by the sensor's clock) of all that was measured.

    A clock that jumps ahead skips seconds; set back, the sensor waits until the clock passes the last second it
    used. So no second is ever used twice.
    """
    gaps = _spells(seed, 60, index, start_s, end_s, rates.gap_every_s, rates.gap_s)
    steps = _spells(seed, 61, index, start_s, end_s, rates.step_every_s, rates.step_every_s // 4)
    sizes = between(hashed(seed, 62, index, np.arange(len(steps))), 2, max(rates.step_s, 3)).astype(np.int64).tolist()
    out: list[tuple[int, int]] = []
    last = start_s - 1
    for at_s in range(start_s, end_s):
        ahead = sum(size for (begin, over), size in zip(steps, sizes, strict=True) if begin <= at_s < over)
        label = at_s + ahead
        if label <= last or any(begin <= at_s < over for begin, over in gaps):
            continue
        out.append((at_s, label))
        last = label
    return out


def _spells(seed: int, salt: int, index: int, start_s: int, end_s: int, every_s: int, longest_s: int) -> list[tuple[int, int]]:
    """Spells of [begin, over) that do not overlap: at most one in each `every_s`."""
    if every_s <= 0 or longest_s <= 0:
        return []
    block = np.arange((start_s - 1) // every_s, end_s // every_s + 1)
    length = 1 + (uniform(hashed(seed, salt, index, block)) * min(longest_s, every_s // 2)).astype(np.int64)
    begin = block * every_s + (uniform(hashed(seed, salt + 100, index, block)) * (every_s - length)).astype(np.int64)
    return [
        (max(b, start_s), min(b + n, end_s))
        for b, n in zip(begin.tolist(), length.tolist(), strict=True)
        if b < end_s and b + n > start_s
    ]

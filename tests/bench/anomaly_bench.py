"""The rules of anomalies on days of simulated sensors with planted events: what they find, and what they cost.

`python -m tests.bench.anomaly_bench` writes the table into docs/anomalies.md.
"""

import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from producers.simulate import events
from producers.simulate.events import Event
from producers.simulate.fleet import Fleet, bodies, fleet, struck, truth
from schemas import topics, wire
from schemas.anomaly import CLOSED, Anomaly
from schemas.reading_decoder import ReadingDecoder
from schemas.run import Run
from streams.core.anomaly.judge import Judge
from streams.core.anomaly.limits import Limits
from streams.core.window import Partition
from tests.bench.anomaly_meters import CONTRACTS, HOURS, meter_score, quiet_meters
from tests.bench.anomaly_score import Score
from tests.bench.anomaly_weeks import SENSORS, WEEKS, habit_score, quiet_weeks

DOCS = Path(__file__).parents[2] / "docs" / "anomalies.md"
BEGIN, END = "<!-- table: python -m tests.bench.anomaly_bench -->", "<!-- /table -->"
LATENESS_MS = 120_000
SEED = 20260321
T0 = 1_790_000_000 - 1_790_000_000 % 1800
SLICE_S = 300
RARE_SENSORS, RARE_HOURS = 5, 4
QUARTER_US = 900_000_000
RULES = {"imbalance": "load_imbalance"}
"""Where the simulator's name of an event is not the rule's."""

_OVER = ("overload", "overload_quarter")
RIGHTLY = dict.fromkeys((*_OVER, "peak"), _OVER) | {"load_imbalance": ("imbalance",)}
"""Planted events that a rule rightly tells, where it is not the one of its own name: an overload makes a peak, and may last."""

SEEN_MS = 1000
"""With one voltage a second a shorter sag cannot be promised: a sensor's RMS of the second hardly shows it."""


class Catalog:
    """What the catalog would say of a simulated fleet."""

    version = 0

    def __init__(self, made: Fleet) -> None:
        self._limits = {
            name: Limits(float(made.nominal_v), float(made.sites.contract_w[k]), _thresholds(made, k))
            for k, name in enumerate(made.sensor_ids)
        }

    def of(self, sensor_id: str) -> Limits:
        return self._limits[sensor_id]


def _thresholds(made: Fleet, sensor: int) -> tuple[tuple[str, float], ...]:
    """Where there are no panels, nothing is to be fed back."""
    return () if made.sites.solar_w[sensor] else (("reverse_power_w", 100.0),)


def values_of(made: Fleet, sensor: int, start_s: int, count: int) -> list[tuple[int, bytes]]:
    """When each message of one sensor was appended, in ms, and its value, second by second."""
    out = []
    plan = struck(made, np.full(count, sensor), np.arange(start_s, start_s + count))
    late_ms = np.where(plan.of(events.CLOCK), plan.size * 1000, 0).astype(np.int64).tolist()
    twice = plan.of(events.CONFLICT).tolist()
    for k, body in enumerate(bodies(made, np.full(count, sensor), np.arange(start_s, start_s + count))):
        if body is None:
            continue
        probes = [
            (p["probe_id"], p["probe_type"], p["power"], p["pf"], v if isinstance(v := p["voltage"], list) else [v])
            for p in body["data"]
        ]
        at_s = body["timestamp"]
        head = wire.reading_head(1, body["sensor_id"])
        received_ms = at_s * 1000 + 1020 + late_ms[k]
        out.append((received_ms + 20, wire.encode_reading(head, at_s, received_ms, "221013", wire.pack(probes))))
        if twice[k]:
            other = [(n, kind, [x + 1 for x in power], *rest) for n, kind, power, *rest in probes]
            out.append((received_ms + 40, wire.encode_reading(head, at_s, received_ms + 20, "221013", wire.pack(other))))
    return out


def told(made: Fleet, sensor: int, hours: int) -> list[Anomaly]:
    """What the rules say for good of one sensor's hours."""
    decoder = ReadingDecoder(lambda _: wire.raw_schema(topics.READINGS))
    fold, found, offset = Partition(LATENESS_MS), {}, 0
    fold.judged_by(Judge(0, Catalog(made)))
    for start_s in range(T0, T0 + hours * 3600, SLICE_S):
        sent = values_of(made, sensor, start_s, SLICE_S)
        if sent:
            times, values = zip(*sent, strict=True)
            batch, _ = decoder.decode(Run.of(list(values), range(offset, offset + len(values)), list(times)))
            fold.fold(batch)
            offset += len(values)
        for one in fold.checkpoint(decoder.names.names).rulings.anomalies:
            found[one.id] = one
    fold.watermark_ms += 10 * LATENESS_MS
    found |= {one.id: one for one in fold.checkpoint(decoder.names.names).rulings.anomalies}
    return [one for one in found.values() if one.state == CLOSED and one.final]


def score(made: Fleet, sensors: int, hours: int) -> dict[str, Score]:
    """Planted and found, by the kind of the planted event; voltage events apart by how the probe reports."""
    scores: dict[str, Score] = defaultdict(Score)
    for sensor in range(sensors):
        found = told(made, sensor, hours)
        used: set[str] = set()
        for event in truth(made, sensor, T0, T0 + hours * 3600):
            if event.end_ms > (T0 + hours * 3600 - 120) * 1000 or (event.kind == "reverse_power" and made.sites.solar_w[sensor]):
                continue
            kind = _kind(made, sensor, event.kind, event.phase, event)
            scores[kind].planted += 1
            named = [one for one in found if one.rule == RULES.get(event.kind, event.kind) and _fits(one, event)]
            if named:
                scores[kind].found += 1
                scores[kind].starts_s.append(min(abs(one.start_us / 1e6 - _begins_s(event)) for one in named))
            used |= {one.id for one in found if _fits(one, event)}
            if event.kind == "overload_quarter":  # said beforehand, so that somebody can act
                scores["peak"].planted += 1
                quarter_us = _begins_s(event) * 1e6
                scores["peak"].found += any(
                    one.rule == "peak" and quarter_us <= one.start_us < quarter_us + 600e6 for one in found
                )
        for one in found:
            kind = _kind(made, sensor, next((k for k, v in RULES.items() if v == one.rule), one.rule), one.phase, None)
            scores[kind].told += 1
            scores[kind].right += one.id in used
    return scores


def _kind(made: Fleet, sensor: int, kind: str, phase: int, event: Event | None) -> str:
    if kind not in ("sag", "swell"):
        return kind
    if not made.sites.voltage_as_one[sensor][phase - 1]:
        return f"{kind}, voltage sampled"
    if event is not None and event.end_ms - event.start_ms < SEEN_MS:
        return f"{kind} under 1 s, one voltage a second"
    return f"{kind}, one voltage a second"


def _fits(one: Anomaly, event: Event) -> bool:
    if event.kind not in RIGHTLY.get(one.rule, (one.rule,)) or (event.phase and one.phase and one.phase != event.phase):
        return False
    if one.rule in ("overload_quarter", "peak"):
        return one.start_us // QUARTER_US <= event.end_ms * 1000 // QUARTER_US and (one.end_us or 0) > event.start_ms * 1000
    return one.start_us < event.end_ms * 1000 + 1_000_000 and (one.end_us or 0) > event.start_ms * 1000 - 1_000_000


def _begins_s(event: Event) -> float:
    """When the interval of an event begins: with it, but that of a quarter-hour with the quarter-hour."""
    return event.start_ms / 1000 if event.kind != "overload_quarter" else event.start_ms // 900_000 * 900


def table(sensors: int, hours: int) -> list[str]:
    """The lines of the table, and of the quiet days."""
    scores = score(fleet(SEED, sensors, event_chance=0.5), sensors, hours)
    rare = score(fleet(SEED, RARE_SENSORS, event_chance=0.6, kinds=events.RARE), RARE_SENSORS, RARE_HOURS)
    for kind, more in rare.items():
        scores[kind] = more if kind not in scores else scores[kind].with_(more)
    scores |= habit_score() | meter_score()
    lines = [
        "| planted | events | found | recall | told | right | precision | start off by at most |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for kind, s in sorted(scores.items()):
        recall = f"{s.found / s.planted:.0%}" if s.planted else "–"
        precision = f"{s.right / s.told:.0%}" if s.told else "–"
        off = f"{max(s.starts_s):.2f} s" if s.starts_s else "–"
        lines.append(f"| {kind} | {s.planted} | {s.found} | {recall} | {s.told} | {s.right} | {precision} | {off} |")
    quiet = fleet(SEED, sensors, event_chance=0.0)
    alarms = [one for sensor in range(sensors) for one in told(quiet, sensor, hours)]
    by_rule = ", ".join(sorted({one.rule for one in alarms})) or "none"
    habits, meters = len(quiet_weeks()), len(quiet_meters())
    lines += [
        "",
        f"{sensors} simulated sensors of all kinds, {hours} hours each; {RARE_SENSORS} with rarer events, {RARE_HOURS} hours.",
        f"Seed {SEED}.",
        f"`habit`: {SENSORS} sensors by minute, {WEEKS} weeks; Linkys: {len(CONTRACTS)} meters, {HOURS} hours each.",
        f"The same without planted events, as long: {len(alarms)} alarms of sensors ({by_rule}), {habits} of habits,",
        f"{meters} of Linkys.",
    ]
    return lines


# ---- cost


def cost(sensors: int = 250, seconds: int = 400, rounds: int = 3) -> dict[str, Any]:
    """CPU microseconds a reading of decode and fold with checkpoints, with the rules and without, in turns."""
    made = fleet(SEED, sensors, event_chance=0.25)
    every = [values_of(made, sensor, T0 + 36_000, seconds) for sensor in range(sensors)]
    times, values = map(list, zip(*sorted((one for of in every for one in of), key=lambda one: one[0]), strict=True))
    runs = [Run.of(values[at : at + 5000], range(at, min(at + 5000, len(values))), times[at : at + 5000])
            for at in range(0, len(values), 5000)]  # fmt: skip
    spent: dict[bool, list[float]] = {True: [], False: []}
    anomalies = 0
    for _ in range(rounds):
        for rules in (False, True):
            decoder, fold = ReadingDecoder(lambda _: wire.raw_schema(topics.READINGS)), Partition(LATENESS_MS)
            if rules:
                fold.judged_by(Judge(0, Catalog(made)))
            began, anomalies = time.process_time(), 0
            for k, run in enumerate(runs):
                batch, _ = decoder.decode(run)
                fold.fold(batch)
                if k % 10 == 9 or k == len(runs) - 1:
                    rulings = fold.checkpoint(decoder.names.names).rulings
                    anomalies += len([one.message(1) for one in rulings.anomalies])
                    [one.message(1) for one in rulings.states]
            spent[rules].append((time.process_time() - began) / len(values) * 1e6)
    return {"readings": len(values), "with_us": min(spent[True]), "without_us": min(spent[False]), "anomalies": anomalies}


def main() -> None:
    """Write the table into the docs."""
    sensors, hours = (int(a) for a in sys.argv[1:3]) if len(sys.argv) > 2 else (16, 24)
    text = DOCS.read_text()
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    DOCS.write_text("\n".join([head.rstrip("\n"), "", BEGIN, *table(sensors, hours), END]) + tail)


if __name__ == "__main__":
    main()

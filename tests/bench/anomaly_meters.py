"""The rules of Linkys on hours of simulated meters with planted faults."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from producers.simulate.linky.contract import Contract, Tariff
from producers.simulate.linky.line import Line
from producers.tic.decode import DecodedFrame, decode
from producers.tic.record import Received, record
from producers.tic.rules import LINE
from schemas import topics, wire
from schemas.anomaly import CLOSED, Anomaly
from schemas.run import Run
from schemas.tic_batch import FrameDecoder
from schemas.tic_frame import TicFrame, TicRejected
from streams.core.anomaly.meters import Meters
from streams.core.tic_window import TicPartition
from tests.bench.anomaly_score import Score

SEED = 20260321
T0 = 1_790_000_000 - 1_790_000_000 % 3600
LATENESS_MS = 120_000
HOURS = 2
CONTRACTS = (Contract(SEED, 0), Contract(SEED, 1, tariff=Tariff.TEMPO, phases=3))

PLANTED = (
    ("index", 300, 301),
    ("register_sums", 480, 500),
    ("link", 660, 1020),
    ("index_slope", 1800, 2700),
    ("over_power", 2760, 2800),
    ("silence", 2880, 2980),
    ("clock_degraded", 3120, 3300),
)
"""In each hour: rule, first second and the one after the last."""


def meter_score() -> dict[str, Score]:
    """Of each rule of Linkys."""
    scores: dict[str, Score] = defaultdict(Score)
    for contract in CONTRACTS:
        found, own = told(contract, plant=True), told(contract, plant=False)
        known = [(rule, T0 + hour * 3600 + a, T0 + hour * 3600 + b) for hour in range(HOURS) for rule, a, b in PLANTED]
        known += [
            (one.rule, one.start_us // 1_000_000, (one.end_us or 0) // 1_000_000) for one in own if one.rule == "over_power"
        ]
        used: set[str] = set()
        for rule, begin, end in known:
            mine = [a for a in found if a.rule == rule and a.start_us < (end + 2) * 1e6 and (a.end_us or 0) > begin * 1e6]
            near = [a for a in found if a.start_us < (end + 2) * 1e6 and (a.end_us or 0) > begin * 1e6]
            used |= {a.id for a in near if a.rule == rule or (rule, a.rule) == ("register_sums", "index")}  # EAST jumps then
            score = scores[f"{rule}, Linky"]
            score.planted += 1
            score.found += bool(mine)
            score.starts_s += [min(abs(a.start_us / 1e6 - begin) for a in mine)] if mine else []
        for one in found:
            scores[f"{one.rule}, Linky"].told += 1
            scores[f"{one.rule}, Linky"].right += one.id in used
    return dict(scores)


def quiet_meters() -> list[Anomaly]:
    """What is told of the same meters with nothing planted, but for what they say themselves."""
    return [one for contract in CONTRACTS for one in told(contract, plant=False) if one.rule != "over_power"]


def told(contract: Contract, *, plant: bool) -> list[Anomaly]:
    """What the rules say for good of a meter's hours."""
    decoder, fold = FrameDecoder(lambda _: wire.raw_schema(topics.TIC_FRAMES)), TicPartition(LATENESS_MS)
    fold.judged_by(Meters())
    found: dict[str, Anomaly] = {}
    part: list[TicFrame] = []
    offset = 0
    for one in (*_frames(contract, plant=plant), None):
        if one is not None:
            part.append(one)
        if len(part) == 200 or (one is None and part):
            keys, values = zip(*(frame.message(1) for frame in part), strict=True)
            times = [frame.received_at_ms + 900 for frame in part]
            batch, _ = decoder.decode(Run.of(list(values), range(offset, offset + len(part)), times, list(keys)))
            fold.fold(batch)
            offset += len(part)
            part = []
            found |= {a.id: a for a in fold.checkpoint(decoder.names.names).rulings.anomalies}
    fold.watermark_ms += 10 * LATENESS_MS
    found |= {a.id: a for a in fold.checkpoint(decoder.names.names).rulings.anomalies}
    return [a for a in found.values() if a.state == CLOSED and a.final]


def _frames(contract: Contract, *, plant: bool) -> Iterator[TicFrame]:
    more_wh, counter = 0.0, 0
    before = T0
    jumped: set[int] = set()
    for sent in Line(contract, float(T0)):
        if sent.begin_s >= T0 + HOURS * 3600:
            return
        events = [event for event in decode([sent.data], LINE) if isinstance(event, DecodedFrame)]
        at_s = int(sent.begin_s)
        hour, within = divmod(at_s - T0, 3600)
        now = {rule for rule, begin, end in PLANTED if plant and begin <= within < end}
        if not events or "silence" in now:
            before = at_s
            continue
        counter += 1
        one = record(
            events[0], Received(contract.address, "boot", counter, round(sent.begin_s * 1000), True, counter * 1000, 0, 0)
        )
        if plant and within >= PLANTED[0][1] and hour not in jumped:
            jumped.add(hour)
            more_wh += 3000
        va = next((x.value for x in one.labels if x.label == "SINSTS" and isinstance(x.value, int)), 0)
        if "index_slope" in now:
            more_wh += max(va, 400) * (at_s - before) / 3600
        before = at_s
        yield _spoilt(one, int(more_wh), now, counter)


def _spoilt(one: TicFrame, more_wh: int, now: set[str], counter: int) -> TicFrame:
    apart = 700 if "register_sums" in now else 0
    labels = [
        replace(x, value=x.value + more_wh + (apart if x.label == "EAST" else 0))
        if x.label in ("EAST", "EASF01", "EASD01") and isinstance(x.value, int)
        else x
        for x in one.labels
    ]
    status = one.status
    if "over_power" in now and status is not None:
        status = replace(status, over_power=True)
    rejected = [TicRejected(b"?", "?", "parity")] if "link" in now and counter % 4 == 0 else one.rejected
    return replace(
        one, labels=labels, status=status, rejected=rejected, clock_degraded=one.clock_degraded or "clock_degraded" in now
    )

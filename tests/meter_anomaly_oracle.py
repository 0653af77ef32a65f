"""What the rules must find in one Linky's frames, worked out over whole lists, plainly and slowly.

Of the product it uses its limits and the rules on successive frames, which have their own tests.
"""

from collections.abc import Mapping
from itertools import pairwise
from math import ceil

from schemas.tic_frame import TicFrame
from streams.core.tic_integrity import Indexes, check
from tests.anomaly_oracle import Found, S

Sent = list[tuple[int, TicFrame]]
"""Event time in seconds and frame, in the order in which they were sent."""


def found(sent: Sent, values: Mapping[str, float], until_s: int) -> set[Found]:
    """Every interval that is over before `until_s`, up to which all is known."""
    out: set[Found] = set()

    def add(rule: str, moments: list[tuple[int, int]], join: int, least: float = 0, *, lengths: bool = False) -> None:
        runs: list[list[tuple[int, int]]] = []
        for t, value in moments:
            if runs and t - runs[-1][-1][0] <= join + 1:
                runs[-1].append((t, value))
            else:
                runs.append([(t, value)])
        for run in runs:
            start, last = run[0][0], run[-1][0]
            worst = last + 1 - start if lengths else max((value for _, value in run), key=abs)
            if last + join + 1 < until_s and last + 1 - start >= least:
                out.add((rule, 0, start * S, (last + 1) * S, worst))

    covered: set[int] = set()
    for at_s, one in sent:
        covered.update(range(at_s, at_s + ceil((one.link.characters + 2) * 10 / (9600 if one.mode == "standard" else 1200))))
    before = None
    for t in sorted(covered):
        if before is not None and t - before - 1 >= values["meter_silence_s"]:
            out.add(("silence", 0, (before + 1) * S, t * S, t - before - 1))
        before = t

    known, index, sums, over, lost_clock, good = Indexes(), [], [], [], [], []
    slipped = set()
    for at_s, one in sent:
        known, broken = check(known, one, at_s)
        for b in broken:
            if b.rule in ("index_back", "index_slope"):
                index.append((at_s, b.amount_wh))
                slipped.add(at_s // 900)
            elif b.rule == "sum_easf":
                sums.append((at_s, b.amount_wh))
        if one.clock_degraded:
            lost_clock.append((at_s, 0))
        if not broken:
            good.append((at_s, one))
            if one.status is not None and one.status.over_power:
                over.append((at_s, _number(one, "SINSTS") or 0))
    add("index", index, 60)
    add("register_sums", sums, 60)
    add("over_power", over, 10)
    add("clock_degraded", lost_clock, 60, values["clock_degraded_s"], lengths=True)
    _add_link(add, sent, values)
    _add_slope(out, good, slipped, values, until_s)
    return out


def _number(one: TicFrame, label: str) -> int | None:
    return next((x.value for x in one.labels if x.label == label and isinstance(x.value, int)), None)


def _add_link(add, sent: Sent, values: Mapping[str, float]) -> None:  # type: ignore[no-untyped-def]
    bad = []
    for minute in sorted({at_s // 60 for at_s, _ in sent}):
        mine = [(n, one) for n, (at_s, one) in enumerate(sent) if at_s // 60 == minute]
        lost = 0
        for boot in {one.boot_id for _, one in mine}:
            counters = sorted(one.counter for _, one in mine if one.boot_id == boot)
            first = mine[0][0]
            if first and sent[first - 1][1].boot_id == boot:
                counters = [min(sent[first - 1][1].counter, counters[0]), *counters]
            lost += sum(max(b - a - 1, 0) for a, b in pairwise(counters))
        gone = lost + sum(one.link.discarded_frames for _, one in mine)
        hit = gone + sum(bool(one.rejected or one.link.bad_characters) for _, one in mine)
        share = hit * 1000 // (len(mine) + gone)
        if len(mine) + gone >= 10 and share > values["link_pct"] * 10:
            bad += [(t, share) for t in range(minute * 60, minute * 60 + 60)]
    add("link", bad, 0, values["link_s"])


def _add_slope(out: set[Found], good: Sent, slipped: set[int], values: Mapping[str, float], until_s: int) -> None:
    told = [
        (t, va, wh) for t, one in good if (va := _number(one, "SINSTS")) is not None and (wh := _number(one, "EAST")) is not None
    ]
    wrong = {}
    for quarter in {t // 900 for t, *_ in told}:
        wh = vas = measured = 0
        for (t, va, before), (u, _, after) in pairwise(told):
            if u // 900 == quarter and u - t <= 10:
                wh, vas, measured = wh + after - before, vas + va * (u - t), measured + u - t
        if measured < values["slope_measured_s"] or quarter in slipped or (quarter + 1) * 900 > until_s:
            continue
        high = wh > vas / 3600 * values["slope_high_pct"] / 100 + values["slope_slack_wh"]
        low = wh < vas / 3600 * values["slope_low_pct"] / 100 - values["slope_slack_wh"]
        if high or low:
            wrong[quarter] = min(wh * 3_600_000 // max(vas, 1), 1_000_000)
    for quarter in sorted(wrong):
        if quarter - 1 not in wrong:
            run = [quarter]
            while run[-1] + 1 in wrong:
                run.append(run[-1] + 1)
            if (run[-1] + 2) * 900 <= until_s:
                worst = max((wrong[q] for q in run), key=lambda x: abs(x - 1000))
                out.add(("index_slope", 0, quarter * 900 * S, (run[-1] + 1) * 900 * S, worst))

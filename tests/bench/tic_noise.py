"""Wrong values of a Linky that nothing notices, by what is checked; and the decoder's speed. The figures of docs/linky.md.

python -m tests.bench.tic_noise                     (a small run)
python -m tests.bench.tic_noise --frames 1000000    (the published one)
"""

import argparse
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from producers.tic.bytes import Parity, with_parity
from producers.tic.decode import DecodedFrame, Decoder
from producers.tic.groups import Group
from producers.tic.record import Received, record
from producers.tic.rules import CONTRACT, LINE, LINE_WITHOUT_PARITY, Rules
from streams.core.tic_integrity import Indexes, check
from tests.tic import GOLDEN, framed, standard

CHECKS = {
    "checksum and digits; bit 7 masked away": Rules(Parity.STRIPPED, exact=False),
    "the same, and length and form": LINE_WITHOUT_PARITY,
    "contract: parity where bit 7 is set": CONTRACT,
    "line: parity of every byte, length and form": LINE,
}
POOL = 256
"""Different frames; noise falls on them again and again, each time elsewhere."""
BLOCK = 500
PERIOD_S = 0.92
RECEIVED = Received("992562000017", "bench", 0, 0, True, 0, 0, 0)


def meter(frames: int, seed: int) -> list[bytes]:
    """Successive frames of a single-phase meter with two tariff indexes, each other than the one before."""
    rng = np.random.default_rng(seed)
    golden = (GOLDEN / "frames" / "std_mono_hchp.tic").read_bytes()[1:-1].split(b"\r")[:-1]
    labels = [group[1:].split(b"\t")[0].decode() for group in golden]
    begin, energy_wh, out = datetime(2025, 12, 28, 6, 25, 42, tzinfo=UTC), 6_801_183.0, []
    for k in range(frames):
        power_va = int(rng.integers(60, 6000))
        energy_wh += power_va * PERIOD_S / 3600
        first = int(energy_wh)
        changed = {
            "DATE": standard("DATE", "", f"H{begin + timedelta(seconds=k * PERIOD_S):%y%m%d%H%M%S}"),
            "EAST": standard("EAST", f"{first + 4_752_484:09}"),
            "EASF01": standard("EASF01", f"{first:09}"),
            "EASD01": standard("EASD01", f"{first:09}"),
            "IRMS1": standard("IRMS1", f"{power_va // 236:03}"),
            "URMS1": standard("URMS1", f"{int(rng.integers(228, 241)):03}"),
            "SINSTS": standard("SINSTS", f"{power_va:05}"),
        }
        out.append(framed(*(changed.get(label, group + b"\r") for label, group in zip(labels, golden, strict=True))))
    return [with_parity(frame) for frame in out]


@dataclass(slots=True)
class Outcome:
    """What became of the frames under one set of checks.

    Attributes:
        frames: emitted; `values`: accepted groups in them.
        wrong: accepted groups that the meter did not send in that frame; `labels`: which.
        told: of these, in a frame whose indexes are impossible.
    """

    frames: int = 0
    values: int = 0
    wrong: int = 0
    told: int = 0
    rejected: int = 0
    discarded: int = 0
    labels: Counter[str] = field(default_factory=Counter)


def measure(frames: int, rate: float, seed: int, rules: Rules) -> Outcome:
    """Decode noisy frames and compare with what was sent; the same noise for the same seed, whatever the rules."""
    pool = meter(POOL, seed)
    rng, decoder, outcome = np.random.default_rng(seed), Decoder(rules), Outcome()
    truth = [event.groups for sent in pool for event in decoder.feed(sent) if isinstance(event, DecodedFrame)]
    base = decoder.position
    for at in range(0, frames, BLOCK):
        numbers = [(at + k) % POOL for k in range(min(BLOCK, frames - at))]
        ends = np.cumsum([len(pool[n]) for n in numbers]).tolist()
        line = np.frombuffer(b"".join(pool[n] for n in numbers), np.uint8).copy()
        flips = rng.integers(0, 8 * len(line), rng.binomial(8 * len(line), rate))
        np.bitwise_xor.at(line, flips // 8, (1 << flips % 8).astype(np.uint8))
        for event in decoder.feed(line.tobytes()) + (decoder.end() if at + BLOCK >= frames else []):
            if not isinstance(event, DecodedFrame):
                outcome.discarded += 1
                continue
            where = bisect_right(ends, event.begin - base)
            _judge(outcome, event, truth, numbers[where] if event.begin >= base else (at - 1) % POOL)
        base += len(line)
    return outcome


def _judge(outcome: Outcome, frame: DecodedFrame, truth: list[dict[str, Group]], number: int) -> None:
    outcome.frames += 1
    outcome.values += len(frame.groups)
    outcome.rejected += len(frame.rejected)
    if frame.groups == truth[number]:
        return
    wrong = [label for label, group in frame.groups.items() if _differs(group, truth[number].get(label))]
    if not wrong:
        return
    outcome.wrong += len(wrong)
    outcome.labels.update(wrong)
    before = truth[number - 1] if number else truth[0]
    known, _ = check(Indexes(), record(_with(frame, before), RECEIVED), 0)
    _, broken = check(known, record(frame, RECEIVED), PERIOD_S)
    if broken:
        outcome.told += sum(any(label == one.label or one.rule == "sum_easf" for one in broken) for label in wrong)


def _differs(group: Group, sent: Group | None) -> bool:
    """A horodate that was read as none is a loss, not a wrong value."""
    return sent is None or group.value != sent.value or group.at_s not in (None, sent.at_s)


def _with(frame: DecodedFrame, groups: dict[str, Group]) -> DecodedFrame:
    return DecodedFrame(frame.begin, 0, b"", frame.mode, groups, (), 0)


def speed(frames: int, seed: int) -> tuple[float, float]:
    """Frames and bytes a second of one core; no frame comes twice."""
    sent = meter(frames, seed)
    decoder, begin_s = Decoder(LINE), time.process_time()
    decoded = sum(len(decoder.feed(frame)) for frame in sent)
    spent_s = time.process_time() - begin_s
    assert decoded == frames
    return frames / spent_s, sum(map(len, sent)) / spent_s


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--frames", type=int, default=5000)
    arguments.add_argument("--rate", type=float, default=1e-4, help="probability that a bit turns over")
    arguments.add_argument("--seed", type=int, default=6)
    arguments.add_argument("--only", type=int, choices=range(len(CHECKS)), nargs="*", default=range(len(CHECKS)), help="rows")
    chosen = arguments.parse_args()
    print(f"{chosen.frames:,} frames, one bit in {1 / chosen.rate:,.0f} turned over, seed {chosen.seed}\n")
    print("| checked | values accepted | groups refused | frames lost | wrong values unnoticed | of these told by the indexes |")
    print("|---|---|---|---|---|---|")
    for name, rules in (list(CHECKS.items())[row] for row in chosen.only):
        found = measure(chosen.frames, chosen.rate, chosen.seed, rules)
        figures = (found.values, found.rejected, chosen.frames - found.frames, found.wrong, found.told)
        print(f"| {name} | {' | '.join(f'{figure:,}' for figure in figures)} |", flush=True)
        print("  wrong:", ", ".join(f"{label} {n}" for label, n in found.labels.most_common(12)) or "none", flush=True)
    frames_s, bytes_s = speed(min(chosen.frames, 5000), chosen.seed)
    print(f"\ndecoding: {frames_s:,.0f} frames/s, {bytes_s / 1e6:.1f} MB/s of one core; the meter sends 1.09 frames/s")


if __name__ == "__main__":
    main()

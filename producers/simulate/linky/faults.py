"""What befalls a line, as a function of (seed, frame)."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from producers.simulate.noise import chance

_SALT = 330


@dataclass(frozen=True, slots=True)
class Faults:
    """How bad a line is. Shares are of frames, unless they say otherwise.

    Attributes:
        flip: probability that a bit turns over, in any frame; `burst_flip`: in those of the share `burst`.
        eot: interrupted with an EOT, then silent for up to `pause_s`.
        cut: a piece is missing, or the end.
        spike: some bytes stray into the gap behind the frame.
        silence: nothing comes behind the frame for up to `silence_s`.
        wrong_speed: sent at another speed than the port's, with those behind it, for up to `garbage_s`.
        stall: the clock stands still for up to 3 s, so that DATE comes again.
        degraded: of blocks of 20 frames: the clock lost the time, and says so.
    """

    flip: float = 0.0
    burst: float = 0.0
    burst_flip: float = 0.0
    eot: float = 0.0
    cut: float = 0.0
    spike: float = 0.0
    silence: float = 0.0
    wrong_speed: float = 0.0
    stall: float = 0.0
    degraded: float = 0.0
    pause_s: float = 2.0
    silence_s: float = 8.0
    garbage_s: float = 4.0


CLEAN = Faults()
BAD = Faults(
    flip=1e-5,
    burst=0.03,
    burst_flip=1e-3,
    eot=0.02,
    cut=0.03,
    spike=0.05,
    silence=0.004,
    wrong_speed=0.004,
    stall=0.02,
    degraded=0.05,
)
"""A bad line: two frames in three arrive."""
KINDS = ("eot", "cut", "wrong_speed")
DEGRADED_BLOCK = 20
DEGRADED_S = 12_600
"""How far a clock that lost the time is behind: a meter was found 3 h 30 off."""


class Dice:
    """The random numbers of one frame.

    Args:
        seed, meter, frame: whose.
    """

    def __init__(self, seed: int, meter: int, frame: int) -> None:
        self._place, self._drawn = (seed, _SALT, meter, frame), 0

    def roll(self) -> float:
        """The next number in [0, 1)."""
        self._drawn += 1
        return chance(*self._place, self._drawn)

    def generator(self) -> np.random.Generator:
        """For many numbers at once."""
        return np.random.default_rng([abs(part) for part in self._place])


def flipped(data: bytes, rate: float, dice: Dice) -> bytes:
    """Each bit turned over with this probability."""
    if not rate:
        return data
    rng = dice.generator()
    bits = 8 * len(data)
    line = bytearray(data)
    for bit in rng.integers(0, bits, rng.binomial(bits, rate)).tolist():
        line[bit // 8] ^= 1 << bit % 8
    return bytes(line)


def missing(data: bytes, dice: Dice) -> bytes:
    """Without a piece in the middle, or without the end; STX stays."""
    begin = 1 + int(dice.roll() * (len(data) - 1))
    if dice.roll() < 0.5:
        return data[:begin]
    return data[:begin] + data[begin + 1 + int(40 * dice.roll()) :]


def interrupted(data: bytes, eot: bytes, dice: Dice) -> bytes:
    """Its beginning, then EOT."""
    return data[: 1 + int(dice.roll() * (len(data) - 2))] + eot


def heard(data: bytes, sent_baud: int, port_baud: int) -> bytes:
    """What a port opened with 8N1 at another speed makes of these bytes."""
    levels = [1] * 10
    for byte in data:
        levels += [0, *(byte >> bit & 1 for bit in range(8)), 1]
    levels += [1] * 10
    step = sent_baud / port_baud
    falls = [at for at, (before, after) in enumerate(pairwise(levels), 1) if before and not after]
    out, end = bytearray(), 0.0
    for begin in falls:
        if begin < end or begin + 10 * step >= len(levels):
            continue
        out.append(sum(levels[int(begin + (1.5 + bit) * step)] << bit for bit in range(8)))
        end = begin + 9.5 * step
    return bytes(out)

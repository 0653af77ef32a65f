"""Bad links, bad clocks and bad power as functions of (seed, sensor, time, attempt)."""

from dataclasses import dataclass

from producers.simulate.noise import chance

OUTAGE_BLOCK_S = 600
OUTAGE_CHANCE = 0.3
OUTAGE_LEAST_S, OUTAGE_MOST_S = 20, 240

LOST_REPLY, LOST_POST, DUPLICATE, SLOW_UPLOAD, DELAY, TRUNCATED = 0.02, 0.01, 0.01, 0.005, 0.05, 0.01
"""Shares of the posts that meet each fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a link does to one post.

    Attributes:
        down: nothing gets through, nothing comes back.
        lost_reply: the post arrives, its answer does not.
        duplicate: the post arrives twice.
        delay_s: before anything is sent.
        upload_s: how long the body takes to go up.
        truncated: the answer breaks off in the middle.
    """

    down: bool = False
    lost_reply: bool = False
    duplicate: bool = False
    delay_s: float = 0.0
    upload_s: float = 0.0
    truncated: bool = False


GOOD = Fault()

TROUBLE_BLOCK_S = 600
POWER_CUT_CHANCE, CLOCK_STEP_CHANCE, TOKEN_LOSS_CHANCE, THEFT_CHANCE = 0.3, 0.3, 0.3, 0.5
POWER_CUT_LEAST_S, POWER_CUT_MOST_S = 2, 60
CLOCK_STEP_MOST_S = 40
DRIFT_MOST_PPM = 80


def outage(seed: int, index: int, at_s: int) -> bool:
    """Whether a sensor's link is down in this second."""
    block, into = divmod(at_s, OUTAGE_BLOCK_S)
    happens, begin, length = (chance(seed, 80 + k, index, block) for k in range(3))
    length_s = OUTAGE_LEAST_S + length * (OUTAGE_MOST_S - OUTAGE_LEAST_S)
    begin_s = begin * (OUTAGE_BLOCK_S - length_s)
    return happens < OUTAGE_CHANCE and begin_s <= into < begin_s + length_s


def fault(seed: int, index: int, at_s: int, attempt: int, *, outages: bool = True) -> Fault:
    """What happens to a sensor's post number `attempt`, sent at simulated second at_s.

    Args:
        outages: whether links also go down for minutes.
    """
    if outages and outage(seed, index, at_s):
        return Fault(down=True)
    kind, size = (chance(seed, 90 + k, index, at_s, attempt) for k in range(2))
    for share, met in (
        (LOST_REPLY, Fault(lost_reply=True)),
        (LOST_POST, Fault(down=True)),
        (DUPLICATE, Fault(duplicate=True)),
        (SLOW_UPLOAD, Fault(upload_s=0.5 + 4 * size)),
        (DELAY, Fault(delay_s=2 * size)),
        (TRUNCATED, Fault(truncated=True)),
    ):
        if kind < share:
            return met
        kind -= share
    return GOOD


def powered(seed: int, index: int, at_s: int) -> bool:
    """Whether a sensor has power in this second."""
    block, into = divmod(at_s, TROUBLE_BLOCK_S)
    happens, begin, length = (chance(seed, 100 + k, index, block) for k in range(3))
    length_s = POWER_CUT_LEAST_S + length * (POWER_CUT_MOST_S - POWER_CUT_LEAST_S)
    begin_s = begin * (TROUBLE_BLOCK_S - length_s)
    return not (happens < POWER_CUT_CHANCE and begin_s <= into < begin_s + length_s)


def clock_step_ms(seed: int, index: int, at_s: int) -> float:
    """How far a sensor's clock jumps in this second; mostly 0."""
    if not _once(seed, 110, index, at_s, CLOCK_STEP_CHANCE):
        return 0.0
    return (2.0 * chance(seed, 119, index, at_s) - 1.0) * CLOCK_STEP_MOST_S * 1000.0


def token_lost(seed: int, index: int, at_s: int) -> bool:
    """Whether a sensor's memory forgets its token in this second."""
    return _once(seed, 120, index, at_s, TOKEN_LOSS_CHANCE)


def theft(seed: int, index: int, at_s: int) -> bool:
    """Whether somebody posts in this second with a token of this sensor that is two tokens old."""
    return _once(seed, 130, index, at_s, THEFT_CHANCE)


def drift_ppm(seed: int, index: int) -> float:
    """How much too fast a sensor's oscillator is."""
    return (2.0 * chance(seed, 140, index) - 1.0) * DRIFT_MOST_PPM


def boot_clock_ms(seed: int, index: int, boot: int, now_ms: float) -> float:
    """What a sensor's clock says after power-up: 1970, a day ahead, some hours behind, or nearly right."""
    kind, size = chance(seed, 150, index, boot), chance(seed, 151, index, boot)
    if kind < 0.4:
        return size * 10_000.0
    if kind < 0.6:
        return now_ms + 86_400_000.0
    return now_ms - size * (36_000_000.0 if kind < 0.8 else 3_000.0)


def _once(seed: int, salt: int, index: int, at_s: int, likely: float) -> bool:
    """True in at most one second of a block."""
    block, into = divmod(at_s, TROUBLE_BLOCK_S)
    return chance(seed, salt, index, block) < likely and int(chance(seed, salt + 1, index, block) * TROUBLE_BLOCK_S) == into

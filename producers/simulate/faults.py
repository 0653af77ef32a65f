"""Bad links as a function of (seed, sensor, time, attempt)."""

from dataclasses import dataclass

from producers.simulate.noise import chance

OUTAGE_BLOCK_S = 600
OUTAGE_CHANCE = 0.3
OUTAGE_LEAST_S, OUTAGE_MOST_S = 20, 240

LOST_REPLY, LOST_POST, DUPLICATE, SLOW_UPLOAD, DELAY = 0.02, 0.01, 0.01, 0.005, 0.05
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
    """

    down: bool = False
    lost_reply: bool = False
    duplicate: bool = False
    delay_s: float = 0.0
    upload_s: float = 0.0


GOOD = Fault()


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
    ):
        if kind < share:
            return met
        kind -= share
    return GOOD

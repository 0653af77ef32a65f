"""A silence that was none: seconds of closed minutes that came after all."""

from schemas.columns import Int64s
from streams.core.anomaly import seconds


def fill(memory: Int64s, came: Int64s, least_s: int) -> bool:
    """Let a silence begin after seconds in it that came after all; whether there was one.

    Args:
        memory: shape (WIDTH,); changed.
        came: seconds.
        least_s: a shorter silence is none.
    """
    base = seconds.SILENCE * 5
    start, last = memory[base + seconds.START : base + seconds.LAST + 1].tolist()
    inside = came[(came >= start) & (came <= last)] if start != seconds.NOTHING else came[:0]
    if not len(inside):
        return False
    start = int(inside.max()) + 1
    memory[seconds.LAST_S] = max(int(memory[seconds.LAST_S]), start - 1)
    memory[base + seconds.START] = start if start <= last else seconds.NOTHING
    memory[base + seconds.COUNT] = max(last + 1 - start, 0)
    memory[base + seconds.OPEN] = memory[base + seconds.COUNT] >= least_s
    return True

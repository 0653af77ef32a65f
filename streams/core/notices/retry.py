"""When a message that a receiver did not take is tried again."""

FIRST_S, MOST_S = 5.0, 900.0
GIVE_UP_S = 24 * 3600.0
"""From when it was due: what is older helps nobody."""

ASKED_MOST_S = 3600.0
"""A receiver that asks for a longer pause is asked again after this."""


def pause_s(attempts: int, asked_s: float | None, chance: float) -> float:
    """How long to wait.

    Args:
        attempts: made so far, at least 1.
        asked_s: what the receiver asked for (Retry-After); None: nothing.
        chance: 0 to 1, random: receivers that failed together are not asked together.
    """
    own_s = min(FIRST_S * 2.0 ** min(attempts - 1, 20), MOST_S) * (0.5 + chance / 2)
    return own_s if asked_s is None else min(max(asked_s, 1.0), ASKED_MOST_S) + own_s * chance / 10


def given_up(due_s: float, now_s: float) -> bool:
    """Whether it is too late for another attempt."""
    return now_s - due_s >= GIVE_UP_S

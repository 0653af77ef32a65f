"""Whether a thread still comes round: one that hangs inside the engine or a client raises nothing."""

import threading
import time
from collections.abc import Callable

HANG_S = 150.0
"""Longer than any step of a thread takes: an insert, a question to the broker, a wait for acknowledgements."""


class Pulse:
    """Set by the thread between any two of its steps; asked by everybody else.

    Args:
        name: of the thread, for the message.
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self._name, self._now = name, now
        self._beat_at: float | None = None

    def beat(self) -> None:
        """The thread is alive now, and begins its next step."""
        self._beat_at = self._now()

    def stalled(self) -> str | None:
        """That the step in hand hangs; None while it need not, or before the first."""
        if self._beat_at is None or (age_s := self._now() - self._beat_at) <= HANG_S:
            return None
        return f"the {self._name} has been at one step for {age_s:.0f} s"


class Working:
    """What a process asks of the work of one of its threads.

    Args:
        name: of the thread, for messages.
        problem: what stands in the way at the beginning.
    """

    def __init__(self, name: str, problem: str | None = None) -> None:
        self._stop = threading.Event()
        self._problem = problem
        self._pulse = Pulse(name)

    def stop(self) -> None:
        """Let the thread end the step in hand, and what must follow it, and return."""
        self._stop.set()

    def problem(self) -> str | None:
        """What stands in the way, as a sentence; None when nothing does."""
        return self._problem

    def stalled(self) -> str | None:
        """That the thread hangs; None while it need not."""
        return self._pulse.stalled()

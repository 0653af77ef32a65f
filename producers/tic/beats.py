"""Are all loops of a process alive? Each says so at every round; who falls silent for longer than agreed is dead."""

import time
from collections.abc import Callable


class Beats:
    """The loops of one process.

    Args:
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last_s: dict[str, float] = {}
        self._patience_s: dict[str, float] = {}

    def of(self, loop: str, patience_s: float) -> Callable[[], None]:
        """A loop begins now.

        Args:
            patience_s: how long a round may take before the loop counts as dead.

        Returns:
            what it calls at each round.
        """

        def beat() -> None:
            self._last_s[loop] = self._now()

        self._patience_s[loop] = patience_s
        beat()
        return beat

    def problem(self) -> str | None:
        """None while all live, else a sentence."""
        now_s = self._now()
        for loop, patience_s in self._patience_s.items():
            silent_s = now_s - self._last_s[loop]
            if silent_s > patience_s:
                return f"{loop} has not moved for {silent_s:.0f} s; expected every {patience_s:.0f} s: start again"
        return None

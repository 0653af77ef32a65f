"""When the sink reads on and inserts: so that a reading is in its table a fixed time after it came to the log."""

_SHARE = 0.2
"""How much the last round counts in how long the next one is expected to take."""


class Beat:
    """A round begins so much before its time is up as it is expected to take: a busy machine delays no reading.

    Args:
        interval_s: from the log to the table, for what came right after a round had begun.

    Attributes:
        next_s: when the next round begins, on the clock of `began_s`.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._takes_s = 0.0
        self.next_s = 0.0

    def after(self, began_s: float, took_s: float, *, idle: bool) -> None:
        """A round is over.

        Args:
            idle: it had nothing to insert, so its time tells nothing.
        """
        if not idle:
            self._takes_s += _SHARE * (took_s - self._takes_s)
        # Rounds that take long must not follow each other without a pause in which something gathers.
        self.next_s = began_s + max(self._interval_s - self._takes_s, self._interval_s / 2)

"""How long to wait before what failed is tried again."""


class Backoff:
    """Twice as long after each failure in a row.

    Args:
        first_s, most_s: after the first failure, and at most.
    """

    def __init__(self, first_s: float = 0.5, most_s: float = 10.0) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._pause_s = 0.0

    def failed(self) -> float:
        """Seconds to wait now."""
        self._pause_s = min(max(self._pause_s * 2, self._first_s), self._most_s)
        return self._pause_s

    def worked(self) -> None:
        """The next failure is a first one."""
        self._pause_s = 0.0

"""How often somebody may do something. Clocks are arguments; memory is bounded."""

import heapq
import math
from collections import OrderedDict, deque

ENTRIES_MAX = 100_000
"""Sensors or addresses that a limiter remembers."""


class RateLimit:
    """Lets each key make `burst` requests at once and `rate_per_s` in the long run.

    The number kept is the time at which the key's bucket will be full again; each request moves it
    on by 1/rate, and it may run ahead of now by burst/rate at most.

    Args:
        entries_max: keys remembered; beyond it those are forgotten whose bucket is full, or full the soonest.
    """

    def __init__(self, rate_per_s: float, burst: int, entries_max: int = ENTRIES_MAX) -> None:
        self._step_s = 1 / rate_per_s
        self._ahead_s = burst / rate_per_s
        self._entries_max = entries_max
        self._full_at_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at_s)

    def wait_s(self, key: str, now_s: float) -> int:
        """Count one request.

        Args:
            key: a sensor id or an address.
            now_s: a clock that does not go back.

        Returns:
            0 when the request may pass, else after how many whole seconds to come again; then it is not counted.
        """
        full_at_s = max(self._full_at_s.get(key, 0.0), now_s) + self._step_s
        over_s = full_at_s - now_s - self._ahead_s
        if over_s > 1e-9:
            return math.ceil(over_s)
        self._full_at_s[key] = full_at_s
        if len(self._full_at_s) > self._entries_max:
            self._forget(now_s)
        return 0

    def _forget(self, now_s: float) -> None:
        """Make room for a quarter; a full bucket and one that is not remembered are the same."""
        running = ((at_s, key) for key, at_s in self._full_at_s.items() if at_s > now_s)
        self._full_at_s = {key: at_s for at_s, key in heapq.nlargest(self._entries_max * 3 // 4, running)}


class WrongSecrets:
    """At most `most` wrong secrets in any `window_s` for each key; of a hundred keys or ten thousand.

    Args:
        entries_max: keys remembered; beyond it the one that was counted the longest ago is forgotten.
    """

    def __init__(self, most: int = 10, window_s: float = 60.0, entries_max: int = ENTRIES_MAX // 10) -> None:
        self._most, self._window_s, self._entries_max = most, window_s, entries_max
        self._at_s: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._at_s)

    def wait_s(self, keys: tuple[str, ...], now_s: float) -> int:
        """Count one wrong secret for each key, or for none when one of them had enough.

        Args:
            now_s: a clock that does not go back.

        Returns:
            0 when it was counted, else after how many whole seconds to come again.
        """
        waits_s = [self._wait_s(self._at_s.get(key), now_s) for key in keys]
        if max(waits_s) > 0:
            return max(1, math.ceil(max(waits_s)))
        for key in keys:
            times = self._at_s.setdefault(key, deque(maxlen=self._most))
            times.append(now_s)
            self._at_s.move_to_end(key)
        while len(self._at_s) > self._entries_max:
            self._at_s.popitem(last=False)
        return 0

    def _wait_s(self, times: deque[float] | None, now_s: float) -> float:
        if times is None or len(times) < self._most:
            return 0.0
        return times[0] + self._window_s - now_s


class Seldom:
    """Lets one line of each kind through in a second, and counts the others."""

    def __init__(self, every_s: float = 1.0) -> None:
        self._every_s = every_s
        self._said: dict[str, tuple[float, int]] = {}

    def more(self, kind: str, now_s: float) -> int | None:
        """None when a line of this kind must not be written now; else how many were left out since the last one."""
        said_s, left_out = self._said.get(kind, (-math.inf, 0))
        if now_s - said_s < self._every_s:
            self._said[kind] = said_s, left_out + 1
            return None
        self._said[kind] = now_s, 0
        return left_out

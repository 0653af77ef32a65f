"""Failed sign-ins by name and by address. Time is an argument."""

from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 900.0
PER_NAME = 8
PER_ADDRESS = 40
REMEMBERED = 20_000
"""Names and addresses at most; beyond it the one heard from first is forgotten."""


@dataclass(slots=True)
class FailedSignIns:
    """Counts failures within WINDOW_S."""

    _at_s: dict[str, deque[float]] = field(default_factory=dict)

    def wait_s(self, name: str, address: str, now_s: float) -> float:
        """How long to wait before the next try; 0 when it may be now."""
        return max(self._wait(f"name {name}", PER_NAME, now_s), self._wait(f"from {address}", PER_ADDRESS, now_s))

    def failed(self, name: str, address: str, now_s: float) -> None:
        for key in (f"name {name}", f"from {address}"):
            if key not in self._at_s and len(self._at_s) >= REMEMBERED:
                del self._at_s[next(iter(self._at_s))]
            self._at_s.setdefault(key, deque(maxlen=PER_ADDRESS)).append(now_s)

    def succeeded(self, name: str) -> None:
        """A right password ends the name's count, not the address's."""
        self._at_s.pop(f"name {name}", None)

    def _wait(self, key: str, most: int, now_s: float) -> float:
        failures = self._at_s.get(key)
        if failures is None:
            return 0.0
        while failures and failures[0] <= now_s - WINDOW_S:
            failures.popleft()
        if not failures:
            del self._at_s[key]
            return 0.0
        return failures[-most] + WINDOW_S - now_s if len(failures) >= most else 0.0

"""What is known of a line at the moment: written by the thread of the port, read by everybody."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from producers.tic.decode import Event
from producers.tic.labels import Mode
from producers.tic.quality import LinkQuality
from producers.tic.rules import LINE, Rules
from producers.tic.tuning import BAD_AFTER_S


@dataclass(slots=True)
class Line:
    """One line.

    Attributes:
        started_s, right_s: monotonic; of the last right frame, None before the first.
        trouble: why there is none now, in a sentence; empty when nothing is known to be wrong.
        speed: at which the port is open, or will be next.
        rules, mode: of the last right frame.
        openings: of the port, by what ended the one before.
        quality: behind `lock`, with the other counters.
        bad_after_s: without a right frame.
    """

    started_s: float
    right_s: float | None = None
    trouble: str = ""
    speed: int = 0
    rules: Rules | None = None
    mode: Mode | None = None
    openings: Counter[str] = field(default_factory=Counter)
    quality: LinkQuality = field(default_factory=LinkQuality)
    bad_after_s: float = BAD_AFTER_S
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, events: list[Event]) -> None:
        """Add what the decoder said to the counters."""
        if events:
            with self.lock:
                for event in events:
                    self.quality.add(event)

    def problem(self, now_s: float) -> str | None:
        """None while right frames come, else a sentence (54E 9.4.1)."""
        since_s = now_s - (self.started_s if self.right_s is None else self.right_s)
        if self.right_s is not None and since_s < self.bad_after_s:
            return None
        reason = self.trouble or f"listening at {self.speed} baud"
        never = "yet" if self.right_s is None else f"for {since_s:.0f} s"
        return f"no right frame {never}; {reason}"

    def words(self) -> str:
        """How the line is read, for people."""
        if self.mode is None:
            return "nothing read yet"
        parity = "" if self.rules is LINE else ", the adapter throws the parity away"
        return f"{self.mode} mode at {self.speed} baud{parity}"

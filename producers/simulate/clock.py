"""The clock of a sensor, and how the server's time corrects it. No clock of ours, no network."""

from collections.abc import Iterable
from dataclasses import dataclass

STEP_OVER_MS = 500
"""A smaller error is slewed away."""

SLEW_MS_PER_S = 0.5
EXCHANGES = 4
"""The one with the smallest delay counts."""

ROUNDING_MS = 2
"""Four whole milliseconds: an exchange within one machine may seem to have taken less than none."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question for the time; milliseconds UTC, each by the clock of the side that read it.

    Attributes:
        t0, t3: sensor's send and receive.
        t1, t2: server's receive and send.
    """

    t0: int
    t1: int
    t2: int
    t3: int

    @property
    def offset_ms(self) -> float:
        """What the sensor's clock lacks; good to half the delay either way."""
        return ((self.t1 - self.t0) + (self.t2 - self.t3)) / 2

    @property
    def delay_ms(self) -> int:
        """Time on the way, there and back."""
        return (self.t3 - self.t0) - (self.t2 - self.t1)

    @property
    def good(self) -> bool:
        """Whether it is certain to no more than what is slewed away."""
        return self.delay_ms <= 2 * STEP_OVER_MS

    @property
    def sane(self) -> bool:
        """Whether neither side's clock went back while it looked."""
        return self.t2 >= self.t1 and self.delay_ms >= -ROUNDING_MS


def best(exchanges: Iterable[Exchange]) -> Exchange:
    """The exchange with the smallest delay."""
    return min(exchanges, key=lambda e: e.delay_ms)


@dataclass(slots=True)
class Clock:
    """UTC as a sensor believes it: its oscillator's seconds and an offset that corrections move.

    Attributes:
        offset_ms: what is added to the oscillator.
        slew_left_ms: what is still to be added, little by little.
        steps, slews: how often it was corrected.
    """

    offset_ms: float = 0.0
    slew_left_ms: float = 0.0
    steps: int = 0
    slews: int = 0
    _read_at_s: float | None = None

    def read_ms(self, at_s: float) -> float:
        """The time now.

        Args:
            at_s: seconds of the oscillator, which never goes back.
        """
        before_s = self._read_at_s
        if before_s is None or at_s > before_s:
            if self.slew_left_ms and before_s is not None:
                most_ms = (at_s - before_s) * SLEW_MS_PER_S
                moved_ms = max(-most_ms, min(most_ms, self.slew_left_ms))
                self.offset_ms += moved_ms
                self.slew_left_ms -= moved_ms
            self._read_at_s = at_s
        return at_s * 1000.0 + self.offset_ms

    def correct(self, offset_ms: float) -> None:
        """Step when the error is large, else slew."""
        if abs(offset_ms) > STEP_OVER_MS:
            self.offset_ms += offset_ms
            self.slew_left_ms = 0.0
            self.steps += 1
        else:
            self.slew_left_ms = offset_ms
            self.slews += 1

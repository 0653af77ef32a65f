"""One simulated sensor: its firmware, and what the world does to its power, its clock and its memory."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from producers.simulate import faults
from producers.simulate.actions import Action
from producers.simulate.clock import Clock
from producers.simulate.device import Device
from producers.simulate.outbox import Flash, Tally


@dataclass(slots=True)
class Machine:
    """A device from its first power-up on; times are simulated seconds UTC.

    Attributes:
        seed, index: of its faults.
        bad: whether it has faults beside those of its link.
        make: the device, as at each power-up.
        device: of now; another one after a power cut, on the same flash.
        powered: whether it runs.
        tokens: its last three, oldest first: the first of three is dead.
    """

    seed: int
    index: int
    flash: Flash
    start_s: float
    bad: bool = False
    make: Callable[[Flash, Clock, Tally], Device] = Device
    tally: Tally = field(default_factory=Tally)
    powered: bool = True
    tokens: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    device: Device = field(init=False)
    _drift: float = 0.0

    def __post_init__(self) -> None:
        self._drift = faults.drift_ppm(self.seed, self.index) * 1e-6 if self.bad else 0.0
        self._power_up(self.start_s)

    def second(self, at_s: int) -> int | None:
        """Live through one second.

        Returns:
            the timestamp under which it is measured; None when it is not.
        """
        if self.bad:
            self._suffer(at_s)
            if not self.powered:
                return None
        return self.device.label(self._oscillator_s(at_s))

    def stored_before(self, second: int) -> None:
        """It holds this second already when the simulation begins."""
        self.flash.store[second] = None
        self.flash.last_used_s = max(self.flash.last_used_s, second)
        self.tally.measured += 1

    def due(self, now_s: float) -> list[Action]:
        """As of Device; nothing without power."""
        return self.device.due(now_s) if self.powered else []

    def end_troubles(self, at_s: float) -> None:
        """Nothing more happens to it, and it has power."""
        if not self.powered:
            self.powered = True
            self._power_up(at_s)
        self.bad = False

    def error_ms(self, at_s: float) -> float:
        """The device's clock minus the right time."""
        return self.device.clock.read_ms(self._oscillator_s(at_s)) - at_s * 1000.0

    def robbed(self, at_s: int) -> str | None:
        """A dead token that somebody uses in this second."""
        if self.bad and len(self.tokens) == 3 and faults.theft(self.seed, self.index, at_s):
            return self.tokens[0]
        return None

    def _suffer(self, at_s: int) -> None:
        power = faults.powered(self.seed, self.index, at_s)
        if self.powered and not power:
            self.powered = False
            self.tally.power_cuts += 1
            self._power_up(at_s)  # what it knew is gone now, not when the power returns
        elif power and not self.powered:
            self.powered = True
            self._power_up(at_s)
        if step_ms := faults.clock_step_ms(self.seed, self.index, at_s):
            self.device.clock.offset_ms += step_ms
        if faults.token_lost(self.seed, self.index, at_s):
            self.device.credentials.lost()

    def _power_up(self, at_s: float) -> None:
        """A device with an empty memory on the same flash, whose clock says anything."""
        now_ms = at_s * 1000.0
        says_ms = faults.boot_clock_ms(self.seed, self.index, self.tally.power_cuts, now_ms) if self.bad else 0.0
        clock = Clock(says_ms - self._oscillator_s(at_s) * 1000.0)
        self.device = self.make(self.flash, clock, self.tally)

    def _oscillator_s(self, at_s: float) -> float:
        return self.start_s + (at_s - self.start_s) * (1.0 + self._drift)

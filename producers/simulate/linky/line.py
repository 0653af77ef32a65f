"""Everything a meter puts on the line, frame after frame, each byte at its time; and what becomes of it on the way."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from producers.simulate.linky import historic, standard
from producers.simulate.linky.contract import Contract
from producers.simulate.linky.faults import CLEAN, DEGRADED_BLOCK, DEGRADED_S, Dice, Faults, flipped, heard, interrupted, missing
from producers.simulate.linky.groups import EOT, Said, frame
from producers.simulate.linky.meter import Meter
from producers.tic.labels import Mode

CHARACTER_BITS = 10
"""Start, 7 data bits, parity, stop (54E 5.3.5)."""
GAP_S = 0.025
"""Between two frames; 16.7 to 33.4 ms are allowed (54E 5.3.6)."""
WARNED_S = 60
SHORT_FRAMES = 20
"""So many short frames, then a long one (54E 6.1.2)."""
OTHER_BAUD = {1200: 9600, 9600: 1200}


@dataclass(frozen=True, slots=True)
class Sent:
    """One frame on the line.

    Attributes:
        number: from 0, of this line.
        begin_s: UTC, of the first byte's start bit.
        data: as a port opened with 8N1 reads it; a stray byte of the gap behind it included.
        baud: how fast it goes.
        gap_s: silence behind it.
        said: what the meter meant.
        damage: what befell it; empty for a frame that arrives as it was meant.
    """

    number: int
    begin_s: float
    data: bytes
    baud: int
    gap_s: float
    said: tuple[Said, ...]
    damage: str

    @property
    def end_s(self) -> float:
        """When its last stop bit ends."""
        return self.begin_s + len(self.data) * CHARACTER_BITS / self.baud

    @property
    def next_s(self) -> float:
        return self.end_s + self.gap_s


class Line:
    """A meter that talks without end.

    Args:
        contract: which meter.
        begin_s: UTC, of the first frame.
        faults: how bad the line is.
        numbered: the message (MSG1) is the frame's number, so that each frame of standard mode can be told.

    Raises:
        ValueError: the meter was not installed then.
    """

    def __init__(self, contract: Contract, begin_s: float, faults: Faults = CLEAN, *, numbered: bool = False) -> None:
        self.contract = contract
        self._meter, self._faults, self._numbered = Meter(contract), faults, numbered
        self._next, self._next_s = 0, begin_s
        self._stands_at_s = self._stands_until_s = int(begin_s)
        self._garbled_until_s = begin_s
        self._warned: dict[int, tuple[int, int]] = {}
        self._short = 0
        self._meter.at(int(begin_s))  # summing up years takes a moment; the first frame then comes in time

    def resume(self, at_s: float) -> None:
        """Go on at another time, as after a power cut."""
        self._next_s = at_s
        self._stands_at_s = self._stands_until_s = int(at_s)

    def __iter__(self) -> Iterator[Sent]:
        return self

    def __next__(self) -> Sent:
        number, begin_s = self._next, self._next_s
        dice = Dice(self.contract.seed, self.contract.index, number)
        said = tuple(self._groups(int(begin_s), number, dice))
        sent = self._spoilt(number, begin_s, frame(self.contract.mode, said), said, dice)
        self._next, self._next_s = number + 1, sent.next_s
        return sent

    def _groups(self, at_s: int, number: int, dice: Dice) -> list[Said]:
        contract, reading = self.contract, self._meter.at(at_s)
        if contract.mode is Mode.STANDARD:
            message = f"N{number}" if self._numbered else standard.NO_MESSAGE
            return standard.groups(contract, reading, self._clock(at_s, number, dice), message)
        if contract.phases == 1:
            return historic.groups(contract, reading)
        self._warned |= {phase: (current, at_s) for phase, current in historic.over(contract, reading).items()}
        self._warned = {phase: one for phase, one in self._warned.items() if at_s - one[1] <= WARNED_S}
        self._short = self._short % (SHORT_FRAMES + 1) + 1 if self._warned else 0
        if 0 < self._short <= SHORT_FRAMES:
            return historic.short_groups(contract, reading, {phase: one[0] for phase, one in self._warned.items()})
        return historic.groups(contract, reading)

    def _clock(self, at_s: int, number: int, dice: Dice) -> standard.Clock:
        faults = self._faults
        if faults.degraded and Dice(self.contract.seed, -1, number // DEGRADED_BLOCK).roll() < faults.degraded:
            return standard.Clock(at_s - DEGRADED_S, degraded=True)
        if faults.stall and dice.roll() < faults.stall:
            self._stands_until_s = at_s + 1 + int(2 * dice.roll())
        if at_s >= self._stands_until_s:
            self._stands_at_s = at_s
        return standard.Clock(self._stands_at_s)

    def _spoilt(self, number: int, begin_s: float, data: bytes, said: tuple[Said, ...], dice: Dice) -> Sent:
        faults, baud, damage, gap_s = self._faults, self.contract.baud, "", GAP_S
        if begin_s < self._garbled_until_s or dice.roll() < faults.wrong_speed:
            if begin_s >= self._garbled_until_s:
                self._garbled_until_s = begin_s + faults.garbage_s * dice.roll()
            damage, data = "wrong speed", heard(data[:200], OTHER_BAUD[baud], baud) or b"\x00"
        elif dice.roll() < faults.eot:
            damage, data, gap_s = "eot", interrupted(data, EOT, dice), GAP_S + faults.pause_s * dice.roll()
        elif dice.roll() < faults.cut:
            damage, data = "cut", missing(data, dice)
        noisy = flipped(data, faults.burst_flip if dice.roll() < faults.burst else faults.flip, dice)
        if noisy != data and not damage:
            damage = "noise"
        if dice.roll() < faults.spike:
            noisy += bytes(int(256 * dice.roll()) for _ in range(1 + int(3 * dice.roll())))
        if dice.roll() < faults.silence:
            gap_s += faults.silence_s * dice.roll()
        return Sent(number, begin_s, noisy, baud, gap_s, said, damage)


def truth(address: str, sent: Sent, *, read: bool) -> dict[str, Any]:
    """What a frame said and whether it arrived, for a file.

    Args:
        read: somebody read the port while it was sent.
    """
    return {
        "meter": address,
        "frame": sent.number,
        "begin_ms": round(1000 * sent.begin_s),
        "end_ms": round(1000 * sent.end_s),
        "damage": sent.damage or None if read else "unread",
        "groups": {one.label: [one.value, one.at_s, one.degraded] for one in sent.said},
    }

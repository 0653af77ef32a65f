"""Who a simulated meter is and what its home subscribed to."""

from dataclasses import dataclass
from enum import StrEnum

from producers.simulate.noise import chance
from producers.tic.labels import Mode

BAUD = {Mode.STANDARD: 9600, Mode.HISTORIC: 1200}


class Tariff(StrEnum):
    """The contracts whose hours a meter knows."""

    BASE = "base"
    HCHP = "hchp"
    TEMPO = "tempo"
    EJP = "ejp"


@dataclass(frozen=True, slots=True)
class Contract:
    """One meter; the same for the same seed and number.

    Attributes:
        seed, index: of everything random; which of the meters of a run.
        mode: what its TIC speaks.
        tariff: whose hours and indexes.
        phases: 1 or 3.
        producer: whether panels inject, and the meter says so.
    """

    seed: int = 1
    index: int = 0
    mode: Mode = Mode.STANDARD
    tariff: Tariff = Tariff.HCHP
    phases: int = 1
    producer: bool = False

    def __post_init__(self) -> None:
        if self.phases not in (1, 3):
            raise ValueError(f"{self.phases} phases; expected 1 or 3")

    @property
    def baud(self) -> int:
        return BAUD[self.mode]

    @property
    def address(self) -> str:
        """12 digits: maker 99, which is nobody, year, type, serial number (54E 2.2)."""
        kind = 71 if self.phases == 3 else 75 if self.producer else 62
        return f"9926{kind}{self._serial:06}"

    @property
    def delivery_point(self) -> str:
        """The PRM, of 14 digits; none in France begins so."""
        return f"99999999{self._serial:06}"

    @property
    def power_kva(self) -> int:
        """PREF: what the contract allows."""
        choices = (12, 18) if self.phases == 3 else (6, 9)
        return choices[chance(self.seed, 300, self.index) < 0.5]

    @property
    def current_a(self) -> int:
        """ISOUSC = PREF / 200 V; of three phases a third (54E 6.1)."""
        return 1000 * self.power_kva // (200 * self.phases)

    @property
    def _serial(self) -> int:
        return (self.seed * 1000 + self.index + 1) % 1_000_000

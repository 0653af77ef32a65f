"""How much is demanded of the bytes."""

from dataclasses import dataclass

from producers.tic.bytes import Parity
from producers.tic.horodate import FRANCE, Offsets


@dataclass(frozen=True, slots=True)
class Rules:
    """What a group must pass besides its checksum.

    Attributes:
        parity: what bit 7 is known to be.
        exact: demand of each known label its length, its form, its horodate or none; of a frame that all its groups
            are of one mode and no label comes twice.
        offsets: from the meter's time to UTC.
    """

    parity: Parity
    exact: bool
    offsets: Offsets = FRANCE


CONTRACT = Rules(Parity.MARKED, exact=False)
"""The decode contract (R1 to R9), for captures of any origin."""
LINE = Rules(Parity.EVEN, exact=True)
"""For a port of our own: everything that can be checked is."""
LINE_WITHOUT_PARITY = Rules(Parity.STRIPPED, exact=True)
"""For an adapter that throws the parity away (`bytes.carries_parity`)."""

"""RELAIS: the state of the 8 relays (54E 6.2.3.19)."""

import re

_FORM = re.compile("[0-9]{1,3}")


def relays_closed(relais: object) -> int | None:
    """Bit n-1 = relay n is closed; relay 1 is real, 2 to 8 are virtual. None when the value is not 0 to 255, in decimal."""
    if not isinstance(relais, str) or _FORM.fullmatch(relais) is None:
        return None
    value = int(relais)
    return value if value <= 255 else None


def closed(mask: int) -> list[int]:
    """The numbers of the closed relays."""
    return [relay for relay in range(1, 9) if mask >> relay - 1 & 1]

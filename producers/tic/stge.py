"""STGE, the status register: 32 bits by name (54E 6.2.3.14)."""

import re
from collections.abc import Callable
from typing import Any

from schemas.tic_frame import TicStatus

_BREAKER = (
    "closed",
    "over_power",
    "over_voltage",
    "load_shedding",
    "order",
    "overheat_high_current",
    "overheat_low_current",
    "reserved_7",
)
_EURIDIS = ("off", "on", "reserved_2", "secured")
_PLC = ("new_unlock", "new_lock", "registered", "reserved_3")
_COLOUR = ("none", "blue", "white", "red")
_FORM = re.compile("[0-9A-F]{8}")


def _counted(value: int) -> int:
    """Indexes are sent as their number less one."""
    return value + 1


FIELDS: dict[str, tuple[int, int, Callable[[int], Any]]] = {
    # name: (lowest bit, bits, what the number says); bits 5 and 18 are unused
    "contact_open": (0, 1, bool),
    "breaker": (1, 3, _BREAKER.__getitem__),
    "cover_open": (4, 1, bool),
    "over_voltage": (6, 1, bool),
    "over_power": (7, 1, bool),
    "producer": (8, 1, bool),
    "energy_negative": (9, 1, bool),
    "supplier_index": (10, 4, _counted),
    "distributor_index": (14, 2, _counted),
    "clock_degraded": (16, 1, bool),
    "standard_mode": (17, 1, bool),
    "euridis": (19, 2, _EURIDIS.__getitem__),
    "plc": (21, 2, _PLC.__getitem__),
    "plc_synchronised": (23, 1, bool),
    "tempo_today": (24, 2, _COLOUR.__getitem__),
    "tempo_tomorrow": (26, 2, _COLOUR.__getitem__),
    "peak_announced": (28, 2, int),
    "peak_running": (30, 2, int),
}


def status(stge: object) -> TicStatus | None:
    """The register's fields; None when the value is not 8 hexadecimal characters."""
    if not isinstance(stge, str) or _FORM.fullmatch(stge) is None:
        return None
    register = int(stge, 16)
    return TicStatus(**{name: says(register >> low & (1 << bits) - 1) for name, (low, bits, says) in FIELDS.items()})

"""What the machine's clock is worth. A Raspberry Pi has no battery: after a start it may be days off.

The kernel knows whether a time service (timesyncd, chrony, ntpd) has set its clock: STA_UNSYNC of adjtimex. It forgets that
some hours after the network went, though the clock goes on well (2 s a day): so once known to be right it counts as right
until the machine starts again, which for timesyncd a file in /run tells after a restart of this program too.
"""

import ctypes
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import cast

TIMESYNCD = Path("/run/systemd/timesync/synchronized")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


class Clock:
    """Whether the machine's clock was set since the machine started."""

    def __init__(self, flag: Path = TIMESYNCD) -> None:
        self._flag = flag
        self._known = False

    def synchronised(self) -> bool:
        """Cheap; may be asked for each frame."""
        self._known = self._known or kernel_says() or self._flag.exists()
        return self._known


def since_start_s() -> float:
    """Seconds since the machine started, sleep included: never steps, and the same for every process until it starts again."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def machine(file: Path = BOOT_ID) -> str:
    """This start of the machine, as its kernel names it; empty where it does not."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


@cache
def _adjtimex() -> Callable[..., int] | None:
    try:
        return cast(Callable[..., int], ctypes.CDLL(None).adjtimex)
    except (AttributeError, OSError):  # no Linux
        return None


def kernel_says() -> bool:
    """Whether the kernel's clock is synchronised now; False also where it may not be asked."""
    ask, now = _adjtimex(), _Timex()
    return ask is not None and ask(ctypes.byref(now)) >= 0 and not now.status & _STA_UNSYNC

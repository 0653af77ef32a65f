"""The serial port: 8N1, so that the parity arrives as bit 7; no flow control, for a TIC never listens; for this process alone."""

import contextlib
import errno
import os
import time
from collections.abc import Iterator

import serial

WAKE_S = 0.05
"""Reading what is there so often costs a third of reading byte by byte, and the kernel keeps 4 s of a line."""
READ_MAX = 4096
IDLE_S = 0.5
"""A silent line wakes nobody more often."""


class Port:
    """An open serial port. For one thread."""

    def __init__(self, device: str, speed: int) -> None:
        self._serial = serial.Serial(
            device,
            speed,
            bytesize=serial.EIGHTBITS,
            parity=serial.PARITY_NONE,
            stopbits=serial.STOPBITS_ONE,
            timeout=IDLE_S,
            xonxoff=False,
            rtscts=False,
            dsrdtr=False,
            exclusive=True,
        )

    def read(self) -> bytes:
        """What came: after WAKE_S, or on a silent line after IDLE_S, and then perhaps nothing.

        Raises:
            OSError: the device is gone.
        """
        time.sleep(WAKE_S)
        data = os.read(self._serial.fileno(), READ_MAX)  # one call; pyserial's read makes several
        if data:
            return data
        _ = self._serial.in_waiting  # no byte looks like no device; this tells the two apart
        first: bytes = self._serial.read(1)
        return first

    def close(self) -> None:
        """Never raises: the device may be gone."""
        with contextlib.suppress(OSError):
            self._serial.close()


@contextlib.contextmanager
def opened(device: str, speed: int) -> Iterator[Port]:
    """Open a port, and close it with the block.

    Raises:
        OSError: it cannot be opened; see `why`.
    """
    port = Port(device, speed)
    try:
        yield port
    finally:
        port.close()


_TO_DO = {
    errno.ENOENT: "there is no such device; plug the adapter in, or correct POWERMON_TIC_PORT (ls /dev/serial/by-id/)",
    errno.EACCES: "it belongs to others; add this user to the group dialout",
    errno.EBUSY: "another program has it; stop that, or the serial console",
    errno.EWOULDBLOCK: "another program reads it; stop that, two readers would share the bytes out",
    errno.EIO: "the device is gone; is the adapter still plugged in?",
}


def why(device: str, error: OSError) -> str:
    """What is wrong with the port, in a sentence."""
    known = _TO_DO.get(error.errno or _number(error))
    return f"port {device}: {known or error}"


def _number(error: OSError) -> int:
    """pyserial tells some errors in its text only."""
    text = str(error)
    if "exclusively lock" in text:
        return errno.EWOULDBLOCK
    return errno.EIO if "disconnected" in text or "Input/output error" in text else 0

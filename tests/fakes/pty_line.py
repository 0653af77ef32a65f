"""A meter at the other end of a real pseudo-terminal, which can be unplugged."""

import fcntl
import itertools
import os
import struct
import termios
import threading
import tty
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from producers.tic.bytes import with_parity
from tests.tic import heard

SPEEDS = {termios.B1200: 1200, termios.B9600: 9600}
UNREAD_MAX = 1500
"""Of what the kernel keeps (4,095): a byte more is lost, as at a real port."""
PAUSE_S = 0.005


class PtyLine:
    """Sends one frame after another, much faster than a meter, to whoever opens `device`.

    Args:
        device: path of the port; a link, so that another terminal can take its place.
        frames: 7-bit characters; sent in turn, without end.
        sent_baud: a port opened at another speed hears what a real one would make of it; 0: the same at any speed.
        parity: whether bit 7 arrives.
    """

    def __init__(self, device: Path, frames: list[bytes], *, sent_baud: int = 0, parity: bool = True) -> None:
        self.device, self.frames, self.sent_baud, self.parity = device, frames, sent_baud, parity
        self.sent = 0
        self.speaks = True
        self._master = self._slave = -1
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Self:
        self.plug_in()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self.unplug()

    def plug_in(self) -> None:
        """The device is there."""
        with self._lock:
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            new = self.device.with_suffix(".new")
            new.symlink_to(os.ttyname(self._slave))
            new.replace(self.device)

    def unplug(self) -> None:
        """The device is gone; who has it open gets an error."""
        with self._lock:
            if self._master < 0:
                return
            self.device.unlink()
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = -1

    def send_one(self) -> None:
        """The next frame, of a line that does not speak by itself."""
        self._write(self._arriving(self.frames[0]))

    @property
    def speed(self) -> int:
        """To which the port was set last; 0 before anybody opened it."""
        return SPEEDS.get(termios.tcgetattr(self._slave)[5], 0)

    def _send(self) -> None:
        for frame in self._turns():
            while not self._ended.is_set() and not self._room():
                self._ended.wait(PAUSE_S)
            if self._ended.is_set():
                return
            self._write(self._arriving(frame))

    def _write(self, data: bytes) -> None:
        while data and not self._ended.is_set():
            with self._lock:
                if self._master < 0:
                    return
                try:
                    data = data[os.write(self._master, data) :]
                except BlockingIOError:  # the kernel is behind
                    self._ended.wait(PAUSE_S)
        self.sent += 1

    def _turns(self) -> Iterator[bytes]:
        for turn in itertools.count():
            yield self.frames[turn % len(self.frames)]

    def _arriving(self, frame: bytes) -> bytes:
        with self._lock:
            speed = self.speed if self._master >= 0 else 0
        if speed and self.sent_baud not in (0, speed):
            return heard(frame, self.sent_baud, speed)
        return with_parity(frame) if self.parity else frame

    def _room(self) -> bool:
        with self._lock:
            if self._master < 0 or not self.speaks or not self.speed:
                return False
            unread = struct.unpack("I", fcntl.ioctl(self._slave, termios.FIONREAD, b"\0\0\0\0"))[0]
            return bool(unread < UNREAD_MAX)

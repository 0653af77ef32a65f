"""A pseudo-terminal in place of a serial port: what is written to it is there for whoever opens it."""

import contextlib
import os
import tty
from pathlib import Path

from infra.errors import ConfigurationError


class Port:
    """One pseudo-terminal, raw; its own end never blocks.

    Args:
        link: a symbolic link to it, made anew; None for none.

    Raises:
        ConfigurationError: the link cannot be made.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._writer, self._reader = os.openpty()
        tty.setraw(self._reader)
        os.set_blocking(self._writer, False)
        self.name = os.ttyname(self._reader)
        self.link = link
        if link is not None:
            try:
                _point(link, self.name)
            except OSError as error:
                self.link = None
                self.close()
                raise ConfigurationError(f"--link {link} cannot be made: {error.strerror}; name a path that is free") from error

    def write(self, data: bytes) -> bool:
        """Put bytes on the line. Returns whether all of them found room: nobody reads when they do not."""
        while data:
            try:
                written = os.write(self._writer, data)
            except BlockingIOError:
                return False
            data = data[written:]
        return True

    def close(self) -> None:
        """Hang up, and take the link away if it is still ours."""
        if self.link is not None:
            with contextlib.suppress(OSError):
                if os.readlink(self.link) == self.name:
                    self.link.unlink()
        os.close(self._writer)
        os.close(self._reader)


def _point(link: Path, name: str) -> None:
    """Make a link, or turn one to another place; never over anything else."""
    if link.exists() and not link.is_symlink():
        raise FileExistsError(17, "something else is there")
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    fresh.symlink_to(name)
    fresh.replace(link)

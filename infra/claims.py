"""What a stack must have to itself before it starts: its data folder and its ports."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from infra.errors import ConfigurationError

_RELEASE_S = 3.0
"""Ports of a stack that was killed a moment ago come free within this time."""


@contextlib.contextmanager
def data_folder(data: Path) -> Iterator[None]:
    """Hold the folder while the block runs.

    The kernel holds the lock, so it ends with the process, however that ends; a left-over file locks nothing.

    Raises:
        ConfigurationError: another stack holds it, or it cannot be written.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("a+")
    except OSError as error:
        raise ConfigurationError(
            f"the data folder {data} cannot be used ({error.strerror}); choose another with --data"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            raise ConfigurationError(
                f"the data folder {data} is in use by another `powermon up`{f' (process {holder})' if holder else ''}; "
                "stop that one, or choose another folder with --data and other ports"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def check_ports(wanted: list[tuple[str, str, int]]) -> None:
    """See that nobody listens on the ports.

    Args:
        wanted: (setting, host, port) each.

    Raises:
        ConfigurationError: a port is taken, or two settings name the same one.
    """
    settings_of: dict[int, str] = {}
    for setting, _, port in wanted:
        if port in settings_of:
            raise ConfigurationError(
                f"{settings_of[port]} and {setting} are both {port}; set POWERMON_{setting.upper()} to another port"
            )
        settings_of[port] = setting
    deadline = time.monotonic() + _RELEASE_S
    while taken := [(setting, port) for setting, host, port in wanted if not _is_free(host, port)]:
        if time.monotonic() > deadline:
            named = ", ".join(f"{port} (POWERMON_{setting.upper()})" for setting, port in taken)
            raise ConfigurationError(
                f"{'port' if len(taken) == 1 else 'ports'} {named} already in use; "
                "stop what listens there, or set the variable to a free port"
            )
        time.sleep(0.1)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True

"""Tells systemd how a service is (sd_notify): a datagram to the socket that it names; nothing where there is none."""

import os
import socket


def notify(**facts: str | int) -> bool:
    """Send facts, as READY=1, STATUS="…", WATCHDOG=1, STOPPING=1. Never waits, never raises.

    Returns:
        whether systemd took them.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
            door.setblocking(False)
            door.sendto("\n".join(f"{name}={value}" for name, value in facts.items()).encode(), address)
    except OSError:
        return False
    return True


def watchdog_s() -> float | None:
    """Within how long systemd wants a sign of life; None when it wants none of this process."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    wanted = os.environ.get("WATCHDOG_USEC", "")
    return int(wanted) / 1e6 if wanted.isdecimal() and int(wanted) else None

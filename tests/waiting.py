"""Waiting for other processes: for a condition, with a deadline, never for a length of time."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 30.0


def until(condition: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Wait for a condition that another process or thread brings about.

    Args:
        what: named when it does not come.
    """
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        pause.wait(0.05)


def exists(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

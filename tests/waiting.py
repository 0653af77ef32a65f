"""Waiting for other processes: for a condition, with a deadline, never for a length of time."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 30.0


def until(condition: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Wait for a condition that another process or thread brings about; who waits long asks less often.

    Args:
        what: named when it does not come.
    """
    began = time.monotonic()
    pause = threading.Event()
    while not condition():
        waited_s = time.monotonic() - began
        assert waited_s < timeout_s, f"not within {timeout_s:.0f} s: {what}"
        pause.wait(min(0.5, max(0.05, waited_s / 20)))


def exists(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

"""Child processes that never outlive their parent, with their output in a file."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LOG_MAX = 20_000_000


def spawn(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, appending what it prints to the log.

    The kernel kills it when the calling *thread* ends, even by SIGKILL: call this from a thread that
    lives as long as the child should, usually the main one. A Ctrl-C at the terminal does not reach it.

    Args:
        env: variables that differ from this process's own.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            process_group=0,
            preexec_fn=_dies_with(os.getpid()),  # noqa: PLW1509 -- only async-signal-safe calls in it
        )


def stop(child: subprocess.Popen[bytes], grace_s: float) -> bool:
    """Ask the process to end, and end its whole group when it has not by then.

    Returns:
        whether it ended by itself within the grace.
    """
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(grace_s)
        gentle = True
    except subprocess.TimeoutExpired:
        gentle = False
    kill(child)
    return gentle


def kill(child: subprocess.Popen[bytes]) -> None:
    """End the process's group now and reap it."""
    with contextlib.suppress(ProcessLookupError):  # the group is empty already
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def why_it_ended(status: int) -> str:
    """An exit status in words."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, for a message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def shorten(log: Path, limit: int = _LOG_MAX) -> None:
    """Move a log that grew too large aside, once; its writer appends and goes on in the emptied file."""
    try:
        if log.stat().st_size <= limit:
            return
        log.with_suffix(log.suffix + ".1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
    except OSError:
        return  # a log that cannot be shortened is no reason to stop


def _dies_with(parent: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return prepare

"""One program while it runs: started, waited for, ended, started again."""

import subprocess
import threading
import time
from pathlib import Path

from infra import child
from infra.embedded import Program
from infra.errors import PartUnavailable

START_S = 90.0
"""More than any part needs on a busy small machine."""

_NEVER = threading.Event()


class Stopped(Exception):
    """A person asked for the stop of the stack while it started."""


class Running:
    """A program and its present process.

    Args:
        program: what is run.
        logs: folder of its log.
    """

    def __init__(self, program: Program, logs: Path) -> None:
        self.program = program
        self.log = logs / f"{program.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id; 0 when it does not run."""
        return self.process.pid if self.process is not None and self.process.poll() is None else 0

    def start(self) -> None:
        """Start the process; returns at once. From a thread that lives as long as it should."""
        self.program.prepare()
        self.process = child.spawn(self.program.command, self.log, self.program.env)

    def ended(self) -> str | None:
        """How the process ended, in words; None while it runs."""
        status = None if self.process is None else self.process.poll()
        return None if status is None else child.why_it_ended(status)

    def wait_ready(self, timeout_s: float = START_S, stop_asked: threading.Event | None = None) -> None:
        """Wait until it does its work.

        Raises:
            Stopped: a stop was asked for meanwhile.
            PartUnavailable: it ended, or was not ready in time; the message holds the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        problem: str | None = "it was not asked yet"
        while time.monotonic() < deadline:
            if (how := self.ended()) is not None:
                raise PartUnavailable(
                    f"{self.program.name} ended while it started ({how}); the end of {self.log}:\n{child.tail(self.log)}"
                )
            problem = self.program.ready()
            if problem is None:
                return
            if (stop_asked or _NEVER).wait(0.1):
                raise Stopped
        raise PartUnavailable(
            f"{self.program.name} was not ready within {timeout_s:.0f} s: {problem}; "
            f"the end of {self.log}:\n{child.tail(self.log)}"
        )

    def stop(self) -> bool:
        """Ask it to end; end it when it does not. Returns whether it ended by itself."""
        return True if self.process is None else child.stop(self.process, self.program.grace_s)

    def kill(self) -> None:
        """End it now, as a crash would."""
        if self.process is not None:
            child.kill(self.process)

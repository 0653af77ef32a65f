"""One place at which a run is computed: a process of its own, that is killed when it hangs and started again."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from streams.meter.task import DONE, READY, Task

INSTALL = (
    "OpenDSM, which computes runs, is not installed here; install the optional group with "
    "`pip install 'powermon[meter]'` (about 0.8 GB; not on a Raspberry Pi), start `powermon meter` again, and ask for a new run"
)

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_REAP_S = 10.0


@dataclass(frozen=True, slots=True)
class Done:
    """What `run.compute` returned."""

    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """The run cannot be done; the same would come of it again."""

    traceback: str


@dataclass(frozen=True, slots=True)
class Died:
    """The process ended over it."""

    how: str


Answer = Done | Failed | Died


class Slot(Protocol):
    """Computes one run at a time."""

    def begin(self, task: Task) -> None:
        """Take a run up; not while another is under way."""

    def answer(self) -> Answer | None:
        """What has become of it; None while it is under way."""

    def computing(self) -> bool:
        """Whether the run itself is being computed: loading the libraries before it does not count."""

    def kill(self) -> None:
        """End what is under way; the next run gets a new process."""


def installed() -> bool:
    """Whether OpenDSM is here, without loading it."""
    return find_spec("opendsm") is not None


class Absent:
    """Answers every run with what to install."""

    def begin(self, task: Task) -> None: ...

    def answer(self) -> Answer | None:
        return Failed(INSTALL)

    def computing(self) -> bool:
        return False

    def kill(self) -> None: ...


class ProcessSlot:
    """A process that is started with the first run and stays: loading and compiling are paid once.

    Call it from one thread that lives as long as the slot does: the process ends with that thread.

    Args:
        compiled: folder that keeps compiled code from one process to the next.
        command: the program and its first arguments; a test has others.
    """

    def __init__(self, compiled: Path, command: Callable[[], list[str]] | None = None) -> None:
        self._compiled = compiled
        self._command = command or (lambda: [sys.executable, "-m", "streams.meter.process"])
        self._process: subprocess.Popen[bytes] | None = None
        self._door: Connection | None = None
        self._task: Task | None = None
        self._ready = False

    @property
    def pid(self) -> int:
        """Of the process; 0: there is none."""
        return 0 if self._process is None else self._process.pid

    def begin(self, task: Task) -> None:
        self._task = task
        if self._process is None:
            self._start()
        elif self._ready:
            self._send()

    def computing(self) -> bool:
        return self._ready and self._task is not None

    def answer(self) -> Answer | None:
        if self._task is None or self._door is None:
            return None
        try:
            if not self._door.poll(0):
                return None
            kind, content = self._door.recv()
        except (EOFError, OSError):
            return self._died()
        if kind == READY:
            self._ready = True
            return self._send()
        self._task = None
        return Done(content) if kind == DONE else Failed(content)

    def kill(self) -> None:
        self._task = None
        if self._process is not None:
            self._process.kill()
            self._process.wait(_REAP_S)
        if self._door is not None:
            self._door.close()
        self._process, self._door, self._ready = None, None, False

    def _start(self) -> None:
        ours, theirs = Pipe()
        folder = writable(self._compiled)
        variables = dict.fromkeys(_THREADS, "1") | ({"NUMBA_CACHE_DIR": str(folder)} if folder else {})
        with theirs:
            handle = theirs.fileno()
            command = [*self._command(), str(handle), str(os.getpid())]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[handle], env={**os.environ, **variables}
            )
        self._door = ours

    def _send(self) -> Answer | None:
        assert self._door is not None
        try:
            self._door.send(self._task)
        except OSError:
            return self._died()
        return None

    def _died(self) -> Died:
        process = self._process
        assert process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_REAP_S)
        status = process.returncode
        self.kill()
        if status is None:
            return Died("its process closed the connection")
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return Died(f"its process ended ({how})" + (", as it does when memory runs out" if status == -signal.SIGKILL else ""))


def writable(folder: Path) -> Path | None:
    """The folder, made if need be; None where this user may not write there: then each process compiles for itself."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder.absolute() if os.access(folder, os.W_OK) else None

"""Starts a stack's processes in order, restarts those that die, stops them in reverse."""

import contextlib
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from infra import child
from infra.embedded import Program
from infra.errors import PartUnavailable, PowermonError
from infra.running import START_S, Running, Stopped

BACKOFF_S = (1.0, 30.0)
CALM_S = 60.0
"""A process that ran this long starts its next backoff from the beginning."""

_LOOK_S = 0.2
_ASK_S = 5.0
_DEAF_ROUNDS = 6
"""A process that fails so many health checks in a row, or does not answer them, is ended and started again."""

_STARTS_MAX = 3
_HOUSEKEEPING_S = 60.0


class Supervisor:
    """The processes of one stack. Used from the main thread only: children die with the thread that started them.

    Args:
        data: the stack's folder; logs go to `data/logs`, the list of processes to `data/processes.json`.
        say: is given a line for the person at the terminal.
    """

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        self.stop_asked = threading.Event()
        self._data, self._tell = data, say
        self._watched: list[_Watched] = []
        self._ended = threading.Event()

    def take_signals(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask for the stop of the stack."""

        def ask(_: int, __: FrameType | None) -> None:
            self.stop_asked.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, ask)

    def start(self, programs: list[Program]) -> None:
        """Start programs side by side and wait until each is ready; one that dies is tried again.

        Raises:
            PartUnavailable: one did not become ready.
            Stopped: a stop was asked for.
        """
        begun = [_Watched(Running(program, self._data / "logs")) for program in programs]
        for watched in begun:
            self._watched.append(watched)
            watched.start()
        self._write_list()
        for watched in begun:
            self._wait_ready(watched)

    def watch(self) -> None:
        """Restart what dies or hangs, until a stop is asked for."""
        threading.Thread(target=self._ask_around, name="health", daemon=True).start()
        housekeeping = time.monotonic()
        while not self.stop_asked.wait(_LOOK_S):
            for watched in self._watched:
                self._look_after(watched)
            if time.monotonic() > housekeeping:
                housekeeping = time.monotonic() + _HOUSEKEEPING_S
                for watched in self._watched:
                    child.shorten(watched.running.log)

    def stop(self) -> None:
        """Stop everything, the last started first. Further signals change nothing: every wait in it is bounded."""
        self.stop_asked.set()
        self._ended.set()
        for watched in reversed(self._watched):
            if watched.running.pid:
                self.say(f"stopping {watched.name}")
            if not watched.running.stop():
                self.say(f"{watched.name} did not end within {watched.running.program.grace_s:.0f} s and was killed")
        self._watched.clear()
        (self._data / "processes.json").unlink(missing_ok=True)

    def say(self, line: str) -> None:
        """Tell the person, and keep it in `logs/up.log`."""
        with contextlib.suppress(OSError):  # the terminal may be gone; the stack still ends in order
            self._tell(line)
        log = self._data / "logs" / "up.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")

    def _wait_ready(self, watched: "_Watched") -> None:
        deadline = time.monotonic() + START_S
        for attempt in range(1, _STARTS_MAX + 1):
            try:
                watched.running.wait_ready(deadline - time.monotonic(), self.stop_asked)
                return
            except PartUnavailable:
                if attempt == _STARTS_MAX or watched.running.pid or time.monotonic() > deadline:
                    raise
                how = watched.running.ended()
                self.say(f"{watched.name} ended while it started ({how}); trying again; see {watched.running.log}")
            if self.stop_asked.wait(watched.backoff_s):
                raise Stopped
            watched.start()
            watched.backoff_s *= 2
            self._write_list()

    def _look_after(self, watched: "_Watched") -> None:
        now = time.monotonic()
        if watched.deaf >= _DEAF_ROUNDS:
            self.say(f"{watched.name} failed {watched.deaf} health checks in a row and is killed: {watched.complaint}")
            watched.deaf = 0
            watched.running.kill()
        how = watched.running.ended()
        if how is None:
            return
        if watched.due is None:
            if now - watched.started > CALM_S:
                watched.backoff_s = BACKOFF_S[0]
            watched.due = now + watched.backoff_s
            self.say(
                f"{watched.name} ended ({how}); starting it again in {watched.backoff_s:.0f} s; its log is {watched.running.log}"
            )
            watched.running.kill()  # whatever is left of its group
            watched.backoff_s = min(2 * watched.backoff_s, BACKOFF_S[1])
        elif now >= watched.due:
            watched.restarts += 1
            try:
                watched.start()
            except (PowermonError, OSError) as error:
                watched.due = now + watched.backoff_s
                watched.backoff_s = min(2 * watched.backoff_s, BACKOFF_S[1])
                self.say(f"{watched.name} could not be started: {error}")
            self._write_list()

    def _ask_around(self) -> None:
        while not self._ended.wait(_ASK_S):
            for watched in list(self._watched):
                if watched.running.pid and time.monotonic() - watched.started > START_S:
                    complaint = watched.running.program.alive()
                    watched.complaint, watched.deaf = complaint or "", watched.deaf + 1 if complaint else 0

    def _write_list(self) -> None:
        """The processes as JSON, for `powermon doctor` and for scripts."""
        content = {
            "supervisor": os.getpid(),
            "processes": {w.name: {"pid": w.running.pid, "address": w.address, "restarts": w.restarts} for w in self._watched},
        }
        with tempfile.NamedTemporaryFile("w", dir=self._data, prefix="processes", delete=False) as file:
            json.dump(content, file, indent=1)
        os.replace(file.name, self._data / "processes.json")


class _Watched:
    """One process under watch.

    Attributes:
        due: when it is to be started again; None while it runs.
        deaf, complaint: health checks in a row that failed, and how the last one did.
    """

    def __init__(self, running: Running) -> None:
        self.running = running
        self.name, self.address = running.program.name, running.program.address
        self.restarts = 0
        self.deaf, self.complaint = 0, ""
        self.backoff_s = BACKOFF_S[0]
        self.due: float | None = None
        self.started = 0.0

    def start(self) -> None:
        self.running.start()
        self.started = time.monotonic()
        self.due = None
        self.deaf = 0

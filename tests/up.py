"""`powermon up` as a person runs it: a process of its own, every role, what it prints in a file."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.programs import environment
from infra.settings import Settings
from tests.waiting import exists, until

ROOT = Path(__file__).parents[1]
START_S = 120


class Up:
    """One `powermon up`; what it prints goes to a file."""

    def __init__(self, settings: Settings, *arguments: str) -> None:
        self.settings = settings
        self.screen = settings.data.parent / f"{settings.data.name}-screen-{os.urandom(4).hex()}.txt"
        with self.screen.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.cli", "up", "--data", str(settings.data), *arguments],
                env={**os.environ, **environment(settings)},
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        return self.screen.read_text()

    def wait_up(self) -> "Up":
        until(lambda: "Everything runs" in self.text() or self.process.poll() is not None, "the stack is up", START_S)
        assert self.process.poll() is None, self.text()
        return self

    def end(self, sign: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(sign)
        return self.process.wait(90)

    def listed(self) -> dict[str, dict[str, int]]:
        processes: dict[str, dict[str, int]] = json.loads((self.settings.data / "processes.json").read_text())["processes"]
        return processes

    def pids(self) -> list[int]:
        """Every process that works in this stack's folder, the supervisor apart."""
        mark = str(self.settings.data).encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                mine = mark in (folder / "cmdline").read_bytes() or b"POWERMON_DATA=" + mark in (folder / "environ").read_bytes()
            except OSError:
                continue  # it ended meanwhile
            if mine and int(folder.name) not in (self.process.pid, os.getpid()) and exists(int(folder.name)):
                found.append(int(folder.name))
        return found

    def doctor(self) -> dict[str, bool]:
        run = subprocess.run(
            [sys.executable, "-m", "infra.cli", "doctor", "--json"],
            env={**os.environ, **environment(self.settings)},
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        return {finding["what"]: finding["fine"] for finding in json.loads(run.stdout)["findings"]}


RunUp = Callable[..., Up]
"""`run_up(settings=None, *arguments)`."""


@contextmanager
def stacks(make_settings: Callable[..., Settings]) -> Iterator[RunUp]:
    """Start stacks within the block; those that still run end with it."""
    begun: list[Up] = []

    def run(settings: Settings | None = None, *arguments: str) -> Up:
        begun.append(Up(settings or make_settings(), *arguments))
        return begun[-1]

    try:
        yield run
    finally:
        for up in begun:
            if up.process.poll() is None:
                up.end()

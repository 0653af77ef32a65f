"""Simulated Linkys and the readers at their ports, while a test breaks things; and what must be left of it."""

import json
import os
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from infra import child
from infra.programs import environment
from infra.running import Running
from infra.settings import Settings
from tests.roles import role
from tests.waiting import until

OPENING_MS = 3000
"""From when a port is seen open to when its reader has emptied it, on a busy machine."""
DISK_MS = 5000
"""From when frames are due for the spool to when they are in it, on a busy machine."""
TTY_MS = 200
"""From when a byte is written to a pseudo-terminal to when it can be read at its other end."""
NEAR_MS = 15_000
"""What is told beside a lost frame."""


@dataclass(frozen=True)
class Frame:
    """One frame that a simulated meter sent.

    Attributes:
        begin_ms, end_ms: when it was due on the line.
        written_ms: when its last byte was on it; on a busy machine later.
    """

    number: int
    begin_ms: int
    end_ms: int
    written_ms: int
    damage: str | None
    groups: dict[str, list[Any]]


class Meters:
    """`powermon simulate --linky` as a process of its own, in real time.

    Args:
        settings: of any stack; nothing of it is used but its folder.
        folder: for links, truth and log.
        count: how many meters.
        options: of the command.
    """

    def __init__(self, settings: Settings, folder: Path, count: int, *options: str) -> None:
        self.truth, self.log = folder / "truth.ndjson", folder / "linky.log"
        self.links = [folder / f"linky-{k + 1}" for k in range(count)] if count > 1 else [folder / "linky"]
        own = ["--linky", str(count), "--link", str(folder / "linky"), "--truth", str(self.truth), *options]
        self.process = child.spawn([sys.executable, "-m", "infra.cli", "simulate", *own], self.log, environment(settings))
        until(lambda: all(link.exists() for link in self.links) and len(self.addresses) == count, "the meters' ports")

    @property
    def addresses(self) -> list[str]:
        return [line.split()[1].rstrip(":") for line in self.log.read_text().splitlines() if line.startswith("linky ")]

    def stop(self) -> None:
        child.stop(self.process, 10)

    def sent(self) -> dict[str, list[Frame]]:
        """What each meter sent, by its address."""
        found: dict[str, list[Frame]] = {address: [] for address in self.addresses}
        for line in self.truth.read_text().splitlines():
            one = json.loads(line)
            found[one["meter"]].append(_frame(one))
        return found


def _frame(one: dict[str, Any]) -> Frame:
    return Frame(one["frame"], one["begin_ms"], one["end_ms"], one["written_ms"], one["damage"], one["groups"])


@dataclass
class Away:
    """A time in which nobody read the port, in milliseconds since 1970.

    Attributes:
        how: it began.
        since_ms: what ended later than this may be lost.
        until_ms: what began earlier than this may be; None: nobody reads it yet.
        at_ms: when the reader was ended and started again.
    """

    how: str
    since_ms: float
    until_ms: float | None = None
    at_ms: float = 0.0


@dataclass
class Reader:
    """`powermon tic` at one port, killed and started again by the test; it knows when the port was not read.

    Attributes:
        settings: its own; `tic_port` is a link.
        away: one for each start.
    """

    settings: Settings
    away: list[Away] = field(default_factory=list)
    kills: int = 0

    @cached_property
    def running(self) -> Running:
        return role(self.settings, "tic")

    def start(self, how: str = "started", since_ms: float = 0) -> None:
        """Start the process, and see in a thread of its own when it opens the port."""
        self.running.start()
        away = Away(how, since_ms, at_ms=_now_ms())
        self.away.append(away)
        threading.Thread(target=self._see_it_open, args=(away, self.running.pid), daemon=True).start()

    def kill(self) -> None:
        """End it as a power cut would, and start it again. What came since the spool's last write is lost, and nothing else."""
        since_ms = _now_ms() - 1000 * self.settings.tic_write_s - DISK_MS
        self.running.kill()
        self.kills += 1
        self.start("killed", since_ms)

    def restart(self) -> None:
        """Ask it to end, and start it again: nothing that had come is lost."""
        since_ms = _now_ms() - TTY_MS
        self.running.stop()
        self.start("asked to end", since_ms)

    def missed(self, frame: Frame) -> bool:
        """Whether nobody may have read it, or only one who was killed before it was in the spool."""
        until_ms: float | None = None
        for away in reversed(self.away):
            until_ms = away.until_ms or until_ms  # killed before it opened the port: until the next one did
            if frame.written_ms >= away.since_ms and (until_ms is None or frame.begin_ms <= until_ms):
                return True
        return False

    def told(self, frame: Frame) -> str:
        """All that is known of a frame that is missing: its times, when nobody read the port, and what the reader said then."""
        begin_ms, end_ms = frame.begin_ms - NEAR_MS, frame.end_ms + NEAR_MS
        near = [one for one in self.away if one.since_ms <= end_ms and begin_ms <= (one.until_ms or begin_ms)]
        said = [line for line in self.running.log.read_text(errors="replace").splitlines() if _near(line, frame)]
        return "\n".join(
            [
                f"frame {frame.number}: {_clock(frame.begin_ms)} to {_clock(frame.end_ms)}, written {_clock(frame.written_ms)}",
                *(f"  {one.how} {_clock(one.at_ms)}: may miss {_clock(one.since_ms)} to {_clock(one.until_ms)}" for one in near),
                *(f"  {line[:200]}" for line in said[-40:]),
            ]
        )

    def metric(self, name: str) -> float:
        """One number of its /metrics; -1 while it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.running.program.address}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return -1
        return next((float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name), -1)

    def delivered(self) -> bool:
        """Whether nothing waits, neither in memory nor in the spool."""
        return self.metric("powermon_tic_backlog_frames") == 0 and self.metric("powermon_tic_spool_frames") == 0

    def stop(self) -> None:
        self.running.stop()

    def _see_it_open(self, away: Away, pid: int) -> None:
        pause = threading.Event()
        while not _has_open(pid, self.settings.tic_port):
            if not Path(f"/proc/{pid}").exists():
                return  # killed before it did: the next start tells when the port is read again
            pause.wait(0.02)
        away.until_ms = _now_ms() + OPENING_MS


def _has_open(pid: int, port: str) -> bool:
    device = os.path.realpath(port)
    try:
        return any(os.readlink(file) == device for file in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def _clock(at_ms: float | None) -> str:
    return "now" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]


def _near(line: str, frame: Frame) -> bool:
    """Whether a line of the log is of about a frame's time."""
    with suppress(ValueError):
        at_ms = 1000 * datetime.fromisoformat(line.split(maxsplit=1)[0]).timestamp()
        return frame.begin_ms - NEAR_MS <= at_ms <= frame.end_ms + NEAR_MS
    return False


def _now_ms() -> float:
    return time.time() * 1000

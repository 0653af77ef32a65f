"""The thread of the disk: frames from the backlog to the spool, many at a time, so that an SD card lives."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from producers.tic.backlog import Backlog
from producers.tic.line import Line
from schemas.tic_frame import TicFrame

Remember = Callable[[str, Sequence[TicFrame]], None]
"""Whose frames are in the spool now (empty: nothing new), and which ones wait to learn whose they are."""

REPORT_EVERY = 100
"""Frames between two log lines."""


class Depth(Protocol):
    """What waits in a spool."""

    @property
    def frames(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def oldest_age_s(self) -> float: ...


class Store(Protocol):
    """The part of a spool that is written to."""

    @property
    def dropped(self) -> int: ...
    def put(self, frames: Sequence[TicFrame]) -> None: ...
    def depth(self) -> Depth: ...


class Writer:
    """Writes every few seconds until it is stopped; a stop writes what is left.

    Args:
        every_s: how often.
        beat: called at each round.
        remember: called after each attempt to write that did not fail.

    Attributes:
        waiting: what the spool held at the last look.
        problem: why the last attempt failed, in a sentence; empty when it did not.
        failures: attempts that failed.
        unfit: frames that the spool refused by themselves, and that are lost.
    """

    def __init__(
        self, spool: Store, backlog: Backlog, line: Line, every_s: float, beat: Callable[[], None], remember: Remember
    ) -> None:
        self.waiting: Depth | None = None
        self.problem = ""
        self.failures = self.unfit = 0
        self._spool, self._backlog, self._line, self._every_s, self._beat = spool, backlog, line, every_s, beat
        self._remember = remember
        self._stop = threading.Event()
        self._reported = 0
        self._log = structlog.get_logger(__name__)

    def stop(self) -> None:
        """Ask `run` to write what is left and return."""
        self._stop.set()

    def run(self) -> None:
        """Write until stopped."""
        while not self._stop.wait(self._every_s):
            self._round()
        self._round()

    def _round(self) -> None:
        self._beat()
        held = self._backlog.held  # before the frames: one that is released in between is in the memory and, next, in the spool
        frames = self._backlog.take()
        try:
            if frames:
                self._put(frames)
            self.waiting = self._spool.depth()
        except (OSError, sqlite3.Error) as error:
            self._failed(frames, error)
            return
        self._remember(frames[-1].meter_id if frames else "", held)
        if self.problem:
            self._log.info("spool takes frames again", frames=len(frames))
        self.problem = ""
        self._report()

    def _put(self, frames: Sequence[TicFrame]) -> None:
        try:
            self._spool.put(frames)
        except (OSError, sqlite3.Error):
            raise
        except Exception as error:  # one frame that does not fit must not keep the others back
            if len(frames) > 1:
                for frame in frames:
                    self._put([frame])
                return
            self.unfit += 1
            self._log.error("frame does not fit the spool", counter=frames[0].counter, error=type(error).__name__)

    def _failed(self, frames: Sequence[TicFrame], error: Exception) -> None:
        self._backlog.give_back(frames)
        self.failures += 1
        problem = f"the spool takes no frames: {error}; they wait in memory. Is the disk full, or read-only?"
        if not self.problem:
            self._log.warning("spool takes no frames", reason=str(error), waiting=len(self._backlog))
        self.problem = problem

    def _report(self) -> None:
        quality = self._line.quality
        if quality.frames // REPORT_EVERY == self._reported:
            return
        self._reported = quality.frames // REPORT_EVERY
        self._log.info(
            "line",
            how=self._line.words(),
            frames=quality.frames,
            rejected_groups=quality.rejected.total(),
            discarded_frames=quality.discarded.total(),
            bad_characters=quality.bad_characters,
            spooled=0 if self.waiting is None else self.waiting.frames,
            in_memory=len(self._backlog),
            thrown_away=self._backlog.dropped + self._spool.dropped + self.unfit,
        )

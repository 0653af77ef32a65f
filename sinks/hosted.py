"""A member that works in a thread of its own until it is stopped, and is made anew when it fails."""

import threading
from collections.abc import Callable
from typing import Protocol

import structlog

_PAUSE_S = 2.0
_STOP_S = 30.0

log = structlog.get_logger()


class Member(Protocol):
    """A thread's work: blocks in `work` until `stop`, and says in `problem` what stands in its way."""

    def work(self) -> None: ...
    def stop(self) -> None: ...
    def problem(self) -> str | None: ...


class Hosted:
    """Keeps one member at work.

    Args:
        what: named in the log.
        make: makes the member; called again after a failure.
    """

    def __init__(self, what: str, make: Callable[[], Member]) -> None:
        self._what, self._make = what, make
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._member: Member | None = None
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._work, name=f"hosted-{what}", daemon=True)
        self._thread.start()

    def problem(self) -> str | None:
        """What stands in the way, as a sentence."""
        with self._lock:
            return self._problem if self._member is None else self._member.problem()

    def stop(self) -> None:
        """Let it finish what it has in hand."""
        self._stopped.set()
        with self._lock:
            if self._member is not None:
                self._member.stop()

    def join(self) -> None:
        """Wait until it has ended; not from its own thread."""
        if self._thread is not threading.current_thread():
            self._thread.join(_STOP_S)

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._lock:
                    if self._stopped.is_set():
                        return
                    self._member = self._make()
                self._member.work()
                return
            except Exception as error:
                # The one boundary of this thread: live work in the same process goes on whatever becomes of this member.
                log.exception("a member failed and is made anew", what=self._what)
                with self._lock:
                    self._member, self._problem = None, f"failed and will be made anew: {error}"
            self._stopped.wait(_PAUSE_S)

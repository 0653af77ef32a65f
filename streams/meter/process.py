"""The process that computes: `python -m streams.meter.process FD PARENT`, one run after the other until the other end closes.

A process of its own, because OpenDSM takes seconds and 350 MB to load, holds the interpreter while it fits, and may
crash or hang on odd data: then it is killed, and nothing else is.
"""

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from streams.meter.task import DONE, FAILED, READY, RunFailed

_PR_SET_PDEATHSIG = 1


def main(handle: int, parent: int) -> None:
    """Serve until the connection closes.

    Args:
        handle: of the connection's end.
        parent: the process that started this one; without it there is nobody to work for.
    """
    _end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal is the parent's matter
    door: Connection = Connection(handle)
    from streams.meter.warmup import load

    compute = load()
    door.send((READY, None))
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            task = door.recv()
            answer: tuple[str, Any]
            try:
                answer = DONE, compute(task)
            except RunFailed as error:
                answer = FAILED, str(error)
            except Exception:
                # The boundary of a run: whatever it was ends as the run's traceback.
                answer = FAILED, traceback.format_exc()
            door.send(answer)


def _end_with(parent: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # elsewhere than on Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

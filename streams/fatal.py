"""The one way out of a failure in an agent: the process ends, and the next one starts from the last commit."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import structlog

EXIT_STATUS = 70
"""EX_SOFTWARE: the supervisor restarts the role."""

log = structlog.get_logger()


@contextmanager
def fatal(what: str) -> Iterator[None]:
    """End the process on any exception inside.

    Faust acknowledges what a failing agent was given and goes on without it. Ending the process takes the
    same path as kill -9, which is the tested one.
    """
    try:
        yield
    except Exception:
        die(f"{what} failed", traceback.format_exc())


def die(why: str, detail: str = "") -> NoReturn:
    """Say why, and end the process without any clean-up that could commit something."""
    log.critical(why, detail=detail, exit_status=EXIT_STATUS)
    os._exit(EXIT_STATUS)

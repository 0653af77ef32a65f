"""Roles as processes of a test's own, beside a broker that the test starts and stops: nobody restarts anything."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from infra import child, programs
from infra.running import Running
from infra.settings import Settings
from tests.waiting import until


def role(settings: Settings, name: str, *, code: str = "", **variables: str) -> Running:
    """A role of the stack, not yet started.

    Args:
        name: as in `powermon up`.
        code: Python that runs in the process before the role does.
        variables: of the environment, beside the settings.
    """
    (program,) = [one for one in programs.roles(settings) if one.name == name]
    if code:
        line = f"{code}\nimport sys\nfrom infra.cli import main\nsys.argv = ['powermon', {program.command[-1]!r}]\nmain()"
        program = replace(program, command=[sys.executable, "-c", line])
    return Running(replace(program, env={**program.env, **variables}), settings.data / "logs")


@contextmanager
def running(*roles: Running) -> Iterator[None]:
    """Start roles side by side, wait until they are ready, and end them with the block."""
    try:
        for one in roles:
            one.start()
        for one in roles:
            one.wait_ready()
        yield
    finally:
        for one in reversed(roles):
            one.stop()


def exit_status(one: Running, timeout_s: float = 60) -> int:
    """Wait for the end of a process."""
    assert one.process is not None
    until(lambda: one.process.poll() is not None, f"the end of {one.program.name}; {child.tail(one.log)}", timeout_s)
    return one.process.returncode

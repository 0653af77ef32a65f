"""`powermon up`: what a stack that runs is like, what a kill of its parts does, and who else may start."""

import os
import re
import signal
from collections.abc import Callable, Iterator

import pytest

from infra.settings import Settings
from tests.up import RunUp, Up, stacks
from tests.waiting import until


@pytest.fixture(scope="module")
def run_up(make_settings: Callable[..., Settings]) -> Iterator[RunUp]:
    """Starts stacks of a test's own, each ended at the end."""
    with stacks(make_settings) as run:
        yield run


@pytest.fixture(scope="module")
def up(run_up: RunUp) -> Up:
    """A stack that several tests share; none of them ends it."""
    return run_up().wait_up()


def test_every_part_is_found_healthy(up: Up) -> None:
    findings = up.doctor()
    assert all(findings.values()), findings
    assert {"broker", "topics", "registry", "schemas", "gateway", "worker", "store"} <= set(findings)


def test_the_administrator_gets_a_password_that_stands_in_no_file(up: Up) -> None:
    password = re.search(r"one-time password ([a-z0-9-]{19}) ", up.text())
    assert password
    for path in up.settings.data.rglob("*"):
        if path.is_file():
            assert password[1].encode() not in path.read_bytes(), path


def test_the_command_line_of_this_machine_has_a_token_only_its_owner_reads(up: Up) -> None:
    token = up.settings.operator_token
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text().startswith("pm1_")


@pytest.mark.parametrize("name", ["worker", "gateway", "store", "registry", "kafka"])
def test_a_killed_process_is_back_soon(up: Up, name: str) -> None:
    before = up.listed()[name]
    os.kill(before["pid"], signal.SIGKILL)
    until(lambda: up.listed()[name]["restarts"] == before["restarts"] + 1, f"the restart of {name}", 60)
    until(lambda: all(up.doctor().values()), "everything healthy again", 120)


def test_a_second_stack_in_the_same_folder_is_refused(up: Up, run_up: RunUp) -> None:
    second = run_up(up.settings)
    assert second.process.wait(60) == 1
    assert f"is in use by another `powermon up` (process {up.process.pid})" in second.text()
    assert up.process.poll() is None


def test_two_stacks_run_side_by_side_but_not_on_the_same_port(
    up: Up, run_up: RunUp, make_settings: Callable[..., Settings]
) -> None:
    clash = run_up(make_settings(web_port=up.settings.web_port))
    assert clash.process.wait(60) == 1
    assert f"port {up.settings.web_port} (POWERMON_WEB_PORT) already in use" in clash.text()

    other = run_up().wait_up()
    # Beside a stack that is starting, health checks may be slow for a moment.
    for stack in (other, up):
        until(lambda stack=stack: all(stack.doctor().values()), "both stacks healthy", 120)
    assert other.end(signal.SIGTERM) == 0
    assert other.pids() == []

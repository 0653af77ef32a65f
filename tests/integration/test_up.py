"""`powermon up` as a person runs it: a process of its own, every role, Ctrl-C."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.programs import environment
from infra.settings import Settings
from tests.waiting import exists, until

ROOT = Path(__file__).parents[2]
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


@pytest.fixture(scope="module")
def run_up(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Up]]:
    """Starts stacks of a test's own, each ended at the end."""
    begun: list[Up] = []

    def run(settings: Settings | None = None, *arguments: str) -> Up:
        begun.append(Up(settings or make_settings(), *arguments))
        return begun[-1]

    yield run
    for up in begun:
        if up.process.poll() is None:
            up.end()


@pytest.fixture(scope="module")
def up(run_up: Callable[..., Up]) -> Up:
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


def test_a_second_stack_in_the_same_folder_is_refused(up: Up, run_up: Callable[..., Up]) -> None:
    second = run_up(up.settings)
    assert second.process.wait(60) == 1
    assert f"is in use by another `powermon up` (process {up.process.pid})" in second.text()
    assert up.process.poll() is None


def test_two_stacks_run_side_by_side_but_not_on_the_same_port(
    up: Up, run_up: Callable[..., Up], make_settings: Callable[..., Settings]
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


def test_ctrl_c_ends_everything_and_a_second_start_finds_the_data(
    run_up: Callable[..., Up], make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings()
    first = run_up(settings).wait_up()
    add = [sys.executable, "-m", "infra.cli", "sensors", "add", "gre000001"]
    subprocess.run(add, env={**os.environ, **environment(settings)}, cwd=ROOT, check=True, capture_output=True)
    token = settings.operator_token.read_text()
    assert first.end() == 0
    assert first.pids() == []
    assert first.text().rstrip().endswith("stopped")

    second = run_up(settings).wait_up()
    assert "one-time password" not in second.text()
    assert settings.operator_token.read_text() == token
    shown = subprocess.run(
        [sys.executable, "-m", "infra.cli", "sensors", "list", "--json"],
        env={**os.environ, **environment(settings)},
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    assert [sensor["sensor_id"] for sensor in json.loads(shown.stdout)] == ["gre000001"]

    second.process.kill()  # kill -9: no clean-up of ours runs
    second.process.wait()
    until(lambda: second.pids() == [], "the end of every child", 20)
    third = run_up(settings).wait_up()  # over what the kill left: the lock, the ports, the folders
    assert third.end() == 0


def test_ctrl_c_during_the_start_ends_it(run_up: Callable[..., Up]) -> None:
    up = run_up()
    until(lambda: "starting registry" in up.text(), "half of the start", START_S)
    assert up.end() == 0
    assert up.pids() == []


def test_a_configured_part_that_does_not_answer_is_named(
    run_up: Callable[..., Up], make_settings: Callable[..., Settings], free_port: Callable[[], int]
) -> None:
    up = run_up(make_settings(kafka_bootstrap=f"127.0.0.1:{free_port()}"))
    assert up.process.wait(60) == 1
    assert "correct POWERMON_KAFKA_BOOTSTRAP" in up.text()
    assert up.pids() == []


def test_the_demo_signs_a_browser_in_and_has_a_linky(run_up: Callable[..., Up]) -> None:
    up = run_up(None, "--demo", "--sensors", "2").wait_up()
    link = re.search(r"Open (http://\S+/signin\?token=\S+)", up.text())
    assert link
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(link[1], timeout=20) as page:
        assert page.status == 200
        assert "/signin" not in page.url
    assert {"simulate", "linky", "tic"} <= set(up.listed())
    shown = subprocess.run(
        [sys.executable, "-m", "infra.cli", "sensors", "list", "--json"],
        env={**os.environ, **environment(up.settings)},
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (meter,) = [one for one in json.loads(shown.stdout) if one["kind"] == "linky"]
    assert (meter["zone"], meter["site"]) == ("Europe/Paris", "demo-home")
    assert f"{meter['sensor_id']} at " in up.text()
    assert up.end() == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", up.settings.web_port)) != 0

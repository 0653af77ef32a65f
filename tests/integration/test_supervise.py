"""The supervisor on small programs of its own: order, restarts, and nobody left behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra import child, claims, supervise
from infra.embedded import Program
from infra.errors import ConfigurationError, PartUnavailable
from infra.running import Stopped
from infra.supervise import Supervisor
from tests.waiting import exists, until


def program(name: str, code: str, folder: Path, *, ready: Callable[[], str | None] | None = None) -> Program:
    """A Python program that writes its process id to `<name>.pid`, one a line, and then runs the code."""
    head = f"import os, time; open({str(folder / name) + '.pid'!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
    pids = folder / f"{name}.pid"
    default = lambda: None if pids.exists() else "no pid yet"  # noqa: E731
    return Program(name, "", [sys.executable, "-c", head + code], ready or default, grace_s=5)


def pids(name: str, folder: Path) -> list[int]:
    path = folder / f"{name}.pid"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, told: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, told.append)
    yield made
    made.stop()


def in_background(supervisor: Supervisor, work: Callable[[], None]) -> None:
    """Do the work beside `watch`, which must have the main thread, and stop the watch after it."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)
        finally:
            supervisor.stop_asked.set()

    thread = threading.Thread(target=run)
    thread.start()
    supervisor.watch()
    thread.join()
    if failed:
        raise failed[0]


def test_a_dead_program_is_started_again(supervisor: Supervisor, tmp_path: Path, told: list[str]) -> None:
    supervisor.start([program("sleeper", "time.sleep(600)", tmp_path)])

    def work() -> None:
        os.kill(pids("sleeper", tmp_path)[0], signal.SIGKILL)
        until(lambda: len(pids("sleeper", tmp_path)) == 2, "a second start")
        listed = tmp_path / "processes.json"
        until(lambda: json.loads(listed.read_text())["processes"]["sleeper"]["restarts"] == 1, "the restart in the list")

    in_background(supervisor, work)
    assert "sleeper ended (killed by SIGKILL); starting it again in 1 s" in told[0]


def test_a_program_that_says_it_is_not_alive_is_started_again(
    supervisor: Supervisor, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = lambda: None if len(pids("stuck", tmp_path)) > 1 else "the sink has been at one step for 151 s"  # noqa: E731
    supervisor.start([replace(program("stuck", "time.sleep(600)", tmp_path), alive=alive)])
    monkeypatch.setattr(supervise, "START_S", 0.0)
    monkeypatch.setattr(supervise, "_ASK_S", 0.05)
    in_background(supervisor, lambda: until(lambda: len(pids("stuck", tmp_path)) == 2, "a second start"))
    assert told[0].startswith("stuck failed ")
    assert told[0].endswith(" health checks in a row and is killed: the sink has been at one step for 151 s")


def test_stop_ends_all_in_reverse_order(supervisor: Supervisor, tmp_path: Path, told: list[str]) -> None:
    for name in ("first", "second"):
        supervisor.start([program(name, "time.sleep(600)", tmp_path)])
    running = pids("first", tmp_path) + pids("second", tmp_path)
    assert all(exists(pid) for pid in running)
    supervisor.stop()
    assert not any(exists(pid) for pid in running)
    assert told == ["stopping second", "stopping first"]


def test_a_deaf_program_is_killed_after_its_grace(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    log = tmp_path / "deaf.log"
    process = child.spawn([sys.executable, "-c", f"import time; {code}"], log)
    until(lambda: "deaf" in log.read_text(), "the signal handler")
    assert not child.stop(process, 0.2)
    assert not exists(process.pid)


def test_a_child_of_a_child_ends_too(tmp_path: Path) -> None:
    write = f"open({str(tmp_path / 'pid')!r}, 'w').write(f'{{p.pid}}\\n')"
    code = f"import subprocess, time; p = subprocess.Popen(['sleep', '600']); {write}; time.sleep(600)"
    process = child.spawn([sys.executable, "-c", code], tmp_path / "log")
    pid = tmp_path / "pid"
    until(lambda: pid.exists() and pid.read_text().endswith("\n"), "the grandchild")
    child.stop(process, 5)
    until(lambda: not exists(int(pid.read_text())), "the end of the grandchild")


def test_a_program_that_keeps_dying_at_its_start_shows_the_end_of_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    dying = program("dying", "raise SystemExit('no such database')", tmp_path, ready=lambda: "not ready")
    with pytest.raises(PartUnavailable, match=r"dying ended while it started \(exit status 1\)(.|\n)*no such database"):
        supervisor.start([dying])
    assert len(pids("dying", tmp_path)) == 3


def test_a_stop_during_the_start_is_heard(supervisor: Supervisor, tmp_path: Path) -> None:
    threading.Timer(0.1, supervisor.stop_asked.set).start()
    with pytest.raises(Stopped):
        supervisor.start([program("slow", "time.sleep(600)", tmp_path, ready=lambda: "never ready")])


def test_a_killed_supervisor_leaves_nobody(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from infra.supervise import Supervisor
        from tests.integration.test_supervise import program
        folder = Path({str(tmp_path)!r})
        supervisor = Supervisor(folder, print)
        supervisor.start([program(name, "time.sleep(600)", folder) for name in ("a", "b")])
        (folder / "up").touch()
        supervisor.watch()
    """)
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", code], cwd=root)
    until((tmp_path / "up").exists, "the start of both")
    running = pids("a", tmp_path) + pids("b", tmp_path)
    assert len(running) == 2
    process.kill()
    process.wait()
    until(lambda: not any(exists(pid) for pid in running), "the end of both")


def test_one_folder_one_stack(tmp_path: Path) -> None:
    with (
        claims.data_folder(tmp_path),
        pytest.raises(ConfigurationError, match=rf"in use by another .* \(process {os.getpid()}\)"),
        claims.data_folder(tmp_path),
    ):
        pass
    with claims.data_folder(tmp_path):  # free again
        pass


def test_a_stale_lock_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("99999\n")
    with claims.data_folder(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_port_in_use_is_named_with_its_setting(free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(claims, "_RELEASE_S", 0.0)
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} \(POWERMON_WEB_PORT\) already in use"):
            claims.check_ports([("gateway_port", "127.0.0.1", free_port()), ("web_port", "127.0.0.1", port)])


def test_one_port_for_two_settings_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="gateway_port and web_port are both 8080"):
        claims.check_ports([("gateway_port", "127.0.0.1", 8080), ("web_port", "127.0.0.1", 8080)])


def test_a_log_that_grew_too_large_is_moved_aside(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("old" * 10)
    child.shorten(log, 10)
    assert log.read_text() == ""
    assert (tmp_path / "x.log.1").read_text() == "old" * 10

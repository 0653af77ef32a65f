"""The process that computes: it comes with the first run, stays, and what happens to it is told."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.meter.slot import Died, Done, Failed, ProcessSlot, writable
from streams.meter.task import Columns, Project, Task, Trace
from tests.waiting import exists, until

TOY = """
import os, sys, time
from multiprocessing.connection import Connection
door = Connection(int(sys.argv[1]))
door.send(("ready", None))
while True:
    task = door.recv()
    what = task.project.project_id
    if what == "die": os._exit(3)
    if what == "hang": time.sleep(600)
    door.send(("failed", "Traceback: no") if what == "fail" else ("done", {"run": task.run, "pid": os.getpid(),
        "environment": {k: v for k, v in os.environ.items() if "THREADS" in k or k == "NUMBA_CACHE_DIR"}}))
"""


def task(what: str, run: int = 1) -> Task:
    return Task(run, Project(1, what, None, None), "m", None, (Trace(1, "E_C_S", "KWH", Columns.of([1], [2.0])),), None)


@pytest.fixture
def slot(tmp_path: Path) -> ProcessSlot:
    return ProcessSlot(tmp_path / "compiled", lambda: [sys.executable, "-c", TOY])


def answer(slot: ProcessSlot) -> Done | Failed | Died:
    found: list[Done | Failed | Died] = []

    def asked() -> bool:
        if (one := slot.answer()) is not None:
            found.append(one)
        return bool(found)

    until(asked, "an answer")
    return found[0]


def test_one_process_does_one_run_after_the_other_on_one_thread(slot: ProcessSlot, tmp_path: Path) -> None:
    assert slot.pid == 0
    results = []
    for run in (1, 2):
        slot.begin(task("good", run))
        found = answer(slot)
        assert isinstance(found, Done)
        results.append(found.result)
    assert [r["run"] for r in results] == [1, 2]
    assert results[0]["pid"] == results[1]["pid"] == slot.pid
    assert results[0]["environment"]["OMP_NUM_THREADS"] == "1"
    assert results[0]["environment"]["NUMBA_CACHE_DIR"] == str(tmp_path / "compiled")
    slot.kill()
    assert slot.pid == 0


def test_a_failed_run_has_its_traceback_and_the_process_stays(slot: ProcessSlot) -> None:
    slot.begin(task("fail"))
    assert answer(slot) == Failed("Traceback: no")
    assert exists(slot.pid)
    slot.kill()


def test_a_crash_is_told_and_the_next_run_has_a_new_process(slot: ProcessSlot) -> None:
    slot.begin(task("die"))
    assert answer(slot) == Died("its process ended (exit status 3)")
    slot.begin(task("good"))
    assert isinstance(answer(slot), Done)
    slot.kill()


def test_a_kill_is_told(slot: ProcessSlot) -> None:
    slot.begin(task("hang"))
    until(lambda: slot.answer() is None and slot.computing(), "the run is computed")
    os.kill(slot.pid, signal.SIGKILL)
    assert answer(slot) == Died("its process ended (killed by SIGKILL), as it does when memory runs out")


def test_a_run_that_hangs_is_ended_with_its_process(slot: ProcessSlot) -> None:
    slot.begin(task("hang"))
    until(lambda: slot.answer() is None and slot.computing(), "the run is computed")
    pid = slot.pid
    slot.kill()
    assert not exists(pid)
    assert slot.answer() is None


def test_a_folder_that_cannot_be_written_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert writable(tmp_path / "file" / "below") is None


def test_nothing_but_the_process_loads_opendsm() -> None:
    roles = "infra.meter, infra.store, streams.worker, producers.gateway.app, web.server, streams.meter.worker"
    code = (
        f"import sys, {roles}\nsys.exit(any(name.partition('.')[0] in ('opendsm', 'sklearn', 'skfda') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0

"""`powermon up` from its start to its end: Ctrl-C, kill -9, a start that cannot be, the demo."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from infra.programs import environment
from infra.settings import Settings
from tests.up import ROOT, START_S, RunUp, stacks
from tests.waiting import until


@pytest.fixture(scope="module")
def run_up(make_settings: Callable[..., Settings]) -> Iterator[RunUp]:
    """Starts stacks of a test's own, each ended at the end."""
    with stacks(make_settings) as run:
        yield run


def test_ctrl_c_ends_everything_and_a_second_start_finds_the_data(run_up: RunUp, make_settings: Callable[..., Settings]) -> None:
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


def test_ctrl_c_during_the_start_ends_it(run_up: RunUp) -> None:
    up = run_up()
    until(lambda: "starting registry" in up.text(), "half of the start", START_S)
    assert up.end() == 0
    assert up.pids() == []


def test_a_configured_part_that_does_not_answer_is_named(
    run_up: RunUp, make_settings: Callable[..., Settings], free_port: Callable[[], int]
) -> None:
    up = run_up(make_settings(kafka_bootstrap=f"127.0.0.1:{free_port()}"))
    assert up.process.wait(60) == 1
    assert "correct POWERMON_KAFKA_BOOTSTRAP" in up.text()
    assert up.pids() == []


def test_the_demo_signs_a_browser_in_and_has_a_linky(run_up: RunUp) -> None:
    up = run_up(None, "--demo", "--sensors", "2", "--no-history").wait_up()
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

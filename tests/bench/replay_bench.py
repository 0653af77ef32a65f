"""A replay of everything, from the log to the last row in ClickHouse, compared with the live minutes."""

import json
import os
import subprocess
import sys
import time
from typing import Any

from infra import accounts
from infra.programs import environment
from infra.settings import Settings
from tests.bench.worker_bench import ROOT
from tests.roles import role, running
from tests.stack import settled
from tests.waiting import until

NAME = "bench"
SETTLE_S = 600


def measure(settings: Settings) -> dict[str, Any]:
    """Replay the log of a stack whose broker and registry run, beside a live worker and a store that have nothing to do.

    Returns:
        the command's own summary with `fold_per_s`, readings a second between the first and the last that is folded, as the
        worker's figure counts them; `whole_per_s`, those of the whole command, from its start to the last row in ClickHouse;
        `wrong`: how the minutes differ from the live ones, None when they do not.
    """
    accounts.welcome(settings)
    with running(role(settings, "worker"), role(settings, "store")):
        until(lambda: settled(settings), "the live minutes and raw", SETTLE_S)
        began = time.monotonic()
        found = _replay(settings)
        seconds = time.monotonic() - began
        diff = _replay(settings, "--diff")["diff"]
    right = diff["minutes"] and not diff["differing"] and found["complete"]
    found["wrong"] = None if right else f"of {diff['minutes']} minutes {diff['differing']} differ from the live ones"
    found["fold_per_s"] = found["readings_per_s"]
    found["whole_per_s"] = found["readings"] / seconds
    return found


def _replay(settings: Settings, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "infra.cli", "replay", "--into", NAME, *options, "--json"]
    env = {**os.environ, **environment(settings)}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found

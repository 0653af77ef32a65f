"""A replay of everything, from the log to the last row in ClickHouse, compared with the live minutes."""

import json
import os
import subprocess
import sys
from typing import Any

from infra import accounts
from infra.programs import environment
from infra.settings import Settings
from tests.bench.worker_bench import ROOT
from tests.roles import role, running
from tests.stack import settled
from tests.waiting import until

NAME = "bench"
SETTLE_S = 180


def measure(settings: Settings) -> dict[str, Any]:
    """Replay the log of a stack whose broker and registry run.

    Returns:
        the command's own summary with `fold_per_s` and `whole_per_s`, readings a second until the last is folded and until
        its minute is stored; `wrong`: how the minutes differ from the live ones, None when they do not.
    """
    accounts.welcome(settings)
    with running(role(settings, "worker"), role(settings, "store")):
        until(lambda: settled(settings), "the live minutes and raw", SETTLE_S)
        command = [sys.executable, "-m", "infra.cli", "replay", "--into", NAME, "--diff", "--json"]
        env = {**os.environ, **environment(settings)}
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    diff = found["diff"]
    right = diff["minutes"] and not diff["differing"] and found["complete"]
    found["wrong"] = None if right else f"of {diff['minutes']} minutes {diff['differing']} differ from the live ones"
    found["fold_per_s"] = found["readings"] / found["fold_s"]
    found["whole_per_s"] = found["readings"] / found["seconds"]
    return found

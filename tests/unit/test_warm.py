"""What the worker compiles before it begins."""

import subprocess
import sys

ASKED = """
from numba.core.registry import CPUDispatcher
from schemas import kernels, tic_kernels
from streams import warm
from streams.core import minute
from streams.core.anomaly import seconds
warm.warm()
entered = [kernels.records, kernels.readings, kernels.figures]
entered += [tic_kernels.frames, tic_kernels.groups, tic_kernels.statuses, tic_kernels.scatter]
entered += [minute._count, minute._find, seconds.judge, seconds.pass_time]
print([one.__name__ for one in entered if isinstance(one, CPUDispatcher) and len(one.signatures) != 1])
"""


def test_each_loop_of_the_worker_is_ready_for_one_kind_of_arguments() -> None:
    found = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout.strip() == "[]"

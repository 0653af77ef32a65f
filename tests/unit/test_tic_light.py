"""What a small machine must load for the reader of a meter."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("numpy", "numba", "faust", "aiokafka", "pyarrow", "chdb", "bokeh")


def test_the_reader_loads_nothing_heavy() -> None:
    """Neither to decode and spool, nor to deliver, by either way."""
    script = (
        "import sys\n"
        "import producers.tic.service, producers.tic.delivery_kafka, producers.tic.delivery_https\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

"""Where the worker's time goes: a flame graph, and the shares of its steps.

python -m tests.bench.flame FILE.svg [READINGS]      (needs the right to trace a process: root, or ptrace_scope 0)
"""

import asyncio
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from infra import child
from infra.embedded import http_problem
from infra.programs import environment
from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from streams.app import GROUP
from tests.bench import feed, stack, worker_bench
from tests.waiting import until

RATE_HZ = 200
STEPS = {
    "fetching: aiokafka": ("_proc_fetch_request", "aiokafka/", "streams/frames.py", "_read"),
    "records out of bytes": ("recordbatch.py",),
    "Avro to columns": ("schemas/reading_decoder.py", "schemas/columns.py", "schemas/names.py"),
    "seconds to figures": ("schemas/figures.py",),
    "folding into minutes": ("streams/core/",),
    "minutes to Avro": ("schemas/power_minute.py",),
    "publishing": ("infra/publish.py",),
    "health and metrics": ("infra/health.py", "aiohttp/"),
    "waiting": ("select (selectors.py",),
    "Faust": ("faust/", "mode/"),
}
"""A sample belongs to the first of these that a frame of it names, looked at from the innermost frame outwards."""


def record(settings: Settings, total: int, out: Path, form: str) -> None:
    """Let a worker fold the topic from its beginning, with a sampler beside it."""
    worker_bench.forget(settings, GROUP)
    log = settings.data / "logs" / "flame.log"
    worker = child.spawn([sys.executable, "-m", "infra.cli", "worker"], log, environment(settings), worker_bench.ROOT)
    try:
        until(lambda: http_problem("worker", f"http://127.0.0.1:{settings.worker_port}/healthz") is None, "the worker answers")
        command = [
            str(Path(sys.executable).with_name("py-spy")),
            "record",
            "--pid",
            str(worker.pid),
            "--rate",
            str(RATE_HZ),
            "--format",
            form,
            "--output",
            str(out),
        ]
        sampler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        worker_bench.watch([worker], [settings.worker_port], total)
        asyncio.run(worker_bench.wait_committed(settings))
    finally:
        child.stop(worker, 15)
    _, said = sampler.communicate(timeout=60)
    assert out.exists(), said.decode()
    out.write_text(out.read_text().replace(" ".join(command), "powermon worker"))


def shares(raw: str) -> Counter[str]:
    """Samples by step, out of py-spy's raw format (frames from the outermost to the innermost, and a count)."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        stack_text, _, count = line.rpartition(" ")
        frames = stack_text.split(";")
        if "importlib" in stack_text:
            continue  # still starting
        found[_step(frames)] += int(count)
    return found


def _step(frames: list[str]) -> str:
    for frame in reversed(frames):
        for step, marks in STEPS.items():
            if any(mark in frame for mark in marks):
                return step
    return "the rest"


def main() -> None:
    out, size = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    readings = feed.plan(size, stack.PARTITIONS)
    with stack.log_and_registry() as (settings, _), tempfile.TemporaryDirectory() as folder:
        feed.fill(settings.kafka, Registry(settings.registry, settings.schema_cache).id_of(topics.READINGS), readings)
        record(settings, len(readings), out, "flamegraph")
        raw = Path(folder, "raw.txt")
        record(settings, len(readings), raw, "raw")
        found = shares(raw.read_text())
    for step, count in found.most_common():
        print(f"{count / found.total():6.1%}  {step}")


if __name__ == "__main__":
    main()

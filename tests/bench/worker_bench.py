"""The worker beside other engines that do the same job on the same topic: readings in, exact minutes out."""

import asyncio
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from infra import child
from infra.programs import environment
from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from streams.app import GROUP
from streams.core.window import Position
from tests.bench import outputs
from tests.bench.feed import Feed
from tests.bench.kafka_streams import build

ROOT = Path(__file__).parents[2]
OURS = "powermon worker"
RULES = "powermon worker, every anomaly rule on"
STREAMS = "Kafka Streams, 2 threads"
FAUST = "Faust, an agent per event"
QUIX = "Quix Streams"
BARE = "bare confluent-kafka loop"
PYTHON_ENGINES = {FAUST: ("faust_events", 60_000), QUIX: ("quix", 150_000), BARE: ("bare", 150_000)}
"""Module of tests/bench/engines, and how many messages it is given: a single one at a time takes long."""

ROUNDS = 3
_COUNT = "powermon_worker_readings_total"
POLL_S = 0.05
LONG_S = 300.0

Mark = tuple[float, float, int]
"""Monotonic time, CPU seconds used by then, messages taken by then."""


@dataclass(frozen=True, slots=True)
class Run:
    """One engine's pass over the topic.

    Attributes:
        per_s: messages a second between the first and the last that was folded.
        late_half_per_s: the same over the second half.
        per_cpu_s: messages per CPU second of the engine's processes, those read twice in a rebalance counted twice.
        published_per_s: from the first fold until the last minute was acknowledged.
        wrong: how its minutes differ from what they must be; None when they do not.
    """

    name: str
    messages: int
    per_s: float
    late_half_per_s: float
    per_cpu_s: float
    published_per_s: float
    memory_mb: int
    upserts: int
    wrong: str | None


def summary(name: str, marks: Sequence[Mark], published_at: float, memory_mb: int, upserts: int, wrong: str | None) -> Run:
    first, last = marks[0], marks[-1]
    middle = min(marks, key=lambda mark: abs(mark[2] - (first[2] + last[2]) / 2))

    def rate(a: Mark, b: Mark) -> float:
        return (b[2] - a[2]) / (b[0] - a[0])

    return Run(
        name,
        last[2],
        rate(first, last),
        rate(middle, last),
        (last[2] - first[2]) / max(last[1] - first[1], 0.01),
        last[2] / (published_at - first[0]),
        memory_mb,
        upserts,
        wrong,
    )


def median(runs: Sequence[Run]) -> Run:
    """Figure by figure; wrong if one was."""
    first = runs[0]
    figures = {
        name: statistics.median(getattr(run, name) for run in runs)
        for name in ("per_s", "late_half_per_s", "per_cpu_s", "published_per_s", "upserts")
    }
    memory_mb = max(run.memory_mb for run in runs)
    return Run(
        first.name,
        first.messages,
        memory_mb=memory_mb,
        wrong=next((run.wrong for run in runs if run.wrong), None),
        **figures,
    )


def measure(settings: Settings, feed: Feed, scratch: Path, rounds: int = ROUNDS) -> dict[str, Run]:
    """Every engine on the topic of `feed`; ours and the one of the JVM in turns, the median of `rounds`.

    Args:
        settings: of the broker whose `sensor.readings` holds the feed, and of its registry.
        scratch: an empty folder.
    """
    streams = build.command(scratch)
    pairs: dict[str, list[Run]] = {OURS: [], STREAMS: []}
    for _ in range(rounds):
        pairs[OURS].append(ours(settings, feed, scratch))
        if streams is not None:
            pairs[STREAMS].append(other(STREAMS, streams, settings, feed, len(feed)))
    found = {name: median(runs) for name, runs in pairs.items() if runs}
    found[RULES] = ours(settings, feed, scratch, rules=True)
    for name, (module, messages) in PYTHON_ENGINES.items():
        command = [sys.executable, "-m", f"tests.bench.engines.{module}"]
        found[name] = other(name, command, settings, feed, min(messages, len(feed)))
    return found


# ---- ours


def ours(settings: Settings, feed: Feed, logs: Path, workers: int = 1, *, rules: bool = False) -> Run:
    """Workers' own processes, one group, over the whole topic; readings are counted from when all of them fold.

    Args:
        logs: a folder for what they print.
        rules: whether they look for anomalies too, as no other engine here does.
    """
    forget(settings, GROUP)
    start = outputs.ends(settings.kafka, topics.MINUTES.name)
    others = {topic: outputs.ends(settings.kafka, topic.name) for topic in (topics.LATE, topics.DEAD_LETTERS)}
    ports = [settings.worker_port + 10 * k for k in range(workers)]
    processes = [
        child.spawn(
            [sys.executable, "-m", "infra.cli", "worker"],
            logs / f"worker-{port}.log",
            environment(settings.model_copy(update={"worker_port": port, "anomalies": rules})),
            ROOT,
        )
        for port in ports
    ]
    try:
        marks = watch(processes, ports, len(feed))
        published_at = asyncio.run(wait_committed(settings))
        peak_mb = sum(memory_mb(process.pid, "VmHWM") for process in processes)
    finally:
        for process in processes:
            child.stop(process, 15)
    found, upserts = outputs.minutes(settings.kafka, topics.MINUTES.name, start)
    wrong = outputs.difference(found, feed.everything)
    for topic, before in others.items():
        if outputs.ends(settings.kafka, topic.name) != before:
            wrong = f"something was sent to {topic.name}"
    name = OURS if workers == 1 else f"{OURS}, {workers} processes"
    return summary(name, marks, published_at, peak_mb, upserts, wrong)


def watch(processes: Sequence[subprocess.Popen[bytes]], ports: Sequence[int], total: int) -> list[Mark]:
    """Ask workers how far they are until they have folded everything; the first mark is when each has begun."""
    marks: list[Mark] = []
    deadline = time.monotonic() + LONG_S
    with contextlib.ExitStack() as open_:
        doors = [open_.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10))) for port in ports]
        while time.monotonic() < deadline:
            assert all(process.poll() is None for process in processes), "a worker ended"
            time.sleep(POLL_S)
            counts = [_folded(door) for door in doors]
            if (marks or min(counts) > 0) and sum(counts) > (marks[-1][2] if marks else 0):
                marks.append((time.monotonic(), sum(cpu_s(process.pid) for process in processes), sum(counts)))
            if sum(counts) >= total:
                return marks
    raise AssertionError(f"the workers folded {marks[-1][2] if marks else 0} of {total} readings")


def _folded(connection: http.client.HTTPConnection) -> int:
    """How many readings a worker has folded; 0 as long as it does not answer."""
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except OSError:
        connection.close()
        return 0
    return next(int(float(line.split()[1])) for line in text.splitlines() if line.startswith(_COUNT))


async def wait_committed(settings: Settings) -> float:
    """When the group's commit says that everything was folded and is published."""
    ends = outputs.ends(settings.kafka, topics.READINGS.name)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            found = await admin.list_consumer_group_offsets(GROUP)
            if {tp.partition: Position.parse(*one).next_offset for tp, one in found.items()} == ends:
                return time.monotonic()
            await asyncio.sleep(POLL_S)
    finally:
        await admin.close()
    raise AssertionError("the worker did not commit the end of the topic")


# ---- others


def other(name: str, command: list[str], settings: Settings, feed: Feed, total: int) -> Run:
    """An engine of tests/bench/engines, over the first `total` messages that it reads."""
    short = name.partition(",")[0].replace(" ", "-").lower()
    group, out = f"bench-{short}-{os.getpid()}-{time.monotonic_ns()}", f"bench.minutes.{short}.{time.monotonic_ns()}"
    admin = AdminClient({"bootstrap.servers": settings.kafka})
    admin.create_topics([NewTopic(out, feed.partitions, 1)])[out].result()
    minutes_id = Registry(settings.registry, settings.schema_cache).id_of(topics.MINUTES)
    arguments = [settings.kafka, group, out, str(minutes_id), str(total)]
    run = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=LONG_S, check=False)
    assert run.returncode == 0, f"{name}: {run.stderr[-2000:]}"
    report: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    prefix = {int(p): n for p, n in report["prefix"].items()}
    assert sum(prefix.values()) == total, f"{name} took {prefix}"
    found, upserts = outputs.minutes(settings.kafka, out, {})
    admin.delete_topics([out])[out].result()
    wrong = outputs.difference(found, feed.expected(prefix))
    marks = [(at, cpu, count) for at, cpu, count in report["marks"]]
    return summary(name, marks, report["published_at"], report["memory_mb"], upserts, wrong)


# ---- processes and groups


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, what: str = "VmRSS") -> int:
    """Memory of a process: VmRSS now, VmHWM at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what + ":")) // 1024


def forget(settings: Settings, group: str) -> None:
    """Let a group begin anew."""
    admin = AdminClient({"bootstrap.servers": settings.kafka})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            admin.delete_consumer_groups([group])[group].result()
            return
        except KafkaException as error:
            problem = error.args[0]
        if problem.name() == "GROUP_ID_NOT_FOUND":
            return
        time.sleep(0.2)  # its last member is still known
    raise AssertionError(f"the group {group} stays: {problem}")

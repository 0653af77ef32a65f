"""A whole stack under sensors that post each second: how long until a second can be queried, and what memory does."""

import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from infra import child
from infra.operator_tokens import operator_tokens
from infra.programs import environment
from infra.settings import Settings
from schemas import topics
from tests.bench import load
from tests.bench.worker_bench import ROOT, cpu_s, memory_mb
from tests.waiting import until

SENSORS = 1_000
TRACKED_EVERY = 25
"""Every so manyth sensor's seconds are looked for in ClickHouse."""

WARM_S = 10.0
POLL_S = 0.03
START_S = 120.0
END_S = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen.

    Attributes:
        answer_ms, queryable_ms: percentiles (50, 95, 99) from the moment a POST was due.
        memory_mb: by process, when measuring began and when it ended.
        wrong: what is not as it must be, None when all is.
    """

    sensors: int
    seconds: float
    acknowledged: int
    tracked: int
    answer_ms: tuple[float, float, float]
    queryable_ms: tuple[float, float, float]
    memory_mb: dict[str, tuple[int, int]]
    cpu_share: dict[str, float]
    load_cpu_share: float
    wrong: str | None


def measure(settings: Settings, scratch: Path, seconds: float, sensors: int = SENSORS) -> Found:
    """Start a stack, let sensors post for so many seconds after a warm-up, and look.

    Args:
        settings: of a stack that does not exist yet.
    """
    with a_stack(settings, scratch), closing(Sql(settings)) as ask:
        tokens = asyncio.run(tokens_of(settings, [f"load{k:06d}" for k in range(sensors)]))
        tokens_file, report_file = scratch / "tokens.json", scratch / "report.json"
        tokens_file.write_text(json.dumps(tokens))
        tracked = list(tokens)[::TRACKED_EVERY]
        arguments = [str(settings.gateway_port), str(tokens_file), str(WARM_S + seconds), str(report_file)]
        process = child.spawn([sys.executable, "-m", "tests.bench.load", *arguments], scratch / "load.log", cwd=ROOT)
        try:
            begin = time.monotonic() + WARM_S
            seen = look(ask, tracked, process, [begin])
            before, after = seen.usage[0], _usage(settings)
            assert process.wait(60) == 0, child.tail(scratch / "load.log")
        finally:
            child.stop(process, 5)
        report: dict[str, Any] = json.loads(report_file.read_text())
        wrong = check(ask, list(tokens), report)
    queryable, answers = [], []
    for name in tracked:
        for second, due_at in report["due_at"][name].items():
            if due_at < begin:
                continue
            answers.append(report["answered_at"][name][second] - due_at)
            if (name, int(second)) in seen.visible_at:
                queryable.append(seen.visible_at[name, int(second)] - due_at)
            elif due_at < seen.ended_at - 5:
                wrong = wrong or f"{name} at {second} did not become visible within 5 s"
    return Found(
        sensors,
        seconds,
        sum(map(len, report["answered_at"].values())),
        len(queryable),
        percentiles_ms(answers),
        percentiles_ms(queryable),
        {name: (memory, after[name][0]) for name, (memory, _) in before.items()},
        {name: (after[name][1] - cpu) / (seen.ended_at - begin) for name, (_, cpu) in before.items()},
        report["cpu_share"],
        wrong or next(iter(report["wrong"]), None),
    )


@contextmanager
def a_stack(settings: Settings, scratch: Path) -> Iterator[None]:
    """`powermon up`, ended with the block."""
    screen = scratch / "up.log"
    command = [sys.executable, "-m", "infra.cli", "up", "--data", str(settings.data)]
    process = child.spawn(command, screen, environment(settings), ROOT)
    try:
        until(
            lambda: "Everything runs" in screen.read_text() or process.poll() is not None,
            "the stack is up",
            START_S,
        )
        assert process.poll() is None, screen.read_text()
        yield
    finally:
        assert child.stop(process, END_S), "the stack did not end by itself"


async def tokens_of(settings: Settings, names: list[str]) -> dict[str, str]:
    async with operator_tokens(settings, "bench") as token_for:
        gate = asyncio.Semaphore(64)

        async def one(name: str) -> str:
            async with gate:
                return await token_for(name)

        return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


class Sql:
    """Queries over the web server, on one connection."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._headers = {
            "Authorization": f"Bearer {settings.operator_token.read_text().strip()}",
            "Content-Type": "application/json",
        }
        self._connection = http.client.HTTPConnection("127.0.0.1", settings.web_port, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def rows(self, query: str) -> list[list[Any]]:
        body = json.dumps({"sql": query, "format": "JSONCompactEachRow"})
        self._connection.request("POST", "/api/v1/sql", body, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text[:500]
        return [json.loads(line) for line in text.splitlines()]


@dataclass(slots=True)
class Seen:
    """What was seen while the load ran.

    Attributes:
        visible_at: by sensor and second: monotonic time at which it could be queried.
        usage: memory (MB) and CPU seconds by process, at each mark.
        stored: likewise what `stored` says.
    """

    visible_at: dict[tuple[str, int], float]
    usage: list[dict[str, tuple[int, float]]]
    stored: list[tuple[float, float]]
    ended_at: float


def look(ask: Sql, tracked: list[str], load_process: subprocess.Popen[bytes], marks: list[float], rest_s: float = POLL_S) -> Seen:
    """Ask for the newest second of each tracked sensor, again and again, until the load ends.

    Args:
        marks: monotonic times at which the use of memory and CPU is noted.
        rest_s: between an answer and the next question.
    """
    names = ", ".join(f"'{name}'" for name in tracked)
    query = (
        f"SELECT sensor_id, max(timestamp) FROM readings WHERE sensor_id IN ({names}) AND second > now() - 120 GROUP BY sensor_id"
    )
    newest: dict[str, int] = {}
    seen = Seen({}, [], [], marks[0])
    while load_process.poll() is None:
        if len(seen.usage) < len(marks) and time.monotonic() >= marks[len(seen.usage)]:
            seen.usage.append(_usage(ask.settings))
            seen.stored.append(stored(ask.settings))
        for name, text in ask.rows(query):
            now, second = time.monotonic(), int(text)
            for one in range(newest.get(name, second - 1) + 1, second + 1):
                seen.visible_at[name, one] = now
            newest[name] = second
        seen.ended_at = time.monotonic()
        time.sleep(rest_s)
    return seen


def _usage(settings: Settings) -> dict[str, tuple[int, float]]:
    """Memory (MB) and CPU seconds of each process of the stack."""
    return {name: (memory_mb(one["pid"]), cpu_s(one["pid"])) for name, one in listed(settings).items()}


def stored(settings: Settings) -> tuple[float, float]:
    """What the sink says of readings: batches, and of their oldest messages the seconds from the log until queryable, summed."""
    with urllib.request.urlopen(f"{settings.web}/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    delays = next(one for one in families if one.name == "powermon_sink_delay_seconds")
    found = {
        one.name: one.value for one in delays.samples if one.labels["topic"] == topics.READINGS.name and "le" not in one.labels
    }
    return found["powermon_sink_delay_seconds_count"], found["powermon_sink_delay_seconds_sum"]


def listed(settings: Settings) -> dict[str, dict[str, int]]:
    """The processes of a stack that runs."""
    found: dict[str, dict[str, int]] = json.loads((settings.data / "processes.json").read_text())["processes"]
    return found


def check(ask: Sql, names: list[str], report: dict[str, Any], *, since_s: int = 0) -> str | None:
    """Whether every acknowledged second is stored once, with its samples, and counts once in its minute.

    Args:
        since_s: minutes before were there already.
    """
    powers = [sum(sum(probe["power"]) for probe in data) for data in load.variants()]
    acknowledged = power = 0
    for index, name in enumerate(names):
        answered = report["answered_at"][name]
        acknowledged += len(answered)
        power += sum(powers[load.variant_of(index, int(second))] for second in answered)
    wanted = [3 * acknowledged, 3 * acknowledged, power]
    stored = (
        "SELECT count(), uniqExact(sensor_id, second, probe), sum(arraySum(power)) FROM readings_raw WHERE sensor_id LIKE 'load%'"
    )
    counted = f"SELECT sum(seconds) FROM minutes WHERE sensor_id LIKE 'load%' AND minute >= toDateTime({since_s})"
    found: list[list[Any]] = []
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline:
        found = [[int(value) for value in row] for row in ask.rows(stored) + ask.rows(counted)]
        if found == [wanted, [3 * acknowledged]]:
            return None
        time.sleep(0.5)
    return f"rows, distinct rows, sum of power, and seconds in minutes are {found}; expected {wanted} and {3 * acknowledged}"


def percentiles_ms(times_s: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(times_s, n=100)
    return cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000

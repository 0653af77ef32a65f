"""`make bench`: everything measured side by side in one run, each result checked to be right.

A figure that is not reached fails nothing: the table says so. A wrong result fails.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from schemas import topics
from schemas.registry import Registry
from tests.bench import (
    anomaly_bench,
    catalog_bench,
    energy_bench,
    feed,
    gateway_bench,
    latency_bench,
    neighbours_bench,
    page_loads,
    pages_bench,
    replay_bench,
    sink_bench,
    stack,
    tic_bench,
    websocket_bench,
    worker_bench,
)
from tests.bench.report import Report
from tests.bench.worker_bench import BARE, FAUST, OURS, QUIX, RULES, STREAMS, Run

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

READINGS = int(os.environ.get("POWERMON_BENCH_SIZE", "1000000"))
FLEET = int(os.environ.get("POWERMON_BENCH_FLEET", "1000"))
SOAK_S = float(os.environ.get("POWERMON_BENCH_SOAK", "60"))
REPLAYED = 4
"""Times the readings, for the replay."""
BATCHES_PER_S = 20_000
"""Stored seconds that one core of a gateway should take."""
SENSORS = 100_000
"""Of the catalog, with two tokens each."""

START_S = 2.0
"""A process that finds a snapshot should know the catalog within this."""

QUERYABLE_MS = 1000
"""99 of 100 seconds should be queryable within this."""

REACH = {FAUST: 40.0, QUIX: 9.0, BARE: None, STREAMS: 2.0}
REACH_PER_CPU_SECOND = 3.0


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    """Gathers the figures; shown and written once everything is measured."""
    gathered = Report()
    yield gathered
    console = Console(width=max(120, Console().width))
    console.print()
    gathered.show(console)
    console.print(f"written to {gathered.write()}")


def test_sink(report: Report) -> None:
    found = sink_bench.measure()
    report.figures["sink"] = found
    rates = f"{found['sink_rows_per_s']:,.0f}/s", f"{found['file_rows_per_s']:,.0f}/s"
    report.add("sink: rows, beside ClickHouse reading an Avro file", *rates, found["ratio"], 0.6, None)


def test_linky(report: Report) -> None:
    report.figures["tic"] = [tic_bench.measure(kind) for kind in ("std_mono_hchp", "std_tri_tempo", "hist_mono_hc")]


def test_gateway(report: Report) -> None:
    found = gateway_bench.measure()
    report.figures["gateway"] = found
    rates = f"{found['gateway_per_s']:,}/s", f"{found['bare_per_s']:,}/s"
    report.add("gateway: 202s, beside a bare aiohttp handler", *rates, found["ratio"], 0.6, None)
    costs = f"{found['gateway_cpu_us']} µs", f"{found['bare_cpu_us']} µs"
    report.add("gateway: CPU of a request", *costs, found["ratio_per_cpu"], None, None)


def test_batches(report: Report) -> None:
    found = gateway_bench.measure_batches()
    report.figures["batches"] = found
    for kind in ("plain", "gzip"):
        rate = found[f"{kind}_per_s"]
        what = f"gateway: stored seconds of {kind} batches, one core"
        report.add(what, f"{rate:,}/s", f"{BATCHES_PER_S:,}/s", rate / BATCHES_PER_S, 1.0, None)


def test_neighbours(report: Report) -> None:
    found = neighbours_bench.measure()
    report.figures["neighbours"] = found
    quiet = found.pop("quiet")
    for kind, one in found.items():
        what = f"gateway: 99 of 100 posts answered within, while large batches come ({kind}), beside no batches"
        report.add(what, f"{one['p99_ms']} ms", f"{quiet['p99_ms']} ms", quiet["p99_ms"] / one["p99_ms"], 0.5, None)


def test_catalog(report: Report) -> None:
    found = catalog_bench.measure(SENSORS)
    report.figures["catalog"] = found
    whole, kept, wrong = found["whole"], found["snapshot"], found["wrong"]
    what = f"catalog: a start, {found['sensors']:,} sensors with tokens, beside reading the whole log"
    times = f"{kept['ready_s']:.1f} s", f"{whole['ready_s']:.1f} s"
    report.add(what, *times, whole["ready_s"] / kept["ready_s"], None, wrong)
    report.add("catalog: the same, to reach", times[0], f"{START_S:.0f} s", START_S / kept["ready_s"], 1.0, wrong)
    memory = f"{kept['memory_mb']:.0f} MB", f"{whole['memory_mb']:.0f} MB"
    report.add("catalog: memory after it", *memory, whole["memory_mb"] / kept["memory_mb"], None, wrong)
    held, calm = (max(run[name][0] for run in (whole, kept)) for name in ("write_held_ms", "calm_ms"))
    what = "catalog: the event loop held while a snapshot is written, beside a loop that does nothing"
    report.add(what, f"{held:.1f} ms", f"{calm:.1f} ms", calm / held, None, wrong)
    assert not wrong, wrong


def test_websocket(report: Report) -> None:
    found = websocket_bench.measure()
    report.figures["websocket"] = found
    for in_flight in websocket_bench.IN_FLIGHT:
        one = found[f"in_flight_{in_flight}"]
        for kind, what, reach in (
            ("bare", "a bare aiohttp handler that answers by the id", 0.6),
            ("echo", "an aiohttp echo", None),
        ):
            rates = f"{one['gateway_per_s']:,}/s", f"{one[f'{kind}_per_s']:,}/s"
            report.add(f"WebSocket: frames, {in_flight} in flight each, beside {what}", *rates, one[f"{kind}_ratio"], reach, None)
            costs = f"{one['gateway_cpu_us']} µs", f"{one[f'{kind}_cpu_us']} µs"
            report.add("WebSocket: CPU of a frame", *costs, one[f"{kind}_ratio_per_cpu"], None, None)
    most, used = websocket_bench.IDLE_MAX_MB, found["idle_mb"]
    report.add(f"WebSocket: memory of {found['idle']:,} idle ones, at most", f"{used} MB", f"{most} MB", most / used, 1.0, None)


def test_worker(report: Report, tmp_path: Path) -> None:
    readings = feed.plan(READINGS, stack.PARTITIONS)
    with stack.log_and_registry() as (settings, broker):
        schema_id = Registry(settings.registry, settings.schema_cache).id_of(topics.READINGS)
        cpu_before_s, began_s = worker_bench.cpu_s(broker), time.monotonic()
        feed.fill(settings.kafka, schema_id, readings)
        log = [file.stat().st_size for file in settings.data.glob(f"kafka/log/{topics.READINGS.name}-*/*.log")]
        report.figures["log"] = {
            "messages": len(readings),
            "filled_per_s": len(readings) / (time.monotonic() - began_s),
            "broker_cpu_us_per_message": (worker_bench.cpu_s(broker) - cpu_before_s) / len(readings) * 1e6,
            "bytes_per_message": sum(log) / len(readings),
        }
        runs = worker_bench.measure(settings, readings, tmp_path)
    report.figures["worker"] = {name: asdict(run) for name, run in runs.items()}
    ours, rules = runs.pop(OURS), runs.pop(RULES)
    beside = runs.get(STREAMS, ours)
    for what, mine, other in (
        ("a second", rules.per_s, beside.per_s),
        ("a CPU second", rules.per_cpu_s, beside.per_cpu_s),
    ):
        figures = f"{mine:,.0f}", f"{other:,.0f}"
        report.add(
            f"worker, every anomaly rule on: readings {what}, beside {beside.name}", *figures, mine / other, 1.0, rules.wrong
        )
    for name, run in runs.items():
        wrong = ours.wrong or run.wrong
        per_s = f"{ours.per_s:,.0f}/s", f"{run.per_s:,.0f}/s"
        report.add(f"worker: readings, beside {name}", *per_s, ours.per_s / run.per_s, REACH[name], wrong)
        if name == STREAMS:
            _jvm(report, ours, run)
    assert not ours.wrong, ours.wrong
    assert not any(run.wrong for run in runs.values()), [run.wrong for run in runs.values()]


def test_anomalies(report: Report) -> None:
    found = anomaly_bench.cost()
    report.figures["anomalies"] = found
    costs = f"{found['with_us']:.2f} µs", f"{found['without_us']:.2f} µs"
    wrong = None if found["anomalies"] else "no anomaly was found"
    what = "decode and fold with every anomaly rule: CPU of a reading, beside without"
    report.add(what, *costs, found["without_us"] / found["with_us"], None, wrong)
    assert not wrong, wrong


def test_replay(report: Report, tmp_path: Path) -> None:
    """On a log that is long enough for a rate, beside the worker on the same log."""
    readings = feed.plan(REPLAYED * READINGS, stack.PARTITIONS)
    with stack.log_and_registry() as (settings, _):
        feed.fill(settings.kafka, Registry(settings.registry, settings.schema_cache).id_of(topics.READINGS), readings)
        worker = worker_bench.ours(settings, readings, tmp_path)
        found = report.figures["replay"] = replay_bench.measure(settings)
    wrong = worker.wrong or found["wrong"]
    for what, rate, reach in (("folded", found["fold_per_s"], 1.0), ("from command to ClickHouse", found["whole_per_s"], 0.5)):
        rates = f"{rate:,.0f}/s", f"{worker.per_s:,.0f}/s"
        report.add(f"replay: readings {what}, beside the worker", *rates, rate / worker.per_s, reach, wrong)
    assert not wrong, wrong


def test_workers_side_by_side(report: Report, tmp_path: Path) -> None:
    """Whether a reading costs the same when two share the work, over many partitions."""
    partitions = 64
    readings = feed.plan(READINGS, partitions)
    with stack.log_and_registry(partitions, join_ms=4000) as (settings, _):
        feed.fill(settings.kafka, Registry(settings.registry, settings.schema_cache).id_of(topics.READINGS), readings)
        one, two = (worker_bench.ours(settings, readings, tmp_path, workers) for workers in (1, 2))
    report.figures["side by side"] = [asdict(run) for run in (one, two)]
    wrong = one.wrong or two.wrong
    rates, costs = ([f"{getattr(run, name):,.0f}" for run in (two, one)] for name in ("per_s", "per_cpu_s"))
    what = f"two workers, {partitions} partitions, beside one on the same machine: readings"
    report.add(f"{what} a second", *rates, two.per_s / one.per_s, None, wrong)
    report.add(f"{what} a CPU second", *costs, two.per_cpu_s / one.per_cpu_s, None, wrong)
    assert not wrong, wrong


def _jvm(report: Report, ours: Run, run: Run) -> None:
    """More of the one that warms up while it runs, and uses both cores."""
    wrong = ours.wrong or run.wrong
    late = f"{ours.late_half_per_s:,.0f}/s", f"{run.late_half_per_s:,.0f}/s"
    report.add("worker: the same, second half of the topic", *late, ours.late_half_per_s / run.late_half_per_s, None, wrong)
    cpu = f"{ours.per_cpu_s:,.0f}", f"{run.per_cpu_s:,.0f}"
    report.add("worker: the same, readings a CPU second", *cpu, ours.per_cpu_s / run.per_cpu_s, REACH_PER_CPU_SECOND, wrong)
    memory = f"{ours.memory_mb} MB", f"{run.memory_mb} MB"
    report.add("worker: memory at most", *memory, run.memory_mb / ours.memory_mb, None, wrong)


def test_energy_queries(report: Report) -> None:
    """A year of one sensor by day, and a month of a fleet by day; the former beside the same from its minutes."""
    found = energy_bench.measure(FLEET)
    report.figures["energy"] = found
    year, fleet, minutes = (found[name]["p95_ms"] for name in energy_bench.QUERIES)
    wrong = "; ".join(found["wrong"]) or None
    beside = "energy, a year of one sensor by day, beside the same from its minutes: p95"
    report.add(beside, f"{year:.0f} ms", f"{minutes:.0f} ms", minutes / year, None, wrong)
    for name, took_ms, most_ms in (("a year of one sensor", year, 100), (f"a month of {FLEET:,} sensors", fleet, 300)):
        report.add(f"energy, {name} by day: p95", f"{took_ms:.0f} ms", f"{most_ms} ms", most_ms / took_ms, 1.0, wrong)
    assert not wrong, wrong


def test_latency(report: Report, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    found = latency_bench.measure(stack.settings_in(tmp_path / "data"), tmp_path, SOAK_S)
    report.figures["latency"] = asdict(found)
    p50, p95, p99 = found.queryable_ms
    what = f"POST to queryable, {found.sensors:,} sensors, {found.seconds:.0f} s: p50 {p50:.0f}, p95 {p95:.0f} ms, p99"
    report.add(what, f"{p99:.0f} ms", f"{QUERYABLE_MS} ms", QUERYABLE_MS / p99, 1.0, found.wrong)
    report.add("POST to 202: p99", f"{found.answer_ms[2]:.0f} ms", f"{p99:.0f} ms", p99 / found.answer_ms[2], None, found.wrong)
    for name, (before, after) in found.memory_mb.items():
        report.add(
            f"memory of {name}: at the end, at the beginning", f"{after} MB", f"{before} MB", before / after, None, found.wrong
        )
    assert not found.wrong, found.wrong


def test_open_pages(report: Report, tmp_path: Path) -> None:
    """What fifty open pages cost the server, and whether the ingest notices."""
    (tmp_path / "data").mkdir()
    found = pages_bench.measure(stack.settings_in(tmp_path / "data"), tmp_path)
    report.figures["pages"] = asdict(found)
    quiet, busy = found.store_share
    what = f"{found.pages} open pages, {found.sensors} sensors: CPU of the server they cost"
    report.add(what, f"{busy - quiet:.2f} cores", "1 core", 1 / max(0.01, busy - quiet), 1.0, found.wrong)
    for name, mine, other in (
        ("POST to queryable", found.busy.queryable_ms, found.quiet.queryable_ms),
        ("POST to 202", found.busy.answer_ms, found.quiet.answer_ms),
    ):
        what = f"{name} with {found.pages} open pages: p50 {mine[0]:.0f}, p99 {mine[2]:.0f} ms, beside none: p50"
        report.add(what, f"{mine[0]:.0f} ms", f"{other[0]:.0f} ms", other[0] / mine[0], None, found.wrong)
    what, stored_ms = "log to table, the oldest of a batch, beside no open pages", found.busy.stored_ms
    report.add(
        what, f"{stored_ms:.0f} ms", f"{found.quiet.stored_ms:.0f} ms", found.quiet.stored_ms / stored_ms, None, found.wrong
    )
    what, rate = "samples a second on the live page that got the fewest, beside those measured", found.samples_per_s
    report.add(what, f"{rate:.1f}", "20", rate / 20, None, found.wrong)
    for path, took_ms in found.load_ms.items():
        report.add(f"{path}: until its HTML is there", f"{took_ms:.0f} ms", "1000 ms", 1000 / took_ms, None, found.wrong)
    assert not found.wrong, found.wrong


def test_page_loads(report: Report, tmp_path: Path) -> None:
    """How long one person waits for each page, in a real Chromium beside everything else on this machine."""
    (tmp_path / "data").mkdir()
    found = page_loads.measure(stack.settings_in(tmp_path / "data"), tmp_path)
    report.figures["page_loads"] = {path: [asdict(one) for one in waited] for path, waited in found.items()}
    for path, (first, again) in found.items():
        what = f"{path.replace('sensor=load000000', 'sensor')}: loaded; drawn in {first.drawn_ms:.0f} ms; the second time"
        what += f" {again.loaded_ms:.0f} and {again.drawn_ms:.0f} ms"
        report.add(what, f"{first.loaded_ms:.0f} ms", "1000 ms", 1000 / first.loaded_ms, 1.0, first.wrong)
    assert not any(first.wrong for first, _ in found.values()), [first.wrong for first, _ in found.values() if first.wrong]

"""The golden hour through the whole product, as its user would send it: exact, also sent twice, also through kill -9."""

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from infra import child
from infra.settings import Settings
from schemas.sensor_reading import ProbeSecond, SensorReading
from schemas.units import MWS_PER_KWH
from tests.builders import oracle
from tests.stack import Rows, Stack
from tests.waiting import until

GOLDEN = Path(__file__).parents[1] / "golden" / "sensor_hour"
POSTS = GOLDEN / "posts.ndjson.gz"
TRUTH: dict[str, Any] = json.loads((GOLDEN / "truth.json").read_text())

FIGURES = (
    "SELECT sensor_id, toUnixTimestamp(minute) AS minute, probe, seconds, samples, energy_mws, power_mean_mw, power_min_mw, "
    "power_max_mw, pf_mean_pct, voltage_min_mv, voltage_max_mv, version FROM minutes ORDER BY sensor_id, minute, probe"
)


@pytest.fixture
def stack(make_settings: Callable[..., Settings], java_parts: None, tmp_path: Path) -> Iterator[Stack]:
    running = Stack(make_settings(rebuild_interval_s=1), tmp_path)
    yield running
    running.stop()


def posts() -> list[SensorReading]:
    with gzip.open(POSTS, "rt") as lines:
        return [_reading(json.loads(line)) for line in lines]


def _reading(post: dict[str, Any]) -> SensorReading:
    def volts(v: int | list[int]) -> list[int]:
        return v if isinstance(v, list) else [v]

    probes = [ProbeSecond(p["probe_id"], p["probe_type"], p["power"], p["pf"], volts(p["voltage"])) for p in post["data"]]
    return SensorReading(post["sensor_id"], post["timestamp"], 0, post["version"], probes)


def expected() -> dict[tuple[str, int, int], tuple[int, ...]]:
    """Integers of every sensor-minute and probe, straight from the posts."""
    return {
        key: (
            int(str(row["seconds_mask"])).bit_count(),
            int(str(row["samples"])),
            round(Fraction(str(row["energy"]))),
            int(str(row["power_min_mw"])),
            int(str(row["power_max_mw"])),
            int(str(row["voltage_min_mv"])),
            int(str(row["voltage_max_mv"])),
        )
        for key, row in oracle(posts()).items()
    }


def found(rows: Rows) -> dict[tuple[str, int, int], tuple[int, ...]]:
    names = ("seconds", "samples", "energy_mws", "power_min_mw", "power_max_mw", "voltage_min_mv", "voltage_max_mv")
    return {(r["sensor_id"], int(r["minute"]), int(r["probe"])): tuple(int(r[name]) for name in names) for r in rows}


def agree_with_truth(rows: Rows) -> None:
    """Hold the rows to the file that came with the hour."""
    table = {(r["sensor_id"], int(r["minute"]), str(r["probe"])): r for r in rows}
    for minute in TRUTH["minutes"]:
        for probe, phase in minute["phases"].items():
            row = table[minute["sensor_id"], minute["minute"], probe]
            assert int(row["seconds"]) == minute["seconds"]
            assert int(row["samples"]) == phase["samples"]
            assert int(row["energy_mws"]) == pytest.approx(phase["energy_kwh"] * MWS_PER_KWH, abs=1)
            assert row["power_mean_mw"] == pytest.approx(phase["power_mean_w"] * 1000, rel=1e-9)
            assert row["pf_mean_pct"] == pytest.approx(phase["pf_mean"], rel=1e-9)
            assert int(row["power_min_mw"]) == round(phase["power_min_w"] * 1000)
            assert int(row["voltage_min_mv"]) == round(phase["voltage_min_v"] * 1000)
    for sensor, phases in TRUTH["day_energy_kwh"].items():
        total = sum(int(r["energy_mws"]) for r in rows if r["sensor_id"] == sensor)
        assert total == pytest.approx(phases["total"] * MWS_PER_KWH, rel=1e-9)


def test_the_golden_hour_is_exact_twice_and_through_kills(stack: Stack) -> None:
    truth, raw = expected(), TRUTH["expected_raw"]

    report = json.loads(stack.run("ingest", str(POSTS), "--token-for-all", "--json"))
    assert report["lines"] == TRUTH["lines"]
    assert report["accepted"] == TRUTH["lines"]
    stack.kill("worker")
    until(lambda: found(stack.rows(FIGURES)) == truth, "every minute exact", 120)
    rows = stack.rows(FIGURES)
    agree_with_truth(rows)
    counts = "SELECT count() AS n, uniqExact(sensor_id, second) AS seconds, sum(length(power)) AS samples FROM readings"
    (count,) = stack.rows(counts)
    assert [int(count[k]) for k in ("n", "seconds", "samples")] == [raw["probe_seconds"], raw["seconds"], raw["samples"]]

    # The whole hour again, with a kill of the store and the worker in the middle: nothing changes, not even a version.
    second = child.spawn(
        [sys.executable, "-m", "infra.cli", "ingest", str(POSTS), "--token-for-all"], stack.log.with_name("ingest.log"), stack.env
    )
    stack.kill("store")
    stack.kill("worker")
    assert second.wait(180) == 0
    stack.wait_settled()
    assert stack.rows(FIGURES) == rows
    (count,) = stack.rows(counts)
    assert int(count["n"]) == raw["probe_seconds"]

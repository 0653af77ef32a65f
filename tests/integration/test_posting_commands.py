"""`powermon simulate` and `powermon ingest` as a person or a script runs them, against a real gateway."""

import asyncio
import gzip
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from infra import programs
from infra.settings import Settings
from producers.gateway import app

START_S = 1_772_442_000


@pytest.fixture
async def settings(registry: str, stack_settings: Settings, free_port: Callable[[], int]) -> AsyncIterator[Settings]:
    """A stack with its broker, registry and gateway running."""
    found = stack_settings.model_copy(update={"gateway_port": free_port()})
    gateway = await app.start(found)
    yield found
    await gateway.stop()


async def started(settings: Settings, *args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "infra.cli",
        *args,
        env=os.environ | programs.environment(settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def powermon(settings: Settings, *args: str, stdin: bytes = b"") -> tuple[int, str, str]:
    process = await started(settings, *args)
    async with asyncio.timeout(240):  # `simulate` alone may wait 120 s for its backlog
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def post(sensor_id: str, timestamp: int) -> bytes:
    probe = {"probe_id": 1, "probe_type": "CT", "power": [1000] * 20, "pf": [95] * 20, "voltage": 220_000}
    body = {"version": "221013", "sensor_id": sensor_id, "timestamp": timestamp, "data": [probe]}
    return json.dumps(body).encode() + b"\n"


async def test_ingest_of_a_file_and_of_standard_input(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "posts.ndjson.gz"
    lines = b"".join(post(f"cmd{n % 2:06d}", START_S + n) for n in range(1300))
    file.write_bytes(gzip.compress(lines))
    status, out, err = await powermon(settings, "ingest", str(file), "--token-for-all", "--json")
    assert (status, json.loads(out)["accepted"]) == (0, 1300), err
    status, out, err = await powermon(settings, "ingest", "-", "--token-for-all", stdin=lines + b"oops\n")
    assert (status, out) == (1, "")
    assert "1,301 lines of 2 sensors: 1,300 accepted, 1 refused" in err
    assert "bad_json x 1: line 1301" in err
    assert err.strip().endswith("powermon: 1 of 1,301 lines of - were refused")


async def test_ingest_without_a_token_says_what_to_do(settings: Settings) -> None:
    status, _, err = await powermon(settings, "ingest", "-", stdin=post("cmd000001", START_S))
    assert status == 1
    assert "token_missing x 1: line 1 (the line holds no token; with --token-for-all" in err


async def test_simulate_for_a_while(settings: Settings, tmp_path: Path) -> None:
    truth = tmp_path / "truth.ndjson"
    status, out, err = await powermon(
        settings,
        "simulate",
        "--sensors",
        "3",
        "--prefix",
        "cmdsim",
        "--for",
        "40",
        "--speed",
        "40",
        "--truth",
        str(truth),
        "--json",
    )
    assert status == 0, err
    totals = json.loads(out)
    assert totals["acknowledged"] == len(truth.read_text().splitlines()) - 2
    assert totals["refused"] == {}
    assert "simulate: " in err


async def test_simulate_over_websockets_with_a_bad_clock_and_bad_power(settings: Settings, tmp_path: Path) -> None:
    truth = tmp_path / "truth.ndjson"
    run = ("--sensors", "4", "--prefix", "cmdws", "--for", "600", "--speed", "100", "--ws", "0.5", "--faults")
    status, out, err = await powermon(settings, "simulate", *run, "--truth", str(truth), "--json")
    assert status == 0, err
    totals = json.loads(out)
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    safe = [(line["sensor_id"], line["timestamp"]) for line in lines if "timestamp" in line]
    assert len(safe) == len(set(safe)) == totals["acknowledged"] > 0
    assert {sensor for sensor, _ in safe} == {f"cmdws{n:06d}" for n in range(1, 5)}


async def test_simulate_keeps_its_secrets_to_itself_and_leaves_those_of_others_alone(settings: Settings) -> None:
    status, secret, _ = await powermon(settings, "sensors", "add", "cmdown000001")  # it posts by the operator's right
    assert status == 0
    run = ("simulate", "--sensors", "2", "--prefix", "cmdown", "--for", "5", "--speed", "20", "--json")
    for _ in range(2):
        status, out, err = await powermon(settings, *run)
        assert status == 0, err
        assert json.loads(out)["acknowledged"] > 0
    kept = json.loads(settings.fleet_secrets.read_text())
    assert [s for s in kept if s.startswith("cmdown")] == ["cmdown000002"]
    assert settings.fleet_secrets.stat().st_mode & 0o777 == 0o600
    assert secret.strip() not in settings.fleet_secrets.read_text()

    assert (await powermon(settings, "sensors", "revoke", "cmdown000002"))[0] == 0
    status, _, err = await powermon(settings, *run)
    assert status == 1
    assert "sensor cmdown000002 is revoked; use another --prefix" in err


async def test_a_demo_stops_when_it_is_asked_to(settings: Settings) -> None:
    process = await started(settings, "simulate", "--demo", "--sensors", "2", "--prefix", "cmddemo", "--truth", "/dev/stdout")
    assert process.stdout is not None
    async with asyncio.timeout(90):
        while b"timestamp" not in await process.stdout.readline():
            pass
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
    assert process.returncode == 0, err.decode()

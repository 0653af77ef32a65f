"""A catalog of many sensors: how long a start takes, with and without a snapshot, and how long one holds the event loop.

Each start is a process of its own, so that its memory is its own.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from infra.publish import Publisher
from infra.settings import Settings
from schemas import topics, wire
from schemas.registry import Registry
from streams.catalog import snapshot
from streams.catalog.commands import Command, IssueToken, RegisterSensor
from streams.catalog.envelope import seal
from streams.catalog.view import CatalogView, view_of
from tests.bench import stack

TOKENS = 2
_AT_MS = 1_800_000_000_000
_TICK_S = 0.001


def measure(sensors: int) -> dict[str, Any]:
    """Fill a log and start on it twice: from its beginning, and from the snapshot that the first one left."""
    with stack.log_and_registry() as (settings, _):
        began_s = time.monotonic()
        asyncio.run(_fill(settings, sensors))
        filled_s = time.monotonic() - began_s
        whole = _started(settings)
        kept = _started(settings)
        return {
            "sensors": sensors,
            "commands": sensors * (1 + TOKENS),
            "filled_s": filled_s,
            "snapshot_mb": settings.catalog_snapshot.stat().st_size / 1e6,
            "whole": whole,
            "snapshot": kept,
            "wrong": _wrong(whole, kept, sensors),
        }


def _wrong(whole: dict[str, Any], kept: dict[str, Any], sensors: int) -> str | None:
    """How the two starts differ from what they must be; None: they do not."""
    expected = [sensors, sensors * TOKENS]
    if whole["restored"] != -1 or kept["restored"] != sensors * (1 + TOKENS) - 1:
        return f"restored up to {whole['restored']} and {kept['restored']}"
    if whole["entries"] != expected or kept["entries"] != expected:
        return f"{whole['entries']} and {kept['entries']} entries, expected {expected}"
    return None if whole["digest"] == kept["digest"] else "another state from the snapshot than from the log"


def _commands(sensors: int) -> Iterator[Command]:
    """As an installation grows: each sensor is registered, boots, and refreshes its token once."""
    for k in range(sensors):
        yield RegisterSensor(
            sensor_id=_id(k),
            secret_sha256=_hash(f"secret {k}"),
            owner=f"Owner {k % 500}",
            address=f"{k % 90 + 1} High Street",
            thresholds={"sag_pct": 88.0} if k % 10 == 0 else {},
        )
    for turn in range(TOKENS):
        for k in range(sensors):
            yield IssueToken(
                sensor_id=_id(k),
                token_sha256=_hash(f"token {turn} {k}"),
                issued_at_ms=_AT_MS,
                expires_at_ms=_AT_MS + 604_800_000,
                refresh_at_ms=_AT_MS + 302_400_000,
            )


def _id(k: int) -> str:
    return f"gre{chr(97 + k // 1_000_000)}{k % 1_000_000:06d}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def _fill(settings: Settings, sensors: int) -> None:
    schema_id = Registry(settings.registry, settings.schema_cache).id_of(topics.CATALOG)

    def messages() -> Iterator[tuple[bytes, bytes]]:
        for n, command in enumerate(_commands(sensors)):
            envelope = seal(command, command_id=f"{n:032x}", at_ms=_AT_MS + n, actor="gateway")
            yield envelope.entity.encode(), wire.encode(topics.CATALOG, schema_id, envelope.record())

    publisher = Publisher(settings.kafka)
    await publisher.send_all(topics.CATALOG.name, messages())
    await publisher.close()


# ---- in a process of its own


def _started(settings: Settings) -> dict[str, Any]:
    env = {
        "POWERMON_DATA": str(settings.data),
        "POWERMON_KAFKA_BOOTSTRAP": settings.kafka,
        "POWERMON_REGISTRY_URL": settings.registry,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.catalog_bench"],
        env=os.environ | env,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def _start() -> dict[str, Any]:
    settings = Settings()
    before_mb = _memory_mb()
    watch = _Watch()
    began_s, cpu_s = time.monotonic(), time.process_time()
    view = view_of(settings, Registry(settings.registry, settings.schema_cache))
    await view.ready(300)
    ready_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    start_ms = await watch.stop()
    memory_mb = _memory_mb() - before_mb
    calm_ms = await _calm()
    writing_s, writing_ms = await _written(view)
    found = {
        "ready_s": ready_s,
        "cpu_s": cpu_s,
        "held_ms": start_ms,
        "memory_mb": memory_mb,
        "write_s": writing_s,
        "write_held_ms": writing_ms,
        "calm_ms": calm_ms,
        "restored": view.restored,
        "entries": [len(view.state.sensors), len(view.state.sensor_tokens)],
        "digest": _digest(view),
    }
    await view.close()
    return found


async def _calm() -> list[float]:
    """How late a loop runs that does nothing else, on a machine as busy as this one."""
    watch = _Watch()
    await asyncio.sleep(0.5)
    return await watch.stop()


async def _written(view: CatalogView) -> tuple[float, list[float]]:
    """Write a snapshot beside the loop: how long it took, and for how long the loop was held meanwhile."""
    watch = _Watch()
    began_s = time.monotonic()
    view._keep(0)
    assert view._writing is not None
    await view._writing
    return time.monotonic() - began_s, await watch.stop()


class _Watch:
    """How late the loop runs what is due, in milliseconds: the worst three times, and the one that 99 of 100 are under."""

    def __init__(self) -> None:
        self._late_s: list[float] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            due_s = time.monotonic() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self._late_s.append(time.monotonic() - due_s)

    async def stop(self) -> list[float]:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        late = sorted(self._late_s, reverse=True)
        return [round(s * 1000, 2) for s in (*late[:3], late[len(late) // 100])]


def _memory_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _digest(view: CatalogView) -> str:
    found = hashlib.sha256()
    for table, entries in sorted(snapshot.freeze(view.state).items()):
        found.update(table.encode())
        for row in sorted(msgspec.json.encode(entry) for entry in entries):
            found.update(row)
    return found.hexdigest()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_start())))

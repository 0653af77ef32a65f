"""A broker and a registry of the measurements' own."""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from infra import embedded, parts, topics
from infra.running import Running
from infra.settings import Settings
from schemas.registry import Registry

PARTITIONS = 4
_PORTS = ("kafka", "kafka_controller", "registry", "gateway", "web", "worker", "sink", "tic_health", "meter")


def settings_in(folder: Path, partitions: int = PARTITIONS) -> Settings:
    """Settings of a stack of its own in a folder, on free ports."""
    ports = {f"{name}_port": port for name, port in zip(_PORTS, _free_ports(len(_PORTS)), strict=True)}
    return Settings.model_validate({"data": folder, "partitions": partitions, **ports})


@contextlib.contextmanager
def log_and_registry(partitions: int = PARTITIONS, *, join_ms: int = 0) -> Iterator[tuple[Settings, int]]:
    """A broker with every topic, and a registry with every schema; gone at the end, with all they held.

    Args:
        join_ms: how long a new group waits for further members before it begins.

    Yields:
        where they are, and the broker's process id.
    """
    for part in parts.ALL:
        parts.fetch(part, Settings().parts, print)
    with tempfile.TemporaryDirectory(prefix="powermon-bench-") as folder:
        settings = settings_in(Path(folder), partitions)
        running: list[Running] = []
        try:
            for make in (embedded.kafka, embedded.registry):
                program = make(settings)
                if make is embedded.kafka and join_ms:
                    program = _patient(program, settings.data / "kafka" / "server.properties", join_ms)
                running.append(Running(program, settings.data / "logs"))
                running[-1].start()
                running[-1].wait_ready()
                if make is embedded.kafka:
                    topics.make(settings)
            Registry(settings.registry, settings.schema_cache).register_all()
            yield settings, running[0].pid
        finally:
            for one in reversed(running):
                one.stop()


def _patient(program: embedded.Program, properties: Path, join_ms: int) -> embedded.Program:
    def prepare() -> None:
        program.prepare()
        with properties.open("a") as file:
            file.write(f"\ngroup.initial.rebalance.delay.ms={join_ms}\n")

    return replace(program, prepare=prepare)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below those that the system gives to clients."""
    found: list[int] = []
    for port in range(28_000 + os.getpid() * 37 % 4_000, 32_700):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found

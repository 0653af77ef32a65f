"""The classes of the Java parts, read and checked once and kept beside the jars: a JVM that maps them starts in half the time.

`make setup` makes an archive of each part by running it for a moment. Without one, or with one that does not fit its
java or its jars, a JVM starts as it would, only slower. https://openjdk.org/jeps/350
"""

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from infra import embedded, parts, topics
from infra.errors import PartUnavailable, PowermonError
from infra.running import Running
from infra.settings import Settings
from schemas.registry import Registry

_GRACE_S = 120.0
"""The archive is written when the JVM ends."""


def make(cache: Path, say: Callable[[str], None]) -> None:
    """Make the archives that are missing or of another java; safe when several do so at once.

    Args:
        cache: folder of the fetched parts.
        say: is given a line before and after.

    Raises:
        PowermonError: a part could not be run.
    """
    version = _version()
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if all(_made_for(part, cache) == version for part in parts.ALL):
            return
        say("keeping the classes of the Java parts for faster starts …")
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=cache, prefix="classes-", ignore_cleanup_errors=True) as scratch:
            made = _run(Path(scratch), cache)
            for part, archive in made.items():
                with archive.open("rb") as file:
                    os.fsync(file)  # half an archive would end the JVM
                archive.replace(parts.classes(part, cache))
                _stamp(part, cache).write_text(version)
        say(f"done in {time.monotonic() - began:.0f} s")


def main() -> int:
    """Make what is missing; for `make setup`. A machine on which this fails works all the same."""
    try:
        make(Settings().parts, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    except (PowermonError, OSError) as error:
        print(f"powermon: goes on without kept classes: {error}", file=sys.stderr)  # noqa: T201
    return 0


def _run(scratch: Path, cache: Path) -> dict[parts.Part, Path]:
    """Run both parts together, as a new stack does, and end them."""
    kafka, controller, registry = _free_ports(3)
    settings = Settings(
        data=scratch, cache=cache, kafka_bootstrap="", registry_url="", partitions=1, replication=1,
        kafka_port=kafka, kafka_controller_port=controller, registry_port=registry,
    )  # fmt: skip
    archives = {part: scratch / f"{part.name}.jsa" for part in parts.ALL}
    running: list[Running] = []
    try:
        for part, program in ((parts.KAFKA, embedded.kafka), (parts.REGISTRY, embedded.registry)):
            running.append(_started(program(settings), archives[part], scratch))
        topics.make(settings)
        Registry(settings.registry, settings.schema_cache).register_all()
    finally:
        gently = [one.stop() for one in reversed(running)]  # the registry first: it says goodbye to the broker
    if not all(gently) or not all(archive.exists() for archive in archives.values()):
        raise PartUnavailable(f"a JVM wrote no archive within {_GRACE_S:.0f} s of its end")
    return archives


def _started(program: embedded.Program, archive: Path, scratch: Path) -> Running:
    java, *rest = program.command
    command = [java, f"-XX:ArchiveClassesAtExit={archive}", *embedded.LITTLE_WORK, *rest]
    running = Running(replace(program, command=command, grace_s=_GRACE_S), scratch / "logs")
    running.start()
    running.wait_ready()
    return running


def _version() -> str:
    answer = subprocess.run([parts.java(), "-version"], capture_output=True, text=True, check=False)
    return answer.stderr + answer.stdout


def _made_for(part: parts.Part, cache: Path) -> str | None:
    stamp = _stamp(part, cache)
    return stamp.read_text() if stamp.exists() and parts.classes(part, cache).exists() else None


def _stamp(part: parts.Part, cache: Path) -> Path:
    return parts.folder(part, cache) / "classes-of"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return numbers


if __name__ == "__main__":
    sys.exit(main())

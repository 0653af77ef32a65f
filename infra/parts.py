"""The Java parts that run on one machine: fetched once through Maven, kept in the cache folder.

A part is complete when its folder holds a stamp that equals the hash of its pom.xml; then neither
the network nor Maven is touched.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.errors import ConfigurationError
from infra.settings import Settings

JAVA_MIN = 17
_HERE = Path(__file__).parent
_STAMP = "fetched-for"
_COMPOSE = "or run the parts with Docker: `docker compose up`"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to fetch.

    Attributes:
        name: its folder in the cache.
        title: what a person calls it.
        pom: the Maven project that names and pins it.
        goals: Maven goals to try, in order, until one succeeds.
    """

    name: str
    title: str
    pom: Path
    goals: tuple[str, ...]

    @property
    def stamp(self) -> str:
        return hashlib.sha256(self.pom.read_bytes()).hexdigest()


KAFKA = Part("kafka", "Apache Kafka", _HERE / "kafka" / "pom.xml", ("dependency:copy-dependencies",))
REGISTRY = Part("apicurio", "Apicurio Registry", _HERE / "registry" / "pom.xml", ("dependency:copy",))
ALL = (KAFKA, REGISTRY)


def folder(part: Part, cache: Path) -> Path:
    """Where the part lies once it is fetched."""
    return cache / part.name


def classes(part: Part, cache: Path) -> Path:
    """Where infra.java_classes keeps its classes for faster starts; it need not be there."""
    return folder(part, cache) / "classes.jsa"


def missing(part: Part, cache: Path) -> str | None:
    """Why the part cannot be used from the cache; None when it can."""
    stamp = folder(part, cache) / _STAMP
    if not stamp.exists():
        return f"{part.title} is not in {cache}; run `make setup`"
    if stamp.read_text().strip() != part.stamp:
        return f"{part.title} in {cache} is another version than {part.pom.name} asks for; run `make setup`"
    return None


def java() -> str:
    """The java command of this machine.

    Raises:
        ConfigurationError: none, or older than 17.
    """
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home, "bin", "java")) if home and Path(home, "bin", "java").exists() else shutil.which("java")
    if command is None:
        raise ConfigurationError(f"no Java found; install Java {JAVA_MIN} or newer (a JRE is enough), {_COMPOSE}")
    answer = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
    version = java_version(answer.stderr + answer.stdout)
    if version is None or version < JAVA_MIN:
        came = "an unknown version" if version is None else f"version {version}"
        raise ConfigurationError(
            f"{command} is {came}; Kafka and the registry need Java {JAVA_MIN} or newer: install it, {_COMPOSE}"
        )
    return command


def java_version(text: str) -> int | None:
    """The major version in what `java -version` prints; None when it says none."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found[1]) if found else None


def maven() -> str:
    """The mvn command of this machine.

    Raises:
        ConfigurationError: there is none.
    """
    command = shutil.which("mvn")
    if command is None:
        raise ConfigurationError(f"no Maven found (mvn); install Maven 3.6 or newer, {_COMPOSE}")
    return command


def fetch(part: Part, cache: Path, say: Callable[[str], None]) -> None:
    """Bring the part into the cache unless it is there; safe when several do so at once.

    Args:
        say: is given a line before and after work that takes seconds.

    Raises:
        ConfigurationError: Java or Maven is missing, or Maven could not resolve the part.
    """
    if missing(part, cache) is None:
        return
    java()
    command = maven()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if missing(part, cache) is None:
            return
        say(f"fetching {part.title} with Maven …")
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=cache, prefix=f"{part.name}-") as scratch:
            fresh = Path(scratch, "part")
            fresh.mkdir()
            _run_maven(command, part, fresh)
            _unpack(fresh)
            (fresh / _STAMP).write_text(part.stamp + "\n")
            final = folder(part, cache)
            if final.exists():
                final.rename(Path(scratch, "old"))
            fresh.rename(final)
        size_mb = sum(f.stat().st_size for f in final.rglob("*") if f.is_file()) / 1e6
        say(f"{part.title}: {size_mb:.0f} MB in {time.monotonic() - began:.0f} s")


def main() -> int:
    """Fetch every part; for `make setup`."""
    try:
        for part in ALL:
            fetch(part, Settings().parts, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    except ConfigurationError as error:
        print(f"powermon: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _run_maven(command: str, part: Part, into: Path) -> None:
    with tempfile.TemporaryDirectory() as project:  # Maven may leave a `target` beside the pom
        pom = shutil.copy(part.pom, project)
        for goal in part.goals:
            run = subprocess.run(
                [command, "-q", "-B", "-f", pom, goal, f"-DoutputDirectory={into}"], capture_output=True, text=True, check=False
            )
            if run.returncode == 0:
                return
    errors = [line for line in (run.stdout + run.stderr).splitlines() if "[ERROR]" in line]
    raise ConfigurationError(
        f"Maven could not fetch {part.title}: {errors[0] if errors else f'exit status {run.returncode}'}\n"
        f"Check the network and this machine's Maven settings, then run `make setup` again, {_COMPOSE}"
    )


def _unpack(into: Path) -> None:
    for archive in into.glob("*.tar.gz"):
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(into, filter="data")
            else:  # Python before 3.11.4
                tar.extractall(into)  # noqa: S202  (our own pinned versions)
        archive.unlink()


if __name__ == "__main__":
    sys.exit(main())

"""The Java parts: what is missing is said in one sentence, and nothing is fetched twice."""

from pathlib import Path

import pytest

from infra import parts
from infra.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('openjdk version "17.0.15" 2025-04-15', 17, id="OpenJDK 17"),
        pytest.param('java version "1.8.0_392"', 8, id="the old way of counting"),
        pytest.param('openjdk version "25" 2025-09-16', 25, id="a first release"),
        pytest.param("command not found", None, id="no version"),
    ],
)
def test_the_version_of_java(text: str, expected: int | None) -> None:
    assert parts.java_version(text) == expected


def fake(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no commands at all; returns the folder in which it finds commands."""
    commands = tmp_path / "bin"
    commands.mkdir()
    monkeypatch.setenv("PATH", str(commands))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return commands


def test_without_java(bare_machine: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no Java found; install Java 17 or newer .* `docker compose up`"):
        parts.fetch(parts.KAFKA, tmp_path / "cache", print)


def test_with_an_old_java(bare_machine: Path, tmp_path: Path) -> None:
    fake(bare_machine, "java", "echo 'openjdk version \"11.0.2\"' >&2")
    with pytest.raises(ConfigurationError, match=r"is version 11; .* need Java 17 or newer"):
        parts.fetch(parts.KAFKA, tmp_path / "cache", print)


def test_without_maven(bare_machine: Path, tmp_path: Path) -> None:
    fake(bare_machine, "java", "echo 'openjdk version \"21.0.1\"' >&2")
    with pytest.raises(ConfigurationError, match=r"no Maven found \(mvn\); install Maven .* `docker compose up`"):
        parts.fetch(parts.KAFKA, tmp_path / "cache", print)


def test_when_maven_fails_its_own_words_are_shown(bare_machine: Path, tmp_path: Path) -> None:
    fake(bare_machine, "java", "echo 'openjdk version \"21.0.1\"' >&2")
    fake(bare_machine, "mvn", "echo '[ERROR] no route to host'; exit 1")
    with pytest.raises(ConfigurationError, match=r"could not fetch Apache Kafka: \[ERROR\] no route to host"):
        parts.fetch(parts.KAFKA, tmp_path / "cache", print)
    assert parts.missing(parts.KAFKA, tmp_path / "cache") is not None
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["lock"]


def test_what_is_there_is_not_fetched_again(bare_machine: Path, tmp_path: Path) -> None:
    fake(bare_machine, "java", "echo 'openjdk version \"21.0.1\"' >&2")
    fake(bare_machine, "mvn", 'for last; do :; done; echo jar > "${last#-DoutputDirectory=}/kafka.jar"')
    said: list[str] = []
    parts.fetch(parts.KAFKA, tmp_path / "cache", said.append)
    assert len(said) == 2
    assert (tmp_path / "cache" / "kafka" / "kafka.jar").exists()
    (bare_machine / "mvn").unlink()
    (bare_machine / "java").unlink()
    parts.fetch(parts.KAFKA, tmp_path / "cache", said.append)
    assert len(said) == 2


def test_another_version_is_missing(tmp_path: Path) -> None:
    folder = parts.folder(parts.KAFKA, tmp_path)
    folder.mkdir()
    (folder / "fetched-for").write_text("an older pom")
    assert "another version" in str(parts.missing(parts.KAFKA, tmp_path))

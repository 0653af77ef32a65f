"""Kept classes of the Java parts: a JVM starts with them, without them, and with some that are not its own."""

import subprocess
from pathlib import Path

import pytest

from infra import embedded, java_classes, parts
from infra.settings import Settings


def mapped(command: list[str]) -> list[str]:
    return [option for option in command if "SharedArchiveFile" in option or "Xlog:cds" in option]


@pytest.fixture
def settings(tmp_path: Path, make_settings: type[Settings]) -> Settings:
    """Of a cache with complete parts, no jars in them, and no kept classes."""
    for part in parts.ALL:
        parts.folder(part, tmp_path).mkdir()
        (parts.folder(part, tmp_path) / "fetched-for").write_text(part.stamp)
    (parts.folder(parts.REGISTRY, tmp_path) / "x-runner.jar").touch()
    return make_settings(cache=tmp_path)


@pytest.mark.parametrize("program", [embedded.kafka, embedded.registry])
def test_a_part_without_kept_classes_starts_without(settings: Settings, program: type[embedded.Program]) -> None:
    assert mapped(program(settings).command) == []


@pytest.mark.parametrize("content", [pytest.param(b"", id="empty"), pytest.param(bytes(70_000), id="of another java")])
@pytest.mark.parametrize("part", parts.ALL, ids=lambda part: part.name)
def test_classes_that_do_not_fit_are_ignored_in_silence(settings: Settings, part: parts.Part, content: bytes) -> None:
    parts.classes(part, settings.parts).write_bytes(content)
    program = embedded.kafka(settings) if part is parts.KAFKA else embedded.registry(settings)
    java, options = program.command[0], mapped(program.command)
    assert options
    run = subprocess.run([java, *options, "--version"], capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "rror" not in run.stdout + run.stderr
    assert "cds" not in run.stdout + run.stderr


def test_a_machine_on_which_they_cannot_be_made_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("POWERMON_CACHE", str(tmp_path))
    assert java_classes.main() == 0
    assert "goes on without kept classes: no Java found" in capsys.readouterr().err

"""The migration files themselves, and how their statements are made ready."""

from pathlib import Path

import pytest

from infra.errors import ConfigurationError
from sinks.migrate import read, statements


def test_every_migration_is_numbered_and_has_a_way_back() -> None:
    assert [m.number for m in read()] == list(range(1, len(read()) + 1))


@pytest.mark.parametrize("migration", read(), ids=lambda m: m.name)
@pytest.mark.parametrize("cluster", ["", "main"], ids=["one server", "a cluster"])
def test_every_statement_is_harmless_when_it_runs_again(migration: object, cluster: str) -> None:
    for sql in statements(migration.forward, cluster) + statements(migration.back, cluster):
        assert "IF NOT EXISTS" in sql or "OR REPLACE" in sql or "IF EXISTS" in sql
        assert ("ON CLUSTER `main`" in sql) is bool(cluster)
        assert "$" not in sql


def test_a_cluster_gets_replicated_engines() -> None:
    (table, _) = statements(read()[0].forward, "main")
    assert "ENGINE = ReplicatedReplacingMergeTree(rank)" in table


def test_white_space_does_not_change_a_checksum(tmp_path: Path) -> None:
    for name, text in (("a", "SELECT 1;\n"), ("b", "SELECT 1;  \n\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0001_x.sql").write_text(text)
        (tmp_path / name / "0001_x.down.sql").write_text("SELECT 2;\n")
    assert read(tmp_path / "a")[0].checksum == read(tmp_path / "b")[0].checksum


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param(["0001_a.sql"], "write the way back", id="no way back"),
        pytest.param(["0001_a.sql", "0001_a.down.sql", "0003_c.sql", "0003_c.down.sql"], "without a gap", id="a gap"),
    ],
)
def test_wrong_files_are_told(tmp_path: Path, files: list[str], words: str) -> None:
    for name in files:
        (tmp_path / name).write_text("SELECT 1;\n")
    with pytest.raises(ConfigurationError, match=words):
        read(tmp_path)

"""Numbered migrations, forward and back, and how long each table keeps its rows.

A migration is `NNNN_name.sql` with `NNNN_name.down.sql`, statements separated by a semicolon at the end of a
line. Each statement must be harmless when it is run again (IF NOT EXISTS, OR REPLACE): a process may die, or two
may start, between a statement and the note that it was done. `$on_cluster` and `${replicated}` are filled in
when a cluster is configured.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

import structlog

from infra.errors import ConfigurationError
from infra.settings import Settings
from sinks import tables, tic_tables
from sinks.clickhouse import ClickHouse, quoted

FOLDER = Path(__file__).parent / "migrations"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Migration:
    """One step.

    Attributes:
        forward, back: the statements as written, with their placeholders.
    """

    number: int
    name: str
    forward: str
    back: str

    @property
    def checksum(self) -> str:
        """Of the statements forward without white space at the ends of lines."""
        text = "\n".join(line.rstrip() for line in self.forward.strip().splitlines())
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(folder: Path = FOLDER) -> list[Migration]:
    """All migrations, in order.

    Raises:
        ConfigurationError: numbers have a gap, or a way back is missing.
    """
    found = []
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql")):
        if path.name.endswith(".down.sql"):
            continue
        number, name = path.name.removesuffix(".sql").split("_", 1)
        down = path.with_name(f"{number}_{name}.down.sql")
        if not down.exists():
            raise ConfigurationError(f"migration {path.name} came without {down.name}; write the way back")
        found.append(Migration(int(number), name, path.read_text(), down.read_text()))
    numbers = [m.number for m in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ConfigurationError(f"migrations in {folder} are numbered {numbers}; expected 1, 2, 3 and so on without a gap")
    return found


def statements(sql: str, cluster: str) -> list[str]:
    """The statements of one file, ready to run."""
    filled = Template(sql).substitute(
        on_cluster=f"ON CLUSTER {identifier(cluster)}" if cluster else "", replicated="Replicated" if cluster else ""
    )
    return [part.strip() for part in re.split(r";\s*(?:\n|$)", filled) if part.strip()]


def applied(store: ClickHouse) -> dict[int, str]:
    """Checksums by number of what is in force."""
    rows = store.rows(
        f"SELECT number, argMax(checksum, change), argMax(applied, change) AS holds FROM {tables.MIGRATIONS.name} "
        "GROUP BY number HAVING holds ORDER BY number"
    )
    return {number: checksum for number, checksum, _ in rows}


def migrate(store: ClickHouse, settings: Settings, to: int | None = None, steps: list[Migration] | None = None) -> list[str]:
    """Bring the tables to a version.

    Args:
        store: where.
        settings: cluster and retention.
        to: the number of the last migration that shall be in force; None: the newest.
        steps: all migrations; None: those of this build.

    Returns:
        what was done, one line each, as "+ 0001_readings".

    Raises:
        ConfigurationError: a migration was changed after it was applied, or this build does not know one.
    """
    steps = read() if steps is None else steps
    target = len(steps) if to is None else to
    if not 0 <= target <= len(steps):
        raise ConfigurationError(f"there is no migration {target}; the newest is {len(steps)}")
    _make_list(store, settings.clickhouse_cluster)
    done = applied(store)
    _check(done, steps)
    told = []
    for step in steps[:target]:
        if step.number not in done:
            told.append(_run(store, settings, step, forward=True))
    for step in reversed(steps[target:]):
        if step.number in done:
            told.append(_run(store, settings, step, forward=False))
    if target == len(steps):
        retain(store, settings)
    return told


def pending(store: ClickHouse) -> list[str]:
    """Names of migrations of this build that are not in force; all of them in an empty store."""
    (count,) = store.rows(
        f"SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = {quoted(tables.MIGRATIONS.name)}"
    )[0]
    done = applied(store) if count else {}
    return [f"{m.number:04}_{m.name}" for m in read() if m.number not in done]


def retain(store: ClickHouse, settings: Settings) -> None:
    """Make every table forget what is older than its setting says (0: nothing)."""
    days = {
        tables.READINGS_RAW: settings.retention_readings_days,
        tables.CONFLICTS_RAW: settings.retention_readings_days,
        tables.MINUTES_RAW: settings.retention_minutes_days,
        tic_tables.TIC_FRAMES_RAW: settings.retention_readings_days,
        tic_tables.TIC_MINUTES_RAW: settings.retention_minutes_days,
    }
    for table, keep in days.items():
        (made,) = store.rows(
            f"SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {quoted(table.name)}"
        )[0]
        present = re.search(r"\bTTL \w+ \+ toIntervalDay\((\d+)\)", made)
        if (int(present[1]) if present else 0) == keep:
            continue
        cluster = f" ON CLUSTER {identifier(settings.clickhouse_cluster)}" if settings.clickhouse_cluster else ""
        change = f"MODIFY TTL {table.time} + toIntervalDay({keep})" if keep else "REMOVE TTL"
        store.command(f"ALTER TABLE {table.name}{cluster} {change}")
        log.info("retention changed", table=table.name, days=keep or "for ever")


def _make_list(store: ClickHouse, cluster: str) -> None:
    (sql,) = statements(
        f"CREATE TABLE IF NOT EXISTS {tables.MIGRATIONS.name} $on_cluster "
        "(number UInt32, name String, checksum String, applied Bool, change UInt64, at DateTime64(3, 'UTC') DEFAULT now64(3)) "
        "ENGINE = ${replicated}MergeTree ORDER BY (number, change)",
        cluster,
    )
    store.command(sql)


def _check(done: dict[int, str], steps: list[Migration]) -> None:
    for number, checksum in done.items():
        if number > len(steps):
            raise ConfigurationError(
                f"the store is at migration {number}, this build knows {len(steps)}; install the newer build, "
                f"or go back with its `powermon migrate --to {len(steps)}`"
            )
        step = steps[number - 1]
        if step.checksum != checksum:
            raise ConfigurationError(
                f"migration {number:04}_{step.name} was changed after it was applied (checksum {checksum}, now {step.checksum}); "
                "restore the file and write a new migration"
            )


def _run(store: ClickHouse, settings: Settings, step: Migration, *, forward: bool) -> str:
    for sql in statements(step.forward if forward else step.back, settings.clickhouse_cluster):
        store.command(sql)
    store.command(
        f"INSERT INTO {tables.MIGRATIONS.name} (number, name, checksum, applied, change) "
        f"SELECT {step.number}, {quoted(step.name)}, {quoted(step.checksum)}, {str(forward).lower()}, "
        f"(SELECT max(change) FROM {tables.MIGRATIONS.name}) + 1"
    )
    told = f"{'+' if forward else '-'} {step.number:04}_{step.name}"
    log.info("migration", step=told)
    return told


def identifier(name: str) -> str:
    """A name in ClickHouse SQL."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"

"""A second table of minutes beside the live one: made, compared, exchanged with it, and back.

Which of the two is live is told by a comment that a table keeps when it is exchanged, so a crash between an
exchange and the note of it leaves nothing open.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from infra.errors import PartUnavailable, ReplayRefused
from infra.settings import Settings
from sinks.clickhouse import ClickHouse, quoted
from sinks.kept import KEPT, Kept
from sinks.migrate import identifier
from streams.core.replay_plan import Plan

FINAL = "SETTINGS do_not_merge_across_partitions_select_final = 1"
SETTLE_S = 60.0
"""An insert that was on its way when the tables were exchanged is over by then, or the sink is down."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shadow:
    """The table of one replay.

    Args:
        plan: of the replay.
    """

    store: ClickHouse
    settings: Settings
    plan: Plan

    @property
    def kept(self) -> Kept:
        return KEPT[self.plan.topic]

    @property
    def live(self) -> str:
        """The table it stands beside."""
        return self.kept.minutes.name

    @property
    def name(self) -> str:
        return f"{self.live}_{self.plan.name}"

    @property
    def mark(self) -> str:
        """The comment of the table that the replay filled, wherever it is now."""
        return f"replay {self.plan.name}"

    def make(self) -> None:
        """Make the table as the live one is, empty; harmless when it is there."""
        cluster = f" ON CLUSTER {identifier(self.settings.clickhouse_cluster)}" if self.settings.clickhouse_cluster else ""
        self.store.command(f"CREATE TABLE IF NOT EXISTS {self.name}{cluster} AS {self.live} COMMENT {quoted(self.mark)}")

    def drop(self) -> None:
        """Drop the table beside the live one, whichever of the two it is now."""
        cluster = f" ON CLUSTER {identifier(self.settings.clickhouse_cluster)}" if self.settings.clickhouse_cluster else ""
        self.store.command(f"DROP TABLE IF EXISTS {self.name}{cluster} SYNC")

    def is_live(self) -> bool:
        """Whether the table that the replay filled is the live one now."""
        return self._comment(self.live) == self.mark

    def live_mark(self) -> str:
        """What is live, in words."""
        return self._comment(self.live) or "the minutes that no replay has replaced"

    def swap(self, settled: Callable[[], bool]) -> None:
        """Make the replay's table the live one, with everything in it that the replay was not about or live did since.

        May be called again when it was interrupted.

        Args:
            settled: whether inserts that were on their way when it is first called are over now.

        Raises:
            ReplayRefused: the tables are not alike.
        """
        if not self.is_live():
            self._check_alike()
            if (outside := self.outside) is not None:
                self._copy(self.live, self.name, outside)
            self._copy_newer(self.live, self.name)
            self._exchange()
        self._finish(settled)

    def undo(self, settled: Callable[[], bool]) -> None:
        """Make the table live again that was so before `swap`, with what live did since. May be called again.

        Raises:
            ReplayRefused: the tables are not alike.
        """
        if self.is_live():
            self._check_alike()
            self._copy_newer(self.live, self.name)
            self._exchange()
        self._finish(settled)

    @property
    def inside(self) -> str:
        """SQL: rows that the replay is about."""
        asked, from_s = self.plan.asked, self.plan.from_s
        parts = ["1"]
        parts += [] if from_s is None else [f"minute >= toDateTime({from_s}, 'UTC')"]
        parts += [] if asked.to_s is None else [f"minute < toDateTime({asked.to_s}, 'UTC')"]
        parts += [f"{self.kept.id} IN ({', '.join(map(quoted, asked.sensors))})"] if asked.sensors else []
        return " AND ".join(parts)

    @property
    def outside(self) -> str | None:
        """SQL: rows that it is not about; None: there are none."""
        return None if self.inside == "1" else f"NOT ({self.inside})"

    @property
    def least(self) -> int:
        """No row of a lower version is made of readings that came after the replay's end."""
        return min(self.plan.ends.values(), default=0)

    def ends_by_sensor(self, *tables_: str) -> str:
        """SQL: (its id, end_of), the offset at which the replay ended for it, of the sensors that may have newer rows.

        A version is an offset, and raw tells in which partition. A sensor of which raw knows nothing is not
        there: what live says of it is then taken as new.
        """
        ends = sorted(self.plan.ends.items())
        partitions, offsets = [p for p, _ in ends], [end for _, end in ends]
        name = self.kept.id
        sensors = " UNION DISTINCT ".join(f"SELECT DISTINCT {name} FROM {t} WHERE version >= {self.least}" for t in tables_)
        return (
            f"SELECT {name}, transform(toInt64(argMax(log_partition, second)), {partitions}, {offsets}, 0) AS end_of "
            f"FROM {self.kept.raw.name} WHERE {name} IN ({sensors}) GROUP BY {name}"
        )

    def _copy_newer(self, source: str, target: str) -> None:
        """Bring over rows of readings that came after the replay's end."""
        began = time.monotonic()
        names, key = self.kept.minutes.columns, self.kept.id
        columns = ", ".join(f"m.{column}" for column in names)
        self.store.command(
            f"INSERT INTO {target} ({', '.join(names)}) SELECT {columns} "
            f"FROM (SELECT * FROM {source} FINAL WHERE version >= {self.least}) AS m "
            f"LEFT JOIN ({self.ends_by_sensor(source)}) AS e ON m.{key} = e.{key} WHERE m.version >= e.end_of {FINAL}"
        )
        log.info("newer minutes copied", source=source, target=target, seconds=round(time.monotonic() - began, 2))

    def _copy(self, source: str, target: str, which: str) -> None:
        began = time.monotonic()
        self.store.command(f"INSERT INTO {target} SELECT * FROM {source} FINAL WHERE {which} {FINAL}")
        log.info("minutes copied", source=source, target=target, seconds=round(time.monotonic() - began, 2))

    def _exchange(self) -> None:
        cluster = f" ON CLUSTER {identifier(self.settings.clickhouse_cluster)}" if self.settings.clickhouse_cluster else ""
        self.store.command(f"EXCHANGE TABLES {self.live} AND {self.name}{cluster}")
        log.info("tables exchanged", live=self._comment(self.live) or "as before any replay")

    def _finish(self, settled: Callable[[], bool]) -> None:
        """Bring over what was inserted into the other table between the copy and the exchange, or was on its way then."""
        deadline = time.monotonic() + SETTLE_S
        while not settled():
            if time.monotonic() > deadline:
                raise PartUnavailable(
                    f"the tables are exchanged, but the sink has not come past what it had in hand within {SETTLE_S:.0f} s; "
                    "see that it runs, then give the same command again: it brings over the last minutes"
                )
            time.sleep(0.1)
        self._copy_newer(self.name, self.live)

    def _comment(self, table: str) -> str | None:
        """None when the table is not there."""
        found = self.store.rows(
            f"SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = {quoted(table)}"
        )
        return str(found[0][0]) if found else None

    def _check_alike(self) -> None:
        if self._comment(self.name) is None:
            raise ReplayRefused(f"replay {self.plan.name} has no table {self.name} any more; delete it and replay again")
        columns = "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {} ORDER BY position"
        if self.store.rows(columns.format(quoted(self.name))) != self.store.rows(columns.format(quoted(self.live))):
            raise ReplayRefused(
                f"the table of minutes has been changed since replay {self.plan.name} was made; delete it and replay again"
            )

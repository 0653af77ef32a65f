"""The spool's file: SQLite with a write-ahead log. What it holds is in rows that seal themselves (spool_row.py).

Every failure is one of two: Unavailable (full, read-only, taken: the file may be right) or Broken (it is not).
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from producers.tic import spool_row
from producers.tic.spool_row import Row

PAGE_BYTES = 4096
"""Half of it writes a quarter less while the network is up, and keeps half as many frames in the same room when it is not
(tests/bench/tic_spool.py)."""

ROW_MAX_BYTES = PAGE_BYTES - 60
"""Then a row lies whole in one page, and can be found without any table."""

CHECKPOINT_PAGES = 1000
_TABLE = "CREATE TABLE batch (n INTEGER PRIMARY KEY, body BLOB NOT NULL)"
_SCHEMAS = "CREATE TABLE schema (fingerprint BLOB PRIMARY KEY, text TEXT NOT NULL)"
_WINDOW = 1 << 20
_MAY_PASS = ("BUSY", "LOCKED", "READONLY", "FULL", "CANTOPEN", "IOERR", "NOMEM", "PERM", "AUTH", "INTERRUPT", "NOLFS")


class Unavailable(Exception):
    """The file cannot be read or written now; the sentence says why."""

    def __init__(self, detail: str, name: str = "") -> None:
        super().__init__(detail)
        self.in_use = name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
        self.full = name.startswith("SQLITE_FULL")


class Broken(Exception):
    """The file is no database of ours, or a damaged one."""


class Options(NamedTuple):
    """How the file is written; other values are for measuring.

    Attributes:
        synchronous: FULL: what is written is safe when the call returns. With NORMAL a power cut takes
            everything since the last checkpoint, hours of frames.
    """

    synchronous: str = "FULL"
    page_bytes: int = PAGE_BYTES
    checkpoint_pages: int = CHECKPOINT_PAGES


class SpoolFile:
    """One open file.

    Args:
        schema: (fingerprint, text) of this build's schema of the bodies.

    Attributes:
        newest: the row with the highest number, None in a new file.

    Raises:
        Unavailable, Broken.
    """

    def __init__(self, path: Path, schema: tuple[bytes, str], options: Options | None = None) -> None:
        self._path, self._options = path, options or Options()
        self.newest: Row | None = None
        left = _left_in_log(path)
        with _failures(path):
            self._db = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
        try:
            with _failures(path):
                self._prepare(schema)
                self._read_newest(left)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, schema: tuple[bytes, str]) -> None:
        options = self._options
        for pragma in (
            f"page_size = {options.page_bytes}",
            "locking_mode = EXCLUSIVE",  # one reader; and no file of shared memory that is written again and again
            "journal_mode = WAL",
            f"synchronous = {options.synchronous}",
            f"wal_autocheckpoint = {options.checkpoint_pages}",
            "cell_size_check = ON",
            "cache_size = -1024",
        ):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        with self._transaction():
            tables = {sql for (sql,) in self._db.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
            if not tables:
                self._db.execute(_TABLE)
                self._db.execute(_SCHEMAS)
            elif tables != {_TABLE, _SCHEMAS}:
                raise Broken("its tables are not those of a spool")
            self._db.execute("INSERT OR IGNORE INTO schema VALUES (?, ?)", schema)

    def _read_newest(self, left: list[Row]) -> None:
        for n, body in self._db.execute("SELECT n, body FROM batch ORDER BY n DESC"):
            row = spool_row.opened(body)
            if row is not None and row.first == n:
                self.newest = row
                break
        behind = [row for row in left if self.newest is None or row.first > self.newest.last]
        if behind:
            self.write(behind, 0)

    def write(self, rows: Iterable[Row], done: int, limit_bytes: int | None = None) -> int:
        """Add rows and take those away that are delivered, in one transaction; safe when it returns.

        Args:
            done: every frame up to this number is delivered.
            limit_bytes: beyond it the oldest rows are thrown away, never the newest.

        Returns:
            the number of the first frame that stays when some were thrown away, else 0.
        """
        with _failures(self._path), self._transaction():
            self._put(rows)
            self._db.execute("DELETE FROM batch WHERE n < (SELECT max(n) FROM batch WHERE n <= ?)", (done + 1,))
            return 0 if limit_bytes is None else self._shrink(limit_bytes)

    def _put(self, rows: Iterable[Row]) -> None:
        insert = (
            "INSERT INTO batch VALUES (?, ?) ON CONFLICT (n) DO UPDATE SET body = excluded.body "
            "WHERE length(excluded.body) >= length(body)"
        )
        for row in rows:
            self._db.execute(insert, (row.first, row.sealed()))
            if self.newest is None or row.first >= self.newest.first:
                self.newest = row

    def _shrink(self, limit_bytes: int) -> int:
        thrown = False
        while (over := self.used_bytes() - limit_bytes) > 0:
            step = 1 + over // self._options.page_bytes
            deleted = self._db.execute(
                "DELETE FROM batch WHERE n IN (SELECT n FROM batch ORDER BY n LIMIT ?) AND n < (SELECT max(n) FROM batch)",
                (step,),
            ).rowcount
            if not deleted:
                break
            thrown = True
        return int(self._db.execute("SELECT min(n) FROM batch").fetchone()[0]) if thrown else 0

    def read(self, number: int) -> Generator[Row | None, None, None]:
        """Rows from the one that holds this frame on; None for a damaged one."""
        with _failures(self._path):
            query = "SELECT n, body FROM batch WHERE n >= coalesce((SELECT max(n) FROM batch WHERE n <= ?), 0) ORDER BY n"
            for n, body in self._db.execute(query, (number,)):
                row = spool_row.opened(body)
                yield row if row is not None and row.first == n else None

    def schema_of(self, fingerprint: bytes) -> str | None:
        """The text of a schema that rows were written with."""
        with _failures(self._path):
            found = self._db.execute("SELECT text FROM schema WHERE fingerprint = ?", (fingerprint,)).fetchone()
        return None if found is None else str(found[0])

    def used_bytes(self) -> int:
        """Of the file, without what is free to be used again."""
        with _failures(self._path):
            pages, free = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        return int((pages - free) * self._options.page_bytes)

    def reclaim(self) -> None:
        """Bring the write-ahead log into the file, so that its space can be used again on a full disk."""
        with _failures(self._path):
            self._db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def salvage(self, paths: Iterable[Path]) -> int:
        """Take over every row that can be read in broken files, wherever in them it lies. Returns how many rows there are."""
        with _failures(self._path):
            for path in paths:
                with self._transaction():
                    for row in _rows_in(path):
                        self._put((row,))
            if self.newest is None:
                return 0
            self.write((), self.newest.done)
            return int(self._db.execute("SELECT count(*) FROM batch").fetchone()[0])

    def close(self) -> None:
        """Bring everything into one file."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        newest = self.newest
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self.newest = newest
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise


def set_aside(path: Path) -> list[Path]:
    """Rename a broken file and its log; of earlier broken ones none stays. Returns the renamed ones.

    Raises:
        Unavailable: the folder does not let us.
    """
    try:
        for old in path.parent.glob(f"{path.name}.broken-*"):
            old.unlink()
        aside = []
        for suffix in ("-wal", ""):
            here = Path(f"{path}{suffix}")
            if here.exists():
                aside.append(here.rename(f"{path}.broken-{time.time_ns() // 1_000_000_000}{suffix}"))
        Path(f"{path}-shm").unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"{path} is broken and cannot be moved aside: {error.strerror}") from error
    return aside


def _left_in_log(path: Path) -> list[Row]:
    """Rows of a write-ahead log. SQLite reads it up to the first damaged page; what stands behind is right as well."""
    try:
        return list(_rows_in(Path(f"{path}-wal")))
    except OSError:
        return []


def _rows_in(path: Path) -> Iterator[Row]:
    """Every whole row in a file, read through a window."""
    if not path.exists():
        return
    held = b""
    with path.open("rb") as file:
        while piece := file.read(_WINDOW):
            held += piece
            for _, row in spool_row.found(held):
                yield row
            held = held[-PAGE_BYTES:]  # a row that the window cut; one that was whole in it comes twice, which changes nothing


@contextlib.contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if any(name.startswith(f"SQLITE_{kind}") for kind in _MAY_PASS):
            raise Unavailable(f"{path}: {error}", name) from error
        raise Broken(f"{error} ({name})" if name else str(error)) from error
    except OSError as error:
        raise Unavailable(f"{path}: {os.strerror(error.errno or 0)}") from error

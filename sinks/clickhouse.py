"""ClickHouse: a server over HTTP, or the engine inside this process. The same SQL, the same calls.

Traps held down here: inserts are asynchronous by default since 26.x; the embedded engine does not notice a
second process in its folder; `readonly` forbids neither INTO OUTFILE nor the function file().
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from infra.errors import ConfigurationError, PartUnavailable, PowermonError
from infra.settings import Settings

Params = dict[str, Any] | None
P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
"""Queries of the event loop that run at the same time."""

# To compile a query's expressions takes longer than our queries do: 0.15 s at the third or fourth time of each.
_AS_IT_IS = {"compile_expressions": 0, "compile_aggregate_expressions": 0, "compile_sort_description": 0}
_OURS: dict[str, Any] = {
    "async_insert": 0,
    "max_partitions_per_insert_block": 0,  # a backlog may reach over many months
    **_AS_IT_IS,
}
_WHOLE = {**_OURS, "max_insert_block_size": 1 << 26, "min_insert_block_size_rows": 1 << 26, "min_insert_block_size_bytes": 0}
_PEOPLE = {
    "max_execution_time": 30,
    "max_result_rows": 1_000_000,
    "max_result_bytes": 256 << 20,
    "result_overflow_mode": "throw",
    "max_memory_usage": 2 << 30,
    "readonly": 1,  # the last: after it nothing can be changed
}

# Failures that may pass by themselves: timeouts, memory, too many parts or queries, no space, replicas, keeper.
_TRANSIENT = {159, 160, 202, 209, 210, 241, 242, 243, 252, 285, 286, 319, 425, 999}

_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'")
_DANGEROUS = re.compile(r"\bINTO\s+OUTFILE\b|\bfile\b[\"`]?\s*\(", re.IGNORECASE)


class StoreUnavailable(PartUnavailable):
    """ClickHouse does not answer or cannot work now."""


class QueryRefused(PowermonError):
    """ClickHouse does not accept this statement."""


class ClickHouse:
    """One store, for all threads of a process.

    Args:
        settings: `clickhouse_url`, or the folder of the embedded engine when that is empty.

    Raises:
        ConfigurationError: another process works in the folder.
        StoreUnavailable: the server does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.clickhouse_url
        self._path = settings.clickhouse_path
        self._lock = None if self._url else _lock(self._path)
        self._idle: dict[bool, queue.LifoQueue[Client]] = {False: queue.LifoQueue(), True: queue.LifoQueue()}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="clickhouse")
        try:
            self.rows("SELECT 1")
        except BaseException:
            self.close()
            raise

    @property
    def embedded(self) -> bool:
        """Whether the engine runs inside this process."""
        return not self._url

    def command(self, sql: str, params: Params = None) -> None:
        """Run one statement that answers nothing."""
        with self._client() as client:
            client.command(sql, parameters=params)

    def rows(self, sql: str, params: Params = None) -> list[tuple[Any, ...]]:
        """Run a query; for a few rows."""
        with self._client() as client:
            return [tuple(row) for row in client.query(sql, parameters=params).result_rows]

    def arrow(self, sql: str, params: Params = None) -> pa.Table:
        """Run a query; columns without copying. A DateTime column comes as its UTC seconds (uint32)."""
        with self._client() as client:
            return client.query_arrow(sql, parameters=params)

    def insert(self, table: str, rows: pa.RecordBatch | pa.Table, *, in_one: bool = False) -> None:
        """Insert columns by name; when it returns, they are in the table.

        Args:
            in_one: of a table without partitions: all of them are there, or none, whatever happens meanwhile.
        """
        whole = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        with self._client() as client:
            client.insert_arrow(table, whole, settings=_WHOLE if in_one else _OURS)

    def for_people(self, sql: str, form: str = "JSONCompact") -> bytes:
        """Run a person's query: nothing but reading, within limits of time, memory and size.

        Args:
            sql: one statement; a FORMAT clause in it wins over `form`.

        Raises:
            QueryRefused: it is wrong, writes, reads files, or goes beyond a limit.
        """
        with self._client(people=True) as client:
            ((text,),) = client.query("SELECT formatQuerySingleLine({sql:String})", parameters={"sql": sql}).result_rows
            if _DANGEROUS.search(_QUOTED.sub("''", text)):
                raise QueryRefused("INTO OUTFILE and the function file() touch files of the server; a query may only read tables")
            answer: bytes = client.raw_query(text, fmt=None if re.search(r"\bFORMAT \w+$", text) else form)
            return answer

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do one of the calls above without holding up the event loop: `await store.run(store.arrow, sql)`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: call(*args, **kwargs))

    def close(self) -> None:
        """Wait for running queries, close the engine, release the folder."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for idle in self._idle.values():
            with contextlib.suppress(queue.Empty):
                while True:
                    idle.get_nowait().close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextlib.contextmanager
    def _client(self, people: bool = False) -> Iterator[Client]:
        """A client that no other thread uses meanwhile: one embedded handle does one query at a time."""
        try:
            try:
                client = self._idle[people].get_nowait()
            except queue.Empty:
                client = self._connect(_PEOPLE if people else _OURS)
            try:
                yield client
            except BaseException:
                client.close()  # an embedded handle may answer the next query with what is left of this one
                raise
            self._idle[people].put(client)
        except ClickHouseError as error:
            raise self._explained(error) from error

    def _connect(self, settings: dict[str, Any]) -> Client:
        if self.embedded:
            return clickhouse_connect.get_client(interface="chdb", path=str(self._path), settings=settings)
        return clickhouse_connect.get_client(dsn=self._url, settings=settings, autogenerate_session_id=False, connect_timeout=5)

    def _explained(self, error: ClickHouseError) -> PowermonError:
        detail = _plain(str(error))
        code = getattr(error, "code", None)
        if isinstance(error, OperationalError):
            place = "the embedded engine" if self.embedded else f"at {urlsplit(self._url).hostname}"
            return StoreUnavailable(f"ClickHouse {place} does not answer: {detail}; start it, or correct POWERMON_CLICKHOUSE_URL")
        if code in _TRANSIENT or not isinstance(error, DatabaseError):
            return StoreUnavailable(f"ClickHouse cannot do this now: {detail}; trying again may help")
        return QueryRefused(f"ClickHouse refuses the statement: {detail}")


def quoted(text: str) -> str:
    """A string literal of ClickHouse SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _plain(message: str) -> str:
    """The one sentence of an engine's message that a person can use."""
    message = re.sub(r"^.*DB::Exception: ", "", message, flags=re.DOTALL)
    message = re.sub(r"\s*\(version [^)]*\)", "", message)
    return " ".join(message.split())[:500]


def _lock(path: Path) -> int:
    """Make the folder ours; the engine itself would let two processes in, and lose data."""
    path.mkdir(parents=True, exist_ok=True)
    handle = os.open(path.parent / f"{path.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise ConfigurationError(
            f"the ClickHouse folder {path} is in use by process {owner}; the embedded engine takes one process per folder: "
            "stop that one, or choose another folder with --data"
        ) from error
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle

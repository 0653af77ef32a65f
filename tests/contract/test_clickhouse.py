"""One suite over the embedded engine and, when POWERMON_TEST_CLICKHOUSE_URL names one, a server."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from infra.errors import ConfigurationError, PowermonError
from infra.settings import Settings
from schemas.power_minute import PROBE_FIELDS, MinuteRows
from schemas.units import UNITS
from sinks import meter_tables, rows, tables, tic_tables
from sinks.clickhouse import ClickHouse, QueryRefused, StoreUnavailable
from sinks.migrate import applied, migrate, pending, read, retain
from sinks.tables import Table

SERVER = os.environ.get("POWERMON_TEST_CLICKHOUSE_URL", "")


@pytest.fixture(params=["embedded", pytest.param("server", marks=pytest.mark.skipif(not SERVER, reason="no server configured"))])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, clickhouse_url=SERVER if request.param == "server" else "")


@pytest.fixture
def store(settings: Settings) -> Iterator[ClickHouse]:
    store = ClickHouse(settings)
    try:
        migrate(store, settings, to=0)
        migrate(store, settings)
        yield store
    finally:
        store.close()


def test_the_columns_are_those_the_code_names(store: ClickHouse) -> None:
    named = [one for module in (tables, tic_tables, meter_tables) for one in vars(module).values() if isinstance(one, Table)]
    for table in named:
        if table == tables.MIGRATIONS:
            continue  # has the time of a change besides
        found = store.rows(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {name:String} "
            "AND default_kind != 'ALIAS' ORDER BY position",
            {"name": table.name},
        )
        assert tuple(name for (name,) in found) == table.columns


def test_migrations_go_forward_back_and_forward(store: ClickHouse, settings: Settings) -> None:
    names = [f"{m.number:04}_{m.name}" for m in read()]
    assert pending(store) == []
    assert migrate(store, settings) == []
    assert migrate(store, settings, to=0) == [f"- {name}" for name in reversed(names)]
    assert pending(store) == names
    assert migrate(store, settings, to=1) == [f"+ {names[0]}"]
    assert migrate(store, settings) == [f"+ {name}" for name in names[1:]]
    assert list(applied(store)) == [m.number for m in read()]


def test_a_changed_migration_is_told(store: ClickHouse, settings: Settings) -> None:
    first, *others = read()
    changed = [type(first)(1, first.name, first.forward + "\nSELECT 1;", first.back), *others]
    with pytest.raises(ConfigurationError, match="changed after it was applied"):
        migrate(store, settings, steps=changed)


def test_a_store_of_a_newer_build_is_told(store: ClickHouse, settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="install the newer build"):
        migrate(store, settings, steps=read()[:1])


def test_retention_follows_its_setting(store: ClickHouse, settings: Settings) -> None:
    def ttl() -> bool:
        ((made,),) = store.rows(
            "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'readings_raw'"
        )
        return "TTL second + toIntervalDay(400)" in made

    assert not ttl()
    retain(store, settings.model_copy(update={"retention_readings_days": 400}))
    assert ttl()
    retain(store, settings)
    assert not ttl()


def minute(energy_units: list[int], mask: int, version: int = 1) -> pa.RecordBatch:
    n = len(energy_units)
    probes = {name: np.zeros((3, n), np.int64) for name in PROBE_FIELDS}
    probes["seconds_mask"][1], probes["energy_units"][1] = mask, energy_units
    return rows.minutes(
        MinuteRows(["a000001"], np.zeros(n, np.int64), np.arange(n) * 60 + 1_800_000_000, np.full(n, version), probes)
    )


def test_energy_is_rounded_exactly_halves_to_even(store: ClickHouse) -> None:
    half = UNITS // 2
    big = 2_000_000_000 * 60 * UNITS
    units = [
        sign * (whole * UNITS + rest) for sign in (1, -1) for whole in (0, 1, 2, 7) for rest in (0, 1, half - 1, half, half + 1)
    ]
    units += [sign * (big - half + k) for sign in (1, -1) for k in (-1, 0, 1)]
    store.insert("minutes_raw", minute(units, 0b111))
    found = store.rows("SELECT energy_mws, power_mean_mw, seconds, coverage, probe FROM minutes ORDER BY minute")
    assert [row[0] for row in found] == [round(Fraction(u, UNITS)) for u in units]
    assert [row[1] for row in found] == pytest.approx([u / UNITS / 3 for u in units], rel=1e-12, abs=1e-12)
    assert {row[2:] for row in found} == {(3, 0.05, 2)}
    named = store.rows("SELECT energy_b_mws, import_mws - export_mws FROM energy_minutes ORDER BY minute")
    assert named == [(row[0], row[0]) for row in found]


def test_the_highest_version_of_a_minute_holds_whatever_the_order(store: ClickHouse) -> None:
    for version in (5, 9, 7):
        store.insert("minutes_raw", minute([version * UNITS], 1, version))
    assert store.rows("SELECT version, energy_mws FROM minutes") == [(9, 9)]


def test_an_insert_over_many_months_is_taken(store: ClickHouse) -> None:
    n = 150
    probes = {name: np.ones((3, n), np.int64) for name in PROBE_FIELDS}
    months = MinuteRows(
        ["a000001"], np.zeros(n, np.int64), 1_000_000_020 + np.arange(n) * 31 * 86_400, np.ones(n, np.int64), probes
    )
    store.insert("minutes_raw", rows.minutes(months))
    assert store.rows("SELECT count() FROM minutes") == [(3 * n,)]


def test_threads_insert_and_query_at_once(store: ClickHouse) -> None:
    def work(version: int) -> int:
        store.insert("minutes_raw", minute([UNITS] * 50, 1, version))
        return int(store.arrow("SELECT count() AS n FROM minutes")["n"][0].as_py())

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(1, 25))) == [50] * 24


async def test_the_event_loop_is_free_while_a_query_runs(store: ClickHouse) -> None:
    slow = asyncio.ensure_future(store.run(store.rows, "SELECT sleep(0.5)"))
    turns = 0
    while not slow.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO minutes_raw (probe) SELECT 1",
        "DROP TABLE minutes_raw",
        "SET readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "SELECT * FROM minutes INTO OUTFILE '/tmp/powermon-leak'",
        "SELECT 1 /* */ into\noutfile '/tmp/powermon-leak' FORMAT CSV",
        "SELECT file('/etc/hostname')",
        "SELECT `file`('/etc/hostname')",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM `/etc/hostname`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT 1; DROP TABLE minutes_raw",
        "SELECT number FROM numbers(2000000)",
        "selec",
        "",
    ],
)
def test_people_can_only_read_tables(store: ClickHouse, sql: str) -> None:
    with pytest.raises((QueryRefused, StoreUnavailable)):
        store.for_people(sql)
    assert store.for_people("SELECT count() FROM minutes", "TSV") == b"0\n"
    assert not Path("/tmp/powermon-leak").exists()


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        pytest.param("SELECT 'file(' AS a, ' INTO OUTFILE ' AS b", b"file(\t INTO OUTFILE \n", id="words in a text"),
        pytest.param("WITH x AS (SELECT 1 AS k) SELECT k FROM x -- why not", b"1\n", id="a comment at the end"),
        pytest.param("SELECT 1 AS a FORMAT JSONEachRow", b'{"a":1}\n', id="a format of their own"),
    ],
)
def test_people_get_their_answer(store: ClickHouse, sql: str, answer: bytes) -> None:
    assert store.for_people(sql, "TSV") == answer


def test_a_second_process_in_the_folder_is_told(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    first = ClickHouse(settings)
    try:
        with pytest.raises(ConfigurationError, match=f"in use by process {os.getpid()}"):
            ClickHouse(settings)
    finally:
        first.close()
    ClickHouse(settings).close()


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="POWERMON_CLICKHOUSE_URL") as told:
        ClickHouse(Settings(data=tmp_path, clickhouse_url="http://someone:secret@127.0.0.1:1/default"))
    assert "secret" not in str(told.value)
    assert isinstance(told.value, PowermonError)

"""Records on a real broker and ClickHouse: the same ids whatever stops the store, and whoever writes at once."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from confluent_kafka import Producer

from infra.settings import Settings
from schemas import topics
from schemas.record_part import PART, RECORD, REMOVED, Records, encode_parts
from schemas.registry import Registry
from sinks import tables
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from sinks.record_table import Place, insert, place
from sinks.records import RecordSink
from streams.core.record_fold import Known, fold
from tests.integration.test_sink import at_work, ends, until
from web.datastore.record_log import RecordLog, RecordsRefused
from web.datastore.record_reads import RecordReads

MakeSettings = Callable[[], Settings]

DIES = """
import os, signal
from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from sinks import records
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
{where} = die
settings = Settings()
store = ClickHouse(settings)
migrate(store, settings)
records.RecordSink(settings, store, Registry(settings.registry, settings.schema_cache), topics.CONSUMPTION).work()
"""


@pytest.fixture
def fresh(make_settings: Callable[..., Settings], registry: str, stack_settings: Settings) -> MakeSettings:
    """Data folders of the test's own, on the session's broker."""

    def make() -> Settings:
        settings = make_settings(session_timeout_s=6, sink_interval_ms=50, kafka_bootstrap=stack_settings.kafka)
        settings.schema_cache.write_bytes(stack_settings.schema_cache.read_bytes())
        settings.registry_url = registry
        return settings

    return make


@contextmanager
def opened(settings: Settings) -> Iterator[ClickHouse]:
    store = ClickHouse(settings)
    try:
        migrate(store, settings)
        yield store
    finally:
        store.close()


def registry_of(settings: Settings) -> Registry:
    return Registry(settings.registry, settings.schema_cache)


def sink_of(settings: Settings, store: ClickHouse) -> RecordSink:
    return RecordSink(settings, store, registry_of(settings), topics.CONSUMPTION)


def log_of(settings: Settings, store: ClickHouse | None) -> RecordLog:
    return RecordLog(topics.CONSUMPTION, tables.CONSUMPTION_RAW, settings.kafka, registry_of(settings), store)


def records(trace: int, starts: range, value: float = 1.5) -> Records:
    made = np.zeros(len(starts), RECORD)
    made["series"], made["start_us"], made["value"] = trace, list(starts), value
    return made


def everything(settings: Settings) -> list[tuple[object, ...]]:
    """What a store holds when it has applied the whole log."""
    with opened(settings) as store:
        (end,) = ends(settings, topics.CONSUMPTION).values()
        with at_work(sink_of(settings, store)):
            until(lambda: place(store, tables.CONSUMPTION_RAW).next == end)
        rows = store.rows("SELECT trace, start, id, value, estimated FROM consumption_records ORDER BY trace, start")
        return [*rows, ("next id", place(store, tables.CONSUMPTION_RAW).next_id)]


async def test_a_write_returns_when_it_can_be_read(fresh: MakeSettings) -> None:
    settings = fresh()
    with opened(settings) as store, at_work(sink_of(settings, store)):
        log, reads = log_of(settings, store), RecordReads(store, tables.CONSUMPTION_RAW)
        await log.write(records(900, range(2 * PART + 1)))
        found = await asyncio.to_thread(reads.where, "series = 900")
        assert np.diff(found.record_id).tolist() == [1] * 2 * PART
        removal = records(900, range(1))
        removal["record_id"], removal["flags"] = found.record_id[0], REMOVED
        await log.write(removal)
        with pytest.raises(RecordsRefused):  # it is gone
            await log.write(removal)
        await log.write(records(900, range(1)))
        (again,) = (await asyncio.to_thread(reads.where, "series = 900 AND start_us = 0")).record_id
        assert again == found.record_id[-1] + 1
        await log.close()


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("records.insert", id="before the insert"),
        pytest.param("records.broker.commit", id="between insert and commit"),
    ],
)
async def test_kill_9_of_the_store_changes_no_id(fresh: MakeSettings, where: str) -> None:
    settings = fresh()
    log = log_of(settings, None)
    for trace, starts in ((901, range(5)), (902, range(PART + 5)), (901, range(3, 9))):
        offset = await log.publish(records(trace, starts))
    await log.close()
    env = {
        **os.environ,
        "POWERMON_DATA": str(settings.data),
        "POWERMON_KAFKA_BOOTSTRAP": settings.kafka,
        "POWERMON_REGISTRY_URL": settings.registry,
        "POWERMON_SESSION_TIMEOUT_S": "6",
    }
    child = [sys.executable, "-c", DIES.format(where=where)]
    died = await asyncio.to_thread(subprocess.run, child, env=env, check=False, capture_output=True, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()[-2000:]
    with opened(settings) as store:
        assert (place(store, tables.CONSUMPTION_RAW).next > offset) is (where != "records.insert")
    assert everything(settings) == everything(fresh())


async def test_two_who_write_the_same_new_records_at_once_get_one_id_for_each(fresh: MakeSettings) -> None:
    settings = fresh()
    with opened(settings) as store, at_work(sink_of(settings, store)):
        writers = log_of(settings, store), log_of(settings, store)
        batches = [writer.write(records(903, range(n * 100, n * 100 + 150))) for n in range(10) for writer in writers]
        await asyncio.gather(*batches)
        found = await asyncio.to_thread(RecordReads(store, tables.CONSUMPTION_RAW).where, "series = 903")
        assert len(found) == len(set(found.start_us.tolist())) == 1050
        assert np.diff(found.record_id).tolist() == [1] * 1049
        for writer in writers:
            await writer.close()


async def test_noise_and_half_a_batch_stop_nobody(fresh: MakeSettings) -> None:
    settings = fresh()
    half = encode_parts(
        topics.CONSUMPTION, registry_of(settings).id_of(topics.CONSUMPTION), "half", records(904, range(PART + 1))
    )
    producer = Producer({"bootstrap.servers": settings.kafka})
    for value in (b"noise", half[1][1], half[0][1], None):
        producer.produce(topics.CONSUMPTION.name, value, b"904")
    assert producer.flush(30) == 0
    (letters,) = ends(settings, topics.DEAD_LETTERS).values()
    with opened(settings) as store, at_work(sink_of(settings, store)):
        log = log_of(settings, store)
        await log.write(records(905, range(3)))
        await log.close()
        found = await asyncio.to_thread(RecordReads(store, tables.CONSUMPTION_RAW).where, "series IN (904, 905)")
        assert found.series.tolist() == [905] * 3
        until(lambda: sum(ends(settings, topics.DEAD_LETTERS).values()) >= letters + 2)


def test_a_store_of_another_log_is_told(fresh: MakeSettings) -> None:
    settings = fresh()
    with opened(settings) as store:
        nothing = np.zeros(0, np.int64)
        insert(store, tables.CONSUMPTION_RAW, fold(Known(nothing, nothing, nothing), [], 1).rows, Place(10**12, 10**12, 77), [])
        member = sink_of(settings, store)
        with at_work(member):
            until(lambda: "it is another log" in (member.problem() or ""))

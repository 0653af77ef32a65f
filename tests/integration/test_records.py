"""Records on a real broker and ClickHouse: the same ids whatever stops the store."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from infra.settings import Settings
from schemas import topics
from schemas.record_part import RECORD, Records
from schemas.registry import Registry
from sinks import tables
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from sinks.records import RecordSink
from tests.integration.test_sink import at_work
from web.datastore.record_log import RecordLog


@pytest.fixture
def settings(make_settings: Callable[..., Settings], registry: str, stack_settings: Settings) -> Settings:
    """A data folder of the test's own, on the session's broker."""
    settings = make_settings(session_timeout_s=6, sink_interval_ms=50)
    settings.kafka_bootstrap = stack_settings.kafka
    settings.schema_cache.write_bytes(stack_settings.schema_cache.read_bytes())
    settings.registry_url = registry
    return settings


@pytest.fixture
def store(settings: Settings) -> Iterator[ClickHouse]:
    store = ClickHouse(settings)
    try:
        migrate(store, settings)
        yield store
    finally:
        store.close()


def records(trace: int, starts: range, value: float) -> Records:
    made = np.zeros(len(starts), RECORD)
    made["series"], made["start_us"], made["value"] = trace, list(starts), value
    return made


async def test_a_write_returns_when_it_can_be_read(settings: Settings, store: ClickHouse) -> None:
    registry = Registry(settings.registry, settings.schema_cache)
    log = RecordLog(topics.CONSUMPTION, tables.CONSUMPTION_RAW, settings.kafka, registry, store)
    with at_work(RecordSink(settings, store, registry, topics.CONSUMPTION)):
        await log.write(records(900, range(60_000), 1.5))
        rows = await store.run(
            store.rows, "SELECT count(), min(id), max(id), sum(value) FROM consumption_records WHERE trace = 900"
        )
        assert rows[0][0] == 60_000
        assert rows[0][2] - rows[0][1] == 59_999
    await log.close()

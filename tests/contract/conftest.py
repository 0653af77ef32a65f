"""What several contracts are tested on."""

from collections.abc import AsyncIterator, Iterator

import pytest

from infra.settings import Settings
from sinks import tables
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from tests.fakes.datastore import Store, datastore
from tests.fakes.records import RecordParts


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """The datastore with user `demo` and its owner, both pk 1, and nothing else."""
    async with datastore() as running:
        yield running


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """Tables for records."""
    settings = Settings(data=tmp_path_factory.mktemp("records"), clickhouse_url="")
    found = ClickHouse(settings)
    try:
        migrate(found, settings)
        yield found
    finally:
        found.close()


@pytest.fixture
async def parts(shelf: ClickHouse) -> RecordParts:
    """The doors of records over empty tables."""
    for table in (tables.CONSUMPTION_RAW, tables.WEATHER_RAW):
        shelf.command(f"TRUNCATE TABLE {table.name}")
    return RecordParts(shelf)


@pytest.fixture
async def shelved(parts: RecordParts) -> AsyncIterator[Store]:
    """The datastore with records of consumption and weather."""
    async with datastore(records=parts.records, endpoints=parts.endpoints()) as running:
        parts.catalog = running.catalog
        yield running


@pytest.fixture
async def trace(shelved: Store) -> int:
    """Of project ABC, E_C_S, without records."""
    project = await shelved.project()
    body = {"interpretation": "E_C_S", "unit": "KWH", "project": project["id"]}
    return int((await shelved.post("consumption_metadatas/?summary=True", body))["id"])

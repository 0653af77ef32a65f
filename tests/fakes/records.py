"""A log of records without a broker: the real fold into the real table, at once; and the doors of records over it."""

from typing import Any

from schemas.record_part import Records
from sinks import tables
from sinks.clickhouse import ClickHouse
from sinks.record_table import Place, insert, known, place
from sinks.tables import Table
from streams.core.record_batches import Batch
from streams.core.record_fold import fold
from tests.fakes.catalog import FakeCatalog
from web.datastore.body import Bodies
from web.datastore.door import Endpoint
from web.datastore.record_log import RecordsRefused
from web.datastore.record_reads import RecordReads
from web.datastore.records import RecordsApi
from web.datastore.weather import WeatherApi


class FakeRecordLog:
    """Stands for web.datastore.record_log.RecordLog.

    Attributes:
        trouble: raised by the next write, once.
    """

    def __init__(self, store: ClickHouse, table: Table) -> None:
        self._store, self._table = store, table
        self.trouble: Exception | None = None

    async def write(self, records: Records) -> None:
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        if not len(records):
            return
        offset = place(self._store, self._table).next
        here, there = known(self._store, self._table, [records])
        folded = fold(there, [Batch(offset, offset, records)], here.next_id)
        insert(self._store, self._table, folded.rows, Place(offset + 1, offset + 1, folded.next_id), folded.refused)
        if folded.refused:
            raise RecordsRefused


class RecordParts:
    """What the API of records is made of.

    Attributes:
        catalog: to be set to that of the API whose parts these are.
    """

    def __init__(self, shelf: ClickHouse) -> None:
        self.log = FakeRecordLog(shelf, tables.CONSUMPTION_RAW)
        self.weather_log = FakeRecordLog(shelf, tables.WEATHER_RAW)
        self.catalog = FakeCatalog()
        bodies = Bodies()
        self.records = RecordsApi(self, bodies, RecordReads(shelf, tables.CONSUMPTION_RAW), self.log)
        self.weather = WeatherApi(self, bodies, RecordReads(shelf, tables.WEATHER_RAW), self.weather_log)

    @property
    def state(self) -> Any:
        return self.catalog.state

    def endpoints(self) -> list[Endpoint]:
        return [*self.records.endpoints(), *self.weather.endpoints()]

"""A log of records without a broker: the real fold into the real table, at once."""

from schemas.record_part import Records
from sinks.clickhouse import ClickHouse
from sinks.record_table import Place, insert, known, place
from sinks.tables import Table
from streams.core.record_batches import Batch
from streams.core.record_fold import fold
from web.datastore.record_log import RecordsRefused


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

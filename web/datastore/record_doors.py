"""Everything about records that one web server holds."""

from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from sinks import tables
from sinks.clickhouse import ClickHouse
from web.datastore.body import Bodies
from web.datastore.door import Endpoint
from web.datastore.record_log import RecordLog
from web.datastore.record_reads import RecordReads
from web.datastore.records import RecordsApi
from web.datastore.weather import WeatherApi
from web.identity import Catalog


class RecordDoors:
    """The doors of consumption and weather.

    Attributes:
        records: keeps the records of traces.
    """

    def __init__(self, settings: Settings, store: ClickHouse, catalog: Catalog, bodies: Bodies) -> None:
        registry = Registry(settings.registry, settings.schema_cache)
        consumption = RecordLog(topics.CONSUMPTION, tables.CONSUMPTION_RAW, settings.kafka, registry, store)
        weather = RecordLog(topics.WEATHER, tables.WEATHER_RAW, settings.kafka, registry, store)
        self._logs = consumption, weather
        self.records = RecordsApi(catalog, bodies, RecordReads(store, tables.CONSUMPTION_RAW), consumption)
        self.weather = WeatherApi(catalog, bodies, RecordReads(store, tables.WEATHER_RAW), weather)

    def endpoints(self) -> list[Endpoint]:
        return [*self.records.endpoints(), *self.weather.endpoints()]

    async def close(self) -> None:
        for log in self._logs:
            await log.close()

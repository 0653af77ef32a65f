"""A trace that names a sensor or a Linky: its hours come, change and grow, each change once, over the real log."""

from collections.abc import Callable
from typing import Any

import numpy as np

from infra.settings import Settings
from schemas import topics
from schemas.record_part import RECORD, REMOVED
from sinks import tables
from sinks.clickhouse import ClickHouse
from sinks.record_table import place
from sinks.source_feed import SourceFeed
from streams.catalog.datastore.entries import Trace
from streams.catalog.datastore.source import TraceSource
from tests.fakes import house, linky_house
from tests.integration.test_records import fresh, log_of, opened, registry_of, sink_of
from tests.integration.test_sink import at_work, ends, until

__all__ = ["fresh"]

MakeSettings = Callable[[], Settings]
T0 = 1_790_002_800
SENSOR, LINKY = "gre000001", "052165900001"
NOW_S = T0 + 6 * 3600 + 600


def trace_of(pk: int, kind: Any = "power", sensor: str = SENSOR, energy: str = "import") -> Trace:
    return Trace(pk, "E_C_S", "KWH", source=TraceSource(kind, sensor, energy))


def minutes(first: int, end: int) -> list[int]:
    return [T0 + 60 * m for m in range(first, end)]


def held(store: ClickHouse, trace: int) -> dict[int, tuple[int, float | None, bool]]:
    """(id, kWh, estimated) by hour from T0."""
    columns = "toInt64(toUnixTimestamp(start)), id, value, estimated"
    rows = store.rows(f"SELECT {columns} FROM consumption_records WHERE trace = {trace} ORDER BY start")
    return {(at - T0) // 3600: (record, value, bool(estimated)) for at, record, value, estimated in rows}


def metered(store: ClickHouse, hour: int) -> float:
    """What the minutes say of an hour of the sensor, kWh."""
    span = f"minute >= {T0 + hour * 3600} AND minute < {T0 + (hour + 1) * 3600}"
    ((mws,),) = store.rows(f"SELECT sum(import_mws) FROM energy_minutes WHERE sensor_id = '{SENSOR}' AND {span}")
    return float(mws) / 3.6e9


async def test_hours_come_change_and_grow_each_change_once(fresh: MakeSettings) -> None:
    settings = fresh()
    with opened(settings) as store:
        sink = sink_of(settings, store)
        house.fill_minutes(store, SENSOR, [m for m in minutes(0, 300) if not T0 + 7200 <= m < T0 + 7800])
        linky_house.fill_minutes(store, linky_house.minutes(LINKY, T0, T0 + 7200, []))
        traces, now = [trace_of(9101), trace_of(9102, "linky", LINKY, "drawn")], [float(NOW_S)]
        feed = SourceFeed(settings, store, registry_of(settings), sink, lambda: traces, lambda: now[0])
        assert not feed.look()  # nobody applies the topic here yet
        with at_work(sink):

            def looked() -> int:
                """Look, until all is applied; how many messages that took."""
                before = end()
                until(feed.look)
                until(lambda: place(store, tables.CONSUMPTION_RAW).next == end())
                return end() - before

            def end() -> int:
                (found,) = ends(settings, topics.CONSUMPTION).values()
                return found

            assert looked() == 2
            first = held(store, 9101)
            assert {hour: value for hour, (_, value, _) in first.items()} == {
                **{hour: metered(store, hour) for hour in (0, 1, 3, 4)},
                2: None,  # 10 of its minutes are missing
                5: None,  # closes the series
            }
            assert [held(store, 9102)[hour][1] is not None for hour in (0, 1, 2)] == [True, True, False]
            assert looked() == 0

            house.fill_minutes(store, SENSOR, minutes(120, 130))  # late
            assert looked() == 1
            assert held(store, 9101) == {**first, 2: (first[2][0], metered(store, 2), False)}

            house.fill_minutes(store, SENSOR, minutes(300, 360))  # the next hour
            assert looked() == 1
            grown = held(store, 9101)
            assert grown[5] == (first[5][0], metered(store, 5), False)
            assert grown[6][1] is None

            log = log_of(settings, store)
            wrong = np.zeros(1, RECORD)
            wrong["series"], wrong["start_us"], wrong["value"] = 9101, T0 * 1_000_000, 99.0
            wrong["flags"] = REMOVED
            await log.write(wrong)
            before = np.zeros(1, RECORD)
            before["series"], before["start_us"], before["value"] = 9101, (T0 - 7200) * 1_000_000, 4.0
            await log.write(before)
            now[0] += 600  # every hour is looked at again
            assert looked() == 1
            assert held(store, 9101)[0][1] == metered(store, 0)
            assert held(store, 9101)[-2][1] == 4.0  # from before there was the sensor
            await log.close()

        again = SourceFeed(settings, store, registry_of(settings), sink_of(settings, store), lambda: traces, lambda: now[0])
        assert not again.look()  # another member applies it now: nothing is written

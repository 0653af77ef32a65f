"""Records for the meter, read from ClickHouse."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from schemas import topics
from sinks import tables
from streams.meter.task import Columns

PAGE = 500_000
"""Rows of one query at most: half of what the web server's door for queries gives in one answer."""

Query = Callable[[str], pa.Table]
"""Runs one reading statement."""

_PLACES = {topics.CONSUMPTION.name: tables.CONSUMPTION_RAW.name, topics.WEATHER.name: tables.WEATHER_RAW.name}


class Stored:
    """Reads what the sink has stored. All calls block and may raise PartUnavailable.

    Args:
        query: ClickHouse itself, or the web server before it.
    """

    def __init__(self, query: Query) -> None:
        self._query = query

    def position(self) -> dict[str, int]:
        """Next offset by topic; how far the sink is stands at series 0, start 0 of each table."""
        parts = [
            f"SELECT '{topic}' AS topic, max(version) AS at FROM {table} WHERE series = 0 AND start_us = 0"
            for topic, table in _PLACES.items()
        ]
        found = self._query(" UNION ALL ".join(parts)).to_pylist()
        return {_text(row["topic"]): int(row["at"]) for row in found}

    def read_trace(self, trace: int) -> Columns:
        return self._series(tables.CONSUMPTION_RAW.name, trace)

    def read_weather(self, station: int, *, normal: bool) -> Columns:
        return self._series(tables.WEATHER_RAW.name, 2 * station + normal)

    def _series(self, table: str, series: int) -> Columns:
        pages: list[pa.Table] = []
        after = ""
        while True:
            page = self._query(
                f"SELECT start_us, value, estimated FROM {table} FINAL "
                f"WHERE series = {series:d} AND NOT removed{after} ORDER BY start_us LIMIT {PAGE}"
            )
            pages.append(page)
            if page.num_rows < PAGE:
                break
            after = f" AND start_us > {page['start_us'][-1].as_py():d}"
        found = pa.concat_tables(pages)
        value = found["value"].cast(pa.float64()).to_numpy()  # null becomes NaN
        estimated = found["estimated"].cast(pa.uint8()).to_numpy().astype(np.bool_)
        return Columns.of(found["start_us"].cast(pa.int64()).to_numpy(), value, estimated)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value

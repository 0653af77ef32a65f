"""Fills the tables of quarter-hours: some quarters anew, or all after the minutes were exchanged."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import structlog

from sinks import tables
from sinks.clickhouse import ClickHouse, quoted
from sinks.quarter_sql import KINDS, QUARTER_S, Kind, fill, forget

Quarter = tuple[str, int]
"""Sensor or meter, and the UTC second at which the quarter begins."""

Span = tuple[int, int, tuple[str, ...]]
"""First second, end second, sensors."""

DAY_S = 86_400
SENSORS_AT_ONCE = 500

log = structlog.get_logger()


def quarter_of(at_s: int) -> int:
    """The UTC second at which a moment's quarter-hour begins."""
    return at_s - at_s % QUARTER_S


def spans(touched: Iterable[Quarter]) -> list[Span]:
    """Stretches of at most a day that hold these quarters, and the one after each, whose sliding demand reaches back.

    Sensors with the same stretch are done together.
    """
    by_sensor: dict[str, set[int]] = defaultdict(set)
    for sensor, at in touched:
        by_sensor[sensor] |= {at, at + QUARTER_S}
    together: dict[tuple[int, int], list[str]] = defaultdict(list)
    for sensor, quarters in by_sensor.items():
        for stretch in _stretches(sorted(quarters)):
            together[stretch].append(sensor)
    return [
        (first, end, tuple(sorted(sensors)[at : at + SENSORS_AT_ONCE]))
        for (first, end), sensors in sorted(together.items())
        for at in range(0, len(sensors), SENSORS_AT_ONCE)
    ]


def _stretches(quarters: list[int]) -> Iterator[tuple[int, int]]:
    first = end = quarters[0]
    for at in quarters:
        if at != end or at - first >= DAY_S:
            yield first, end
            first = at
        end = at + QUARTER_S
    yield first, end


def refresh(store: ClickHouse, kind: Kind, touched: Iterable[Quarter], beat: Callable[[], None] = lambda: None) -> None:
    """Make these quarters from the minutes as they are now. May be done again, and by several at once.

    Args:
        beat: called between the steps.
    """
    now = generation(store, kind)  # before the minutes are read: what is read after an exchange may say less, never more
    for first, end, sensors in spans(touched):
        store.command(fill(kind, first, end, sensors, now))
        beat()


def generation(store: ClickHouse, kind: Kind) -> int:
    """How often the table of minutes was exchanged."""
    ((found,),) = store.rows(
        f"SELECT max(generation) FROM {tables.ROLLUP_GENERATIONS.name} WHERE minutes = {quoted(kind.minutes.name)}"
    )
    return int(found)


def after_exchange(store: ClickHouse, minutes: str) -> None:
    """The table of minutes holds others now: make all quarters anew. May be done again.

    Args:
        minutes: its name.
    """
    kind = next(one for one in KINDS if one.minutes.name == minutes)
    # Noted before anything is made: whoever reads the number later, reads the minutes later too.
    store.command(
        f"INSERT INTO {tables.ROLLUP_GENERATIONS.name} (minutes, generation) VALUES "
        f"({quoted(minutes)}, {generation(store, kind) + 1})"
    )
    rebuild(store, kind)


def rebuild(store: ClickHouse, kind: Kind, beat: Callable[[], None] = lambda: None) -> None:
    """Make every quarter from the minutes, a day at a time, and forget those that have none any more.

    Quarters from before the oldest minute stay: minutes may be kept for less long.
    """
    began, now = time.monotonic(), generation(store, kind)
    both = " UNION ALL ".join(
        f"SELECT {column} AS at FROM {table.name}" for table, column in ((kind.minutes, "minute"), (kind.quarters, "quarter"))
    )
    ((count, first),) = store.rows(f"SELECT count(), toInt64(toUnixTimestamp(min(minute))) FROM {kind.minutes.name}")
    days = f"SELECT DISTINCT toInt64(intDiv(toUnixTimestamp(at), {DAY_S})) * {DAY_S} AS day FROM ({both}) ORDER BY day"
    for (day,) in store.rows(days):
        start = max(day, quarter_of(first)) if count else day
        if start >= day + DAY_S:
            continue
        store.command(fill(kind, start, day + DAY_S, None, now))
        store.command(forget(kind, start, day + DAY_S, now))
        beat()
    log.info("quarter-hours made anew", of=kind.minutes.name, seconds=round(time.monotonic() - began, 2))


def begin(store: ClickHouse, kind: Kind, beat: Callable[[], None] = lambda: None) -> None:
    """Make the quarters of minutes that were there before there were quarters."""
    ((known,),) = store.rows(f"SELECT count() FROM (SELECT 1 FROM {kind.quarters.name} LIMIT 1)")
    if not known:
        rebuild(store, kind, beat)

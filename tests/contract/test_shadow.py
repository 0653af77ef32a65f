"""The table of a replay on a real engine: what it takes over, what differs, there and back, also through a crash."""

from collections.abc import Callable, Iterator

import pytest

from infra.errors import PartUnavailable
from infra.settings import Settings
from schemas.units import UNITS
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from sinks.shadow import Shadow
from sinks.shadow_diff import difference
from streams.core.replay_plan import Asked, Plan

DAY = 1_800_000_000 // 86_400 * 86_400
ENDS = {0: 100, 1: 50}
"""Sensor a is in partition 0, b in 1; c is in no raw row."""

Rows = set[tuple[str, int, int, int]]


@pytest.fixture
def store(make_settings: Callable[..., Settings]) -> Iterator[ClickHouse]:
    settings = make_settings()
    store = ClickHouse(settings)
    try:
        migrate(store, settings)
        raw = ", ".join(f"('{sensor}', toDateTime({DAY}, 'UTC'), 1, {p}, 7)" for sensor, p in (("a", 0), ("b", 1)))
        store.command(f"INSERT INTO readings_raw (sensor_id, second, probe, log_partition, rank) VALUES {raw}")
        yield store
    finally:
        store.close()


def shadow(store: ClickHouse, asked: Asked = Asked()) -> Shadow:  # noqa: B008
    made = Shadow(store, Settings(), Plan("again", asked, ENDS, {0: 0, 1: 0}, asked.from_s, asked.from_s))
    made.make()
    return made


def put(store: ClickHouse, table: str, *rows: tuple[str, int, int, int]) -> None:
    """Rows of (sensor, minute of the day, version, energy in mW s)."""
    values = ", ".join(f"('{s}', toDateTime({DAY + 60 * m}, 'UTC'), 1, {v}, 1, 20, {e * UNITS})" for s, m, v, e in rows)
    store.command(f"INSERT INTO {table} (sensor_id, minute, probe, version, seconds_mask, samples, energy_units) VALUES {values}")


def live(store: ClickHouse) -> Rows:
    return set(
        store.rows(f"SELECT toString(sensor_id), intDiv(toUnixTimestamp(minute) - {DAY}, 60), version, energy_mws FROM minutes")
    )


def now() -> bool:
    return True


def test_a_swap_takes_over_what_live_did_since_and_what_the_replay_was_not_about(store: ClickHouse) -> None:
    some = shadow(store, Asked(DAY + 60, None, ("a", "b")))
    put(store, "minutes_raw", ("a", 0, 1, 5), ("a", 1, 2, 5), ("a", 2, 120, 5), ("b", 3, 60, 5), ("b", 1, 40, 5), ("c", 1, 70, 5))
    put(store, some.name, ("a", 1, 2, 7), ("a", 2, 90, 7), ("b", 1, 40, 7))
    some.swap(now)
    assert live(store) == {("a", 0, 1, 5), ("a", 1, 2, 7), ("a", 2, 120, 5), ("b", 3, 60, 5), ("b", 1, 40, 7), ("c", 1, 70, 5)}
    put(store, "minutes_raw", ("a", 9, 130, 6))
    some.undo(now)
    assert live(store) == {
        *[("a", 0, 1, 5), ("a", 1, 2, 5), ("a", 2, 120, 5), ("b", 3, 60, 5), ("b", 1, 40, 5), ("c", 1, 70, 5)],
        ("a", 9, 130, 6),
    }


def test_an_insert_on_its_way_during_the_exchange_is_brought_over(store: ClickHouse) -> None:
    whole = shadow(store)
    put(store, whole.name, ("a", 1, 2, 7))

    def settled() -> bool:  # the table that was live when the sink began its insert has another name now
        put(store, whole.name, ("a", 5, 110, 9))
        return True

    whole.swap(settled)
    assert live(store) == {("a", 1, 2, 7), ("a", 5, 110, 9)}


def test_a_swap_that_was_interrupted_after_the_exchange_goes_on(store: ClickHouse) -> None:
    whole = shadow(store)
    put(store, "minutes_raw", ("a", 1, 2, 5))
    put(store, whole.name, ("a", 1, 2, 7))

    def crash() -> bool:
        raise PartUnavailable("the broker is away")

    with pytest.raises(PartUnavailable):
        whole.swap(crash)
    put(store, whole.name, ("a", 5, 110, 9))
    whole.swap(now)
    assert live(store) == {("a", 1, 2, 7), ("a", 5, 110, 9)}
    with pytest.raises(PartUnavailable):
        whole.undo(crash)
    whole.undo(now)
    assert live(store) == {("a", 1, 2, 5), ("a", 5, 110, 9)}


def test_the_difference_is_told_by_sensor_and_day_and_the_worst_rows(store: ClickHouse) -> None:
    whole = shadow(store)
    same = [("a", 1, 1, 5), ("b", 1, 1, 5)]
    put(store, "minutes_raw", *same, ("a", 2, 2, 5), ("a", 3, 3, 5), ("b", 1440, 4, 5), ("a", 4, 150, 5), ("a", 6, 6, 5))
    put(store, whole.name, *same, ("a", 2, 2, 9), ("a", 5, 5, 1), ("b", 1440, 4, 4), ("a", 4, 90, 7), ("a", 6, 7, 5))
    found = difference(whole, worst=3)
    assert (found["minutes"], found["newer"], found["differing"]) == (7, 1, 5)
    days = [(d["sensor_id"], d["only_live"], d["only_replay"], d["differing"], d["energy_difference_mws"]) for d in found["days"]]
    assert days == [("a", 1, 1, 2, 0), ("b", 0, 0, 1, -1)]
    assert [(w["sensor_id"], (w["minute_s"] - DAY) // 60, w["energy_difference_mws"]) for w in found["worst"]] == [
        ("a", 3, -5),
        ("a", 2, 4),
        ("a", 5, 1),
    ]
    assert (found["worst"][0]["live"]["energy_mws"], found["worst"][0]["replay"]) == (5, None)
    whole.swap(now)
    assert difference(whole)["days"] == found["days"], "compared with what it replaced"

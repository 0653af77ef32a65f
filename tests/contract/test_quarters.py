"""Quarter-hours on the real engine, against the oracle: any order of minutes, late ones, exchanged tables."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from infra.settings import Settings
from schemas.units import UNITS
from sinks import rollup
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from sinks.quarter_sql import LINKY, POWER
from tests.fakes import linky_house
from tests.quarters import Minute, insert, oracle, steady, stored

T0 = 1_772_440_200  # a quarter-hour


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    settings = Settings(data=tmp_path_factory.mktemp("quarters"), clickhouse_url="")
    store = ClickHouse(settings)
    migrate(store, settings)
    yield store
    store.close()


@pytest.fixture
def store(opened: ClickHouse) -> ClickHouse:
    empty(opened)
    return opened


def empty(store: ClickHouse) -> None:
    for table in ("minutes_raw", "quarters_raw", "rollup_generations"):
        store.command(f"TRUNCATE TABLE {table}")


def take(store: ClickHouse, minutes: list[Minute]) -> None:
    """What the sink and the roller do with a batch."""
    insert(store, minutes)
    rollup.refresh(store, POWER, {(m.sensor, rollup.quarter_of(m.minute_s)) for m in minutes})


energy = st.integers(-(10**9), 10**9).map(lambda e: e * 60 * UNITS + e % 7)
minute = st.builds(
    Minute,
    st.sampled_from(["a000001", "b000002"]),
    st.integers(0, 50).map(lambda m: T0 + 60 * m),
    st.integers(0, 10**12),
    st.lists(energy, min_size=1, max_size=3).map(lambda es: tuple(enumerate(es, 1))),
    st.integers(1, (1 << 60) - 1),
    st.integers(-60 * 100 * UNITS, 60 * 100 * UNITS),
)


@given(st.lists(st.lists(minute, max_size=12), min_size=1, max_size=5))
@given_settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_in_whatever_order_the_quarters_are_those_of_the_minutes(
    opened: ClickHouse, batches: list[list[Minute]]
) -> None:
    empty(opened)
    unique: dict[tuple[str, int, int], Minute] = {}
    for batch in batches:  # a minute never has two contents for one version
        for at, m in enumerate(batch):
            # Nor another number of probes in another version: a probe never vanishes.
            whole = Minute(
                m.sensor, m.minute_s, m.version, tuple((k, m.energy[(k - 1) % len(m.energy)][1]) for k in (1, 2, 3)), m.mask, m.pf
            )
            batch[at] = unique.setdefault((m.sensor, m.minute_s, m.version), whole)
        take(opened, batch)
    every = list(unique.values())
    assert stored(opened) == oracle(every)
    opened.command("TRUNCATE TABLE quarters_raw")
    rollup.begin(opened, POWER)
    assert stored(opened) == oracle(every)


def test_an_older_row_never_wins(store: ClickHouse) -> None:
    early = [steady("a000001", T0 + 60 * m, 1000, m) for m in range(3)]
    insert(store, early)
    rollup.refresh(store, POWER, {("a000001", T0)})
    late = [*early, steady("a000001", T0 + 180, 5000, 3)]
    take(store, late)
    older = store.rows("SELECT min(version), max(version) FROM quarters_raw WHERE minutes < 4")[0]
    store.command(  # a slower writer's row comes after
        f"INSERT INTO quarters_raw SELECT * REPLACE ({older[0]} AS version, 1 AS minutes) FROM quarters_raw FINAL"
    )
    assert stored(store) == oracle(late)


def test_late_minutes_touch_their_quarter_and_the_sliding_demand_of_the_next(store: ClickHouse) -> None:
    day = [steady("a000001", T0 + 60 * m, 1000 + m, m) for m in range(90) if m != 14]
    take(store, day)
    before = {row[0]: row[1] for row in store.rows("SELECT quarter, version FROM quarters_raw FINAL")}
    take(store, [steady("a000001", T0 + 60 * 14, 9000, 1000)])
    after = {row[0]: row[1] for row in store.rows("SELECT quarter, version FROM quarters_raw FINAL")}
    assert [q for q, _ in sorted(before.items()) if after[q] != before[q]] == sorted(before)[:2]
    assert stored(store) == oracle([*day, steady("a000001", T0 + 60 * 14, 9000, 1000)])


def test_after_an_exchange_the_quarters_are_those_of_the_new_minutes_and_back(store: ClickHouse) -> None:
    old = [steady("a000001", T0 + 60 * m, 1000, 500 + m) for m in range(40)]
    new = [steady("a000001", T0 + 60 * m, 800, 200 + m) for m in range(20)]  # fewer, and of lower versions
    take(store, old)
    store.command("CREATE TABLE minutes_raw_other AS minutes_raw")
    insert(store, new, "minutes_raw_other")
    store.command("EXCHANGE TABLES minutes_raw AND minutes_raw_other")
    rollup.after_exchange(store, "minutes_raw")
    assert stored(store) == oracle(new)
    more = [*new, steady("a000001", T0 + 60 * 39, 700, 900)]
    take(store, more[-1:])
    assert stored(store) == oracle(more)
    store.command("EXCHANGE TABLES minutes_raw AND minutes_raw_other")
    rollup.after_exchange(store, "minutes_raw")
    rollup.after_exchange(store, "minutes_raw")
    assert stored(store) == oracle(old)
    store.command("DROP TABLE minutes_raw_other SYNC")


def test_quarters_outlive_minutes(store: ClickHouse) -> None:
    old = [steady("a000001", T0 + 60 * m, 1000, m) for m in range(30)]
    new = [steady("a000001", T0 + 86_400 * 3 + 60 * m, 1000, 100 + m) for m in range(30)]
    take(store, [*old, *new])
    store.command(f"ALTER TABLE minutes_raw DELETE WHERE minute < toDateTime({T0 + 86_400}, 'UTC') SETTINGS mutations_sync = 2")
    rollup.after_exchange(store, "minutes_raw")
    assert stored(store) == oracle([*old, *new])


def test_the_view_shows_mws_and_demand(store: ClickHouse) -> None:
    take(store, [steady("a000001", T0 + 60 * m, 3000, m) for m in range(10)])
    assert store.rows(
        "SELECT energy_a_mws, import_mws, export_mws, demand_mw, sliding_demand_mw, seconds, coverage FROM quarters"
    ) == [(600_000_000, 1_800_000_000, 0, 2_000_000.0, 2_000_000.0, 600, pytest.approx(2 / 3))]


def test_a_linkys_quarter_has_its_counters(store: ClickHouse) -> None:
    first = T0 - T0 % 86_400
    minutes = linky_house.minutes("052165900001", first, first + 7200, [range(first + 1000, first + 2000)])
    linky_house.fill_minutes(store, minutes)
    starts = [row[0] for row in store.rows("SELECT toInt64(toUnixTimestamp(minute)) FROM tic_minutes_raw")]
    rollup.refresh(store, LINKY, {("052165900001", rollup.quarter_of(at)) for at in starts})
    of_minutes: dict[int, list[tuple]] = {}
    for at, *rest in store.rows(
        "SELECT toInt64(toUnixTimestamp(minute)), bitCount(seconds_mask), drawn_wh, injected_wh, index_label, index_first_wh, "
        "index_last_wh, energy_wh FROM tic_minutes_raw FINAL ORDER BY minute"
    ):
        of_minutes.setdefault(rollup.quarter_of(at), []).append(tuple(rest))
    found = store.rows(
        "SELECT toInt64(toUnixTimestamp(quarter)), minutes, seconds, drawn_wh, injected_wh, "
        "index_label, index_first_wh, index_last_wh, energy_wh FROM tic_quarters_raw FINAL ORDER BY quarter"
    )
    assert [row[0] for row in found] == sorted(of_minutes)
    for at, count, seconds, drawn, injected, labels, firsts, lasts, energies in found:
        of = of_minutes[at]
        assert (count, seconds, drawn, injected) == (len(of), *(sum(m[k] for m in of) for k in range(3)))
        assert list(labels) == sorted({label for m in of for label in m[3]})
        for label, *counted in zip(labels, firsts, lasts, energies, strict=True):
            mine = [(m[4][k], m[5][k], m[6][k]) for m in of for k, name in enumerate(m[3]) if name == label]
            assert counted == [mine[0][0], mine[-1][1], sum(one[2] for one in mine)]

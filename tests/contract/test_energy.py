"""The named energies of a minute, against the oracle: solar, a phase that is missing, seconds that are."""

from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from infra.settings import Settings
from schemas import topics, wire
from schemas.reading_decoder import ReadingDecoder
from schemas.sensor_reading import ProbeSecond, SensorReading
from sinks import rows
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from streams.core.window import Partition
from tests.builders import oracle, reading
from tests.folding import LATENESS_S, T0, batch_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    settings = Settings(data=tmp_path_factory.mktemp("energy"), clickhouse_url="")
    store = ClickHouse(settings)
    try:
        migrate(store, settings)
        yield store
    finally:
        store.close()


def energies(log: list[SensorReading]) -> dict[tuple[str, int], tuple[object, ...]]:
    """By the definitions of docs/energy.md, one minute at a time."""
    by_minute: dict[tuple[str, int], dict[int, dict[str, object]]] = {}
    for (sensor, minute, probe), row in oracle(log).items():
        by_minute.setdefault((sensor, minute), {})[probe] = row
    found = {}
    for key, phases in by_minute.items():
        energy: dict[int, Fraction] = {probe: row["energy"] for probe, row in phases.items()}  # type: ignore[misc]
        net = sum(energy.values(), Fraction(0))
        every = (1 << 60) - 1
        for row in phases.values():
            every &= int(str(row["seconds_mask"]))
        found[key] = (
            *(round(energy[k]) if k in energy else None for k in (1, 2, 3)),
            round(max(net, Fraction(0))),
            round(max(-net, Fraction(0))),
            round(sum((e for e in energy.values() if e > 0), Fraction(0))),
            round(sum((-e for e in energy.values() if e < 0), Fraction(0))),
            *(int(str(phases[k]["seconds_mask"])).bit_count() if k in phases else 0 for k in (1, 2, 3)),
            len(phases),
            every.bit_count(),
            pytest.approx(every.bit_count() / 60),
            max(row["last"] for row in phases.values()),  # type: ignore[type-var]
        )
    return found


def stored(store: ClickHouse, log: list[SensorReading]) -> dict[tuple[str, int], tuple[object, ...]]:
    """The view's rows when the log was folded and inserted."""
    store.command("TRUNCATE TABLE minutes_raw")
    state, decoder = Partition(LATENESS_S * 1000), ReadingDecoder(lambda _: wire.raw_schema(topics.READINGS))
    stamped = [((T0 + 60) * 1000, one) for one in log]
    state.fold(batch_of(decoder, stamped, 0, len(stamped)))
    store.insert("minutes_raw", rows.minutes(state.checkpoint(decoder.names.names).minutes))
    found = store.rows("SELECT * EXCEPT minute, toUnixTimestamp(minute) FROM energy_minutes")
    return {(sensor, minute): tuple(rest) for sensor, *rest, minute in found}


phase = st.tuples(st.integers(-50_000_000, 50_000_000), st.integers(18, 22), st.integers(-9, 9))
second = st.tuples(
    st.sampled_from(["a000001", "b000002"]),
    st.integers(0, 119),
    st.dictionaries(st.integers(1, 3), phase, min_size=1, max_size=3),
)


@given(st.lists(second, min_size=1, max_size=25))
@given_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_view_says_what_the_oracle_says(store: ClickHouse, seconds: list) -> None:
    log = [
        reading(
            sensor,
            T0 + at,
            [ProbeSecond(k, "CT", [p + s * i for i in range(n)], [90] * n, [230_000]) for k, (p, n, s) in phases.items()],
        )
        for sensor, at, phases in seconds
    ]
    assert stored(store, log) == energies(log)


def test_a_solar_phase_is_netted_as_a_meter_does_and_kept_apart_in_the_arithmetic_sums(store: ClickHouse) -> None:
    def second_of(at: int) -> SensorReading:
        powers = {1: 10_000, 2: -15_000} | ({3: 5_000} if at % 3 == 0 else {})
        return reading(timestamp_s=T0 + at, probes=[ProbeSecond(k, "CT", [p] * 20, [99] * 20, [1]) for k, p in powers.items()])

    (row,) = stored(store, [second_of(at) for at in range(60)]).values()
    assert row[:3] == (600_000, -900_000, 100_000)
    assert row[3:5] == (0, 200_000)
    assert row[5:7] == (700_000, 900_000)
    assert row[7:12] == (60, 60, 20, 3, 20)
    assert row[12] == pytest.approx(1 / 3)

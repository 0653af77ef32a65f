"""The limits of sensors by time, as the rules of one partition hold them while the catalog changes."""

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from streams.core.anomaly.limits import ROW, Limits
from streams.core.anomaly.sensors import Sensors

CONTRACT = ROW.index("contract_mw")


@dataclass
class Catalog:
    """What somebody says of sensors, one after another."""

    said: dict[str, Limits] = field(default_factory=dict)
    version: int = 0

    def of(self, sensor_id: str) -> Limits:
        return self.said.get(sensor_id, Limits())


def at(limits: Limits, second: int) -> int:
    return int(next((w for until_s, w in limits.earlier if second < until_s), limits.contracted_power_w) * 1000)


powers_w = st.integers(0, 5).map(float)
earlier = st.dictionaries(st.integers(1, 9), powers_w, max_size=5).map(lambda d: tuple(sorted(d.items())))
said = st.lists(st.tuples(st.integers(0, 3), powers_w, earlier), max_size=12)


@given(said)
def test_each_sensor_has_its_own_limits_of_each_time_whatever_was_said_before(
    said: list[tuple[int, float, tuple[tuple[int, float], ...]]],
) -> None:
    catalog = Catalog()
    sensors = Sensors(catalog)
    names = [f"a00000{k}" for k in range(4)]
    rows = [sensors.row(name) for name in names]
    for k, power_w, before in said:
        known = catalog.of(names[k])
        catalog.said[names[k]] = replace(Limits(), contracted_power_w=power_w, earlier=before)
        catalog.version += 1
        same = [at(known, t) for t in range(11)] == [at(catalog.of(names[k]), t) for t in range(11)]
        assert sensors.refreshed() == [rows[k]] or same
        for name, row in zip(names, rows):
            assert [sensors.limits_at(row, t)[CONTRACT] for t in range(11)] == [at(catalog.of(name), t) for t in range(11)]
    assert sensors.refreshed() == []


def test_a_fleet_of_which_each_has_changed_its_contract() -> None:
    catalog = Catalog({f"a{k:06}": Limits(contracted_power_w=k, earlier=((50, k + 1.0), (60, k + 2.0))) for k in range(300)})
    sensors = Sensors(catalog)
    rows = {name: sensors.row(name) for name in catalog.said}
    assert all(sensors.limits_at(row, t)[CONTRACT] == at(catalog.of(name), t) for name, row in rows.items() for t in (49, 50, 60))

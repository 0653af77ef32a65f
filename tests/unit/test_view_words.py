"""Units, zones, durations, axes, the list, the banners."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalog.admin.facts import Wanted
from streams.catalog.state import Sensor
from web.view import clock, fleet, parts, quantity, scale
from web.view.fleet import Asked

T = 1_800_000_000


@pytest.mark.parametrize(
    ("power_mw", "text"),
    [
        (0, "0.0 W"),
        (-20, "0.0 W"),
        (4_100, "4.1 W"),
        (823_400, "823 W"),
        (999_499, "999 W"),
        (999_500, "1.00 kW"),
        (4_213_000, "4.21 kW"),
        (-4_213_000, "\u22124.21 kW"),
        (42_130_000, "42.1 kW"),
        (1_234_000_000, "1.23 MW"),
        (6_000_000_000, "6.00 MW"),
        (math.nan, "– W"),
        (None, "– W"),
    ],
)
def test_power(power_mw: float | None, text: str) -> None:
    assert quantity.power_text(power_mw) == text


def test_voltage_and_percent() -> None:
    assert quantity.voltage(219_949) == ("219.9", "V")
    assert quantity.percent(-87.4) == ("\u221287", "%")
    assert quantity.percent(math.nan) == ("–", "%")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0 s"),
        (37, "37 s"),
        (65, "1 min 5 s"),
        (1260, "21 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (90_000, "1 day 1 h"),
        (1e6, "11 days"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert quantity.duration(seconds) == text


@pytest.mark.parametrize(
    ("name", "at_s", "label"),
    [
        ("Asia/Seoul", T, "Asia/Seoul, UTC+09:00"),
        ("Europe/Paris", 1_784_000_000, "Europe/Paris, UTC+02:00"),
        ("Europe/Paris", T, "Europe/Paris, UTC+01:00"),
        ("America/St_Johns", T, "America/St_Johns, UTC\u221203:30"),
        (None, T, "UTC"),
        ("Nowhere/Atall", T, "UTC"),
        ("../etc/passwd", T, "UTC"),
    ],
)
def test_zones(name: str | None, at_s: float, label: str) -> None:
    assert clock.zone_at(name, at_s).label == label


def test_local_time_is_that_of_the_zone() -> None:
    seoul = clock.zone_at("Asia/Seoul", T)
    assert seoul.text(T, T) == "17:00:00"
    assert seoul.text(T - 86400, T) == "2027-01-14 17:00:00"
    assert seoul.local_ms(T) == (T + 9 * 3600) * 1000


@given(st.floats(-1e4, 1e4), st.floats(0, 1e4), st.booleans())
def test_an_axis_holds_its_data_and_stays_when_it_fits(low: float, size: float, has_floor: bool) -> None:
    floor = 0.0 if has_floor else None
    start, end = scale.calm(low, low + size, None, least=0.1, floor=floor)
    assert start <= low + 1e-6
    assert low + size <= end + 1e-6
    assert not has_floor or start <= 0 <= end
    assert scale.calm(low, low + size, (start, end), least=0.1, floor=floor) == (start, end)


def test_an_axis_shrinks_only_when_much_too_wide() -> None:
    assert scale.calm(0, 6, (0.0, 10.0), least=0.1, floor=0.0) == (0.0, 10.0)
    assert scale.calm(0, 1, (0.0, 10.0), least=0.1, floor=0.0)[1] < 2
    assert scale.calm(math.nan, math.nan, (0.0, 10.0), least=0.1) == (0.0, 10.0)


def entry(name: str, newest_s: int | None, power_mw: float = math.nan) -> fleet.Entry:
    return fleet.Entry(name, "UTC", newest_s, power_mw)


SENSORS = [entry("gre000002", T - 9000), entry("gre000001", T, 4.2e6), entry("abc000003", None), entry("zzz000009", T - 1, 1e6)]


def test_the_list_shows_live_ones_first() -> None:
    shown = fleet.rows(SENSORS, Asked(limit=3), T + 1.0)
    assert [row["id"] for row in shown["sensors"]] == ["gre000001", "zzz000009", "abc000003"]
    assert (shown["total"], shown["live"], shown["matching"]) == (4, 2, 4)
    assert shown["sensors"][0]["detail"] == "4.20 kW"


def test_the_list_is_searched_in_any_case() -> None:
    shown = fleet.rows(SENSORS, Asked(Wanted("GRE0")), T + 1.0)
    assert [row["id"] for row in shown["sensors"]] == ["gre000001", "gre000002"]
    assert shown["sensors"][1]["detail"] == "since 05:30:01"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(Asked(by_id=True, offset=1, limit=2), ["gre000001", "gre000002"], id="pages by id"),
        pytest.param(Asked(state="silent"), ["gre000002"], id="by state"),
        pytest.param(Asked(Wanted("mill")), ["reg000001"], id="part of the owner"),
        pytest.param(Asked(Wanted(owner="mill ag")), ["reg000001"], id="the whole owner"),
        pytest.param(Asked(Wanted(owner="mill")), [], id="not a part of it"),
        pytest.param(Asked(Wanted(site="plant", category="sub")), ["reg000001"], id="site and category"),
        pytest.param(Asked(Wanted(registration="revoked")), [], id="by registration"),
    ],
)
def test_the_list_is_searched_by_what_the_catalog_knows(asked: Asked, expected: list[str]) -> None:
    sensor = Sensor("reg000001", "base", "UTC", "", 0, site="plant", owner="Mill AG", category="sub")
    registered = fleet.Entry("reg000001", "UTC", None, math.nan, sensor)
    shown = fleet.rows([*SENSORS, registered], asked, T + 1.0)
    assert [row["id"] for row in shown["sensors"]] == expected
    if expected == ["reg000001"]:
        assert (shown["sensors"][0]["owner"], shown["sensors"][0]["registration"]) == ("Mill AG", "new")


def test_the_first_sensor_is_one_with_something_to_show() -> None:
    assert fleet.first(SENSORS, T + 1.0) == "gre000001"
    assert fleet.first(SENSORS, T + 500.0) == "gre000001"
    assert fleet.first(SENSORS[2:3], T) == "abc000003"
    assert fleet.first([], T) is None


def test_an_outage_keeps_the_moment_it_was_first_seen() -> None:
    first = parts.NONE.next({"log": False, "database": True}, T)
    second = first.next({"log": False, "database": False}, T + 10)
    assert [b["part"] for b in second.banners()] == ["database", "log"]
    assert second.banners()[1]["since"] == "2027-01-15T08:00:00+00:00"
    assert second.next({"log": True, "database": True}, T + 20).banners() == []

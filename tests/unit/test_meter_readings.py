"""From records to the energy by day, hour and bill: what OpenDSM would get wrong, one trap a test."""

import numpy as np
import pandas as pd
import pytest

from streams.meter.periods import inside
from streams.meter.readings import Insufficient, Usage, share_estimated, temperatures, usage, zone_of
from streams.meter.task import Columns, RunFailed, Trace, Weather
from tests.meter_samples import HOUR_US, ZONE, columns, steady, us, weather

LOCAL = pd.Timestamp(0, tz=ZONE).tz
DAY_US = 24 * HOUR_US


def used(records: Columns, interpretation: str = "E_C_S", model: str = "daily") -> Usage:
    return usage(Trace(1, interpretation, "KWH", records), LOCAL, model)


@pytest.mark.parametrize(
    ("step_us", "kind"),
    [
        pytest.param(HOUR_US // 4, "daily", id="quarter-hours are summed to days"),
        pytest.param(HOUR_US, "daily", id="hours are summed to days"),
        pytest.param(DAY_US, "daily", id="days are days"),
        pytest.param(30 * DAY_US, "billing", id="months are bills"),
    ],
)
def test_the_step_tells_the_model(step_us: int, kind: str) -> None:
    assert used(steady("2016-01-01T06:00:00+00:00", step_us, 200, 1.0)).kind == kind


def test_the_hourly_model_is_for_who_asks_for_it() -> None:
    hours = steady("2016-01-01T06:00:00+00:00", HOUR_US, 100, 1.0)
    assert used(hours, model="hourly").kind == "hourly"
    assert used(hours, "E_OSG_U", "hourly").kind == "daily"
    assert used(steady("2016-01-01T06:00:00+00:00", DAY_US, 100, 1.0), model="hourly").kind == "daily"


def test_quarter_hours_are_summed_to_hours_before_the_hourly_class_drops_three_of_four() -> None:
    found = used(steady("2016-01-01T06:00:00+00:00", HOUR_US // 4, 96 * 10, 0.25), model="hourly")
    assert found.energy.sum() == pytest.approx(240.0)
    assert len(found.energy) == 240


def test_hours_that_are_missing_are_scaled_up_in_their_day() -> None:
    whole = steady("2016-01-01T06:00:00+00:00", HOUR_US, 24 * 60, 1.0)
    kept = np.arange(len(whole)) % 50 != 7
    kept[-1] = True
    found = used(Columns(whole.start_us[kept], whole.value[kept], whole.estimated[kept]))
    assert found.energy.tolist() == pytest.approx([24.0] * 60)


def test_hours_without_a_value_are_scaled_up_as_well() -> None:
    whole = steady("2016-01-01T06:00:00+00:00", HOUR_US, 24 * 10, 1.0)
    whole.value[30] = np.nan
    assert used(whole).energy.tolist() == pytest.approx([24.0] * 10)


@pytest.mark.parametrize(("hours", "energy"), [(12, 24.0), (11, None)], ids=["half a day makes a day", "less is no day"])
def test_half_the_readings_make_a_day(hours: int, energy: float | None) -> None:
    whole = steady("2016-01-01T06:00:00+00:00", HOUR_US, 72, 1.0)
    whole.value[24 + hours : 48] = np.nan
    found = used(whole).energy.iloc[1]
    assert (None if np.isnan(found) else found) == (pytest.approx(energy) if energy else None)


def test_days_on_which_the_clocks_change_have_23_and_25_hours() -> None:
    found = used(steady("2016-03-12T06:00:00+00:00", HOUR_US, 24 * 3 - 1, 1.0))
    assert found.energy.tolist() == [24.0, 23.0, 24.0]
    assert used(steady("2016-11-05T05:00:00+00:00", HOUR_US, 24 * 3 + 1, 1.0)).energy.tolist() == [24.0, 25.0, 24.0]


def test_a_meter_that_began_to_read_more_often_keeps_its_energy() -> None:
    hours, quarters = us("2016-01-01T06:00:00+00:00") + np.arange(240) * HOUR_US, np.arange(96 * 20 + 1) * (HOUR_US // 4)
    records = Columns.of(np.append(hours, hours[-1] + HOUR_US + quarters), np.append(np.ones(240), np.full(len(quarters), 0.25)))
    assert used(records).energy.tolist() == pytest.approx([24.0] * 30)


def test_the_last_record_only_closes_the_series() -> None:
    records = steady("2016-01-01T06:00:00+00:00", DAY_US, 10, 1.0)
    records.value[-1] = 999.0
    found = used(records)
    assert found.energy.sum() == 10.0
    assert found.end == pd.Timestamp("2016-01-11", tz=ZONE)


def test_days_start_at_local_midnight_as_they_were_metered() -> None:
    found = used(columns("il-electricity-cdd-hdd-daily"))
    assert str(found.energy.index.tz) == ZONE
    assert (found.energy.index == found.energy.index.normalize()).all()


def test_days_read_at_utc_midnight_are_utc_days() -> None:
    found = used(steady("2016-01-01T00:00:00+00:00", DAY_US, 300, 1.0))
    assert str(found.energy.index.tz) == "UTC"
    assert (found.energy.index == found.energy.index.normalize()).all()
    assert len(found.energy) == 300


def test_days_of_another_zone_are_days_of_a_fixed_offset() -> None:
    found = used(steady("2016-01-01T17:00:00+00:00", DAY_US, 50, 1.0))
    assert (found.energy.index == found.energy.index.normalize()).all()
    assert found.energy.index[0] == pd.Timestamp("2016-01-01T17:00:00Z")


def test_estimated_bills_are_shared_with_the_next_actual_one() -> None:
    starts = pd.DatetimeIndex(["2016-01-01", "2016-01-31", "2016-03-01", "2016-03-31"], tz="UTC")
    found = share_estimated(pd.Series([10.0, 50.0, 7.0, np.nan], starts), np.array([True, False, False, False]))
    assert found.tolist()[:3] == pytest.approx([30.0, 30.0, 7.0])


def test_estimated_bills_of_more_than_70_days_count_for_nothing() -> None:
    starts = pd.DatetimeIndex(["2016-01-01", "2016-02-01", "2016-03-01", "2016-04-01", "2016-05-01"], tz="UTC")
    found = share_estimated(pd.Series([10.0, 10.0, 50.0, 7.0, np.nan], starts), np.array([True, True, False, False, False]))
    assert np.isnan(found.tolist()[:3]).all()
    assert found.iloc[3] == 7.0


def test_of_two_records_with_one_start_the_last_stays() -> None:
    found = Columns.of([5, 3, 5, 1], [1.0, 2.0, None, 4.0])
    assert found.start_us.tolist() == [1, 3, 5]
    assert np.isnan(found.value[2])


def test_an_empty_trace_is_told() -> None:
    with pytest.raises(Insufficient, match="has 0 records"):
        used(Columns.of())


@pytest.mark.parametrize(
    ("interpretation", "missing"), [("E_C_S", True), ("E_OSG_U", False), ("NG_C_S", False), ("E_C_N", False)]
)
def test_zero_is_missing_only_where_electricity_is_drawn(interpretation: str, missing: bool) -> None:
    assert used(steady("2016-01-01T06:00:00+00:00", DAY_US, 10, 1.0), interpretation).zero_is_missing == missing


def test_celsius_becomes_fahrenheit() -> None:
    fahrenheit = temperatures(weather(), LOCAL)
    records = columns("il-tempF")
    celsius = temperatures(weather("DEGC", records=Columns.of(records.start_us, (records.value - 32) / 1.8)), LOCAL)
    assert np.allclose(fahrenheit, celsius, equal_nan=True)


def test_hours_without_weather_stand_as_missing_and_short_gaps_are_filled() -> None:
    starts = us("2016-01-01T06:00:00+00:00") + np.concatenate([np.arange(10), np.arange(15, 30), np.arange(40, 50)]) * HOUR_US
    found = temperatures(Weather(1, "x", "DEGF", ZONE, Columns.of(starts, starts / HOUR_US), Columns.of()), LOCAL)
    assert len(found) == 50
    assert not found.iloc[10:15].isna().any()  # 5 hours
    assert found.iloc[30:40].isna().all()  # 10 hours


def test_without_any_time_zone_days_are_utc_days_and_it_is_told() -> None:
    zone, told = zone_of(None, None)
    assert str(zone) == "UTC"
    assert told is not None
    assert "names a time zone" in told
    assert zone_of(None, weather())[1] is None
    assert str(zone_of("Asia/Seoul", weather())[0]) == "Asia/Seoul"


def test_a_time_zone_that_is_none_is_told() -> None:
    with pytest.raises(RunFailed, match="time zone 'Mars/Olympus' is not known"):
        zone_of("Mars/Olympus", None)


def test_the_baseline_is_its_last_365_days_and_the_reporting_period_all_of_it() -> None:
    warmth = temperatures(weather(), LOCAL)
    days = used(columns("il-electricity-cdd-hdd-daily"))
    end = pd.Timestamp("2017-06-01", tz=ZONE)
    assert len(inside(days, None, end, warmth, last_year=True).energy) == 365
    whole = inside(days, pd.Timestamp("2016-01-01T15:00", tz=ZONE), None, warmth, last_year=False)
    assert whole.energy.index[0] == pd.Timestamp("2016-01-02", tz=ZONE)
    assert len(whole.energy) > 700


def test_only_whole_bills_count_and_the_last_ends_while_the_weather_is_known() -> None:
    warmth = temperatures(weather(), LOCAL)
    bills = used(columns("il-gas-hdd-only-billing_monthly"), "NG_C_S")
    found = inside(bills, None, pd.Timestamp("2016-12-26", tz=ZONE), warmth, last_year=True)
    assert found.end <= pd.Timestamp("2016-12-26", tz=ZONE)
    assert (found.end - found.energy.index[0]).days <= 366


def test_no_weather_is_told() -> None:
    with pytest.raises(Insufficient, match="no weather"):
        inside(used(columns("il-electricity-cdd-hdd-daily")), None, None, pd.Series(dtype=float), last_year=True)

"""Runs computed with OpenDSM, on its own samples: sums within 1 %, counts exact, never a fitted parameter.

Each trap of OpenDSM 1.2.7 that shows in a figure has its test here; the others are in test_meter_readings.py.
"""

import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from infra.settings import Settings
from schemas.record_part import ESTIMATED
from streams.core import seed
from streams.meter.task import Columns, Project, RunFailed, Task, Trace, Weather
from tests.meter_samples import BASELINE_END, HOUR_US, REPORTING_START, ZONE, columns, part, steady, task, trace, us, weather

DAY_US = 24 * HOUR_US
DAILY, GAS, HOURLY = "il-electricity-cdd-hdd-daily", "il-gas-hdd-only-billing_monthly", "il-electricity-cdd-only-hourly"

Result = dict[str, Any]


pytestmark = [pytest.mark.usefixtures("library"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def library() -> Iterator[None]:
    """OpenDSM as the worker's process has it: one thread, compiled code kept where that keeps it."""
    import numba
    import threadpoolctl

    folder = Settings().compiled
    folder.mkdir(parents=True, exist_ok=True)
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    import streams.meter.run  # noqa: F401

    numba.config.CACHE_DIR = before
    with threadpoolctl.threadpool_limits(1):
        yield


def compute(of: Any) -> Result:
    from streams.meter.run import compute

    return compute(of)


def model(result: Result, pk: int, period: str) -> Result:
    return next(m for m in result["models"] if (m["energy_trace"], m["modeling_period"]) == (pk, period))


def derivatives(result: Result, pk: int) -> dict[tuple[int, str], Result]:
    rows = result["project_result"]["energy_trace_model_results"]
    return {(r["modeling_period"], d["interpretation"]): d for r in rows if r["energy_trace"] == pk for d in r["derivatives"]}


def savings(result: Result) -> dict[tuple[str, str], Result]:
    return {(s["trace_interpretation"], s["interpretation"]): s for s in result["savings"] if s["energy_trace"] is None}


@pytest.fixture(scope="module")
def result(library: None) -> Result:
    """One project: daily electricity, monthly gas, hourly electricity on the hourly model, and an empty trace."""
    traces = trace(1, DAILY), trace(2, GAS, "NG_C_S", "THM"), trace(3, HOURLY), Trace(4, "E_C_S", "KWH", Columns.of())
    return compute(task(*traces, settings={"subdaily_model": "hourly"}))


BASELINE, REPORTING = 13, 14  # periods of run 7


@pytest.mark.parametrize(
    ("pk", "period", "annualized", "gross"),
    [
        pytest.param(1, BASELINE, (10_145.5, 365), (11_452.7, 400), id="daily electricity, baseline"),
        pytest.param(1, REPORTING, (9_211.6, 365), (10_425.6, 400), id="daily electricity, reporting"),
        pytest.param(2, BASELINE, (994.9, 365), (1_213.9, 400), id="monthly gas, baseline"),
        pytest.param(2, REPORTING, (948.6, 365), (1_153.1, 400), id="monthly gas, reporting"),
        pytest.param(3, BASELINE, (9_875.2, 8760), (9_899.0, 9600), id="hourly electricity, baseline"),
        pytest.param(3, REPORTING, (9_219.9, 8760), (9_251.3, 9600), id="hourly electricity, reporting"),
    ],
)
def test_the_derivatives_of_the_samples(
    result: Result, pk: int, period: int, annualized: tuple[float, int], gross: tuple[float, int]
) -> None:
    found = derivatives(result, pk)
    for name, (value, n) in {"annualized_weather_normal": annualized, "gross_predicted": gross}.items():
        assert found[period, name]["value"] == pytest.approx(value, rel=0.01)
        assert found[period, name]["n"] == n


def test_how_many_points_each_model_was_fitted_to(result: Result) -> None:
    rows = result["project_result"]["energy_trace_model_results"]
    assert [r["n"] for r in rows] == [365, 400, 334, 364, 8651, 9455, None, None]


def test_the_sums_over_traces_in_kwh(result: Result) -> None:
    found = {(a["trace_interpretation"], a["interpretation"]): a for a in result["project_result"]["derivative_aggregations"]}
    assert len(found) == 6
    for name, baseline, reporting in (
        ("ELECTRICITY_CONSUMPTION_SUPPLIED", 20_020.7, 18_431.6),
        ("NATURAL_GAS_CONSUMPTION_SUPPLIED", 29_150.6, 27_793.3),
        ("ALL_FUELS_CONSUMPTION_SUPPLIED", 49_171.3, 46_224.8),
    ):
        one = found[name, "annualized_weather_normal"]
        assert (one["baseline_value"], one["reporting_value"]) == pytest.approx((baseline, reporting), rel=0.01)


def test_avoided_energy_use_is_the_baselines_model_against_the_meter(result: Result) -> None:
    by_trace = {s["energy_trace"]: s for s in result["savings"] if s["energy_trace"] is not None}
    assert by_trace[1]["baseline_value"] == pytest.approx(11_452.7, rel=0.01)
    assert by_trace[1]["reporting_value"] == pytest.approx(10_411.7, rel=1e-5)
    assert by_trace[2]["reporting_value"] == pytest.approx(971.6 * 29.3001, rel=1e-3)
    assert by_trace[3]["reporting_value"] == pytest.approx(9_185.6, rel=1e-5)
    total = savings(result)["ALL_FUELS_CONSUMPTION_SUPPLIED", "avoided_energy_use"]
    assert total["value"] == pytest.approx(total["baseline_value"] - total["reporting_value"])
    assert total["upper"] == total["lower"] == pytest.approx(4_362.9, rel=0.05)


def test_the_daily_sums_are_those_of_the_library_called_directly(result: Result) -> None:
    import pandas as pd

    with warnings.catch_warnings(action="ignore"):
        from opendsm import eemeter

        zone = pd.Timestamp(0, tz=ZONE).tz

        def series(records: Columns, name: str) -> Any:
            return pd.Series(records.value, pd.to_datetime(records.start_us, unit="us", utc=True).tz_convert(zone), name=name)

        meter = series(part(columns(DAILY), "2015-12-27T06:00:00+00:00", "2016-12-25T06:00:00+00:00"), "observed")
        warmth = series(columns("il-tempF"), "temperature")
        year = warmth[(warmth.index >= meter.index[0]) & (warmth.index < meter.index[-1] + pd.DateOffset(days=1))]
        fitted = eemeter.DailyModel().fit(eemeter.DailyBaselineData.from_series(meter, year, is_electricity_data=True))
        after = warmth[warmth.index >= pd.Timestamp(REPORTING_START)]
        data = eemeter.DailyReportingData.from_series(None, after[:-1], is_electricity_data=True, tzinfo=zone)
        direct = fitted.predict(data)["predicted"].dropna()[:400]
    found = derivatives(result, 1)[BASELINE, "gross_predicted"]
    assert found["n"] == len(direct)
    assert found["value"] == pytest.approx(direct.sum(), rel=0.01)


def test_upper_and_lower_are_distances_and_neither_is_swapped_nor_a_tenth(result: Result) -> None:
    for pk in (1, 2, 3):
        rows = [r for r in result["project_result"]["energy_trace_model_results"] if r["energy_trace"] == pk]
        for row in rows:
            assert row["upper"] == row["lower"]
            assert row["upper"] > row["rmse"]  # 90 % and autocorrelation; the hourly `predicted_unc` would be far below
            for one in row["derivatives"]:
                assert one["upper"] == one["lower"]
                assert 1.6 * row["rmse"] * math.sqrt(one["n"]) < one["upper"] < one["value"]


def test_the_confidence_level_widens_the_band() -> None:
    found = [
        derivatives(compute(task(trace(1, GAS, "NG_C_S", "THM"), settings=s)), 1)[BASELINE, "gross_predicted"]["upper"]
        for s in (None, {"confidence_level": 0.95})
    ]
    assert found[1] > found[0] * 1.15


def test_a_trace_that_cannot_be_modelled_is_a_failure_with_reasons_and_the_run_goes_on(result: Result) -> None:
    rows = [r for r in result["project_result"]["energy_trace_model_results"] if r["energy_trace"] == 4]
    nothing = dict.fromkeys(("r2", "rmse", "cvrmse", "model_serializiation", "upper", "lower", "n"))
    assert [{k: r[k] for k in ("status", "derivatives", *nothing)} for r in rows] == [
        {"status": "FAILURE", "derivatives": [], **nothing}
    ] * 2
    assert model(result, 4, "BASELINE")["reasons"] == ["trace 4 has 0 records; two make one reading"]


def test_no_list_of_instants_is_kept(result: Result) -> None:
    """The warnings of OpenDSM carry every instant they concern."""
    for one in result["models"]:
        text = json.dumps([one["model"], one["warnings"], one["reasons"]])
        assert text.count("2016-") + text.count("2017-") < 20
        assert all(len(line) < 600 for line in one["warnings"])


def test_every_result_says_what_it_was_computed_from(result: Result) -> None:
    again = task(trace(1, DAILY))
    assert result["versions"]["opendsm"] == "1.2.7"
    assert result["project_result"]["eemeter_version"] == "opendsm 1.2.7"
    assert result["weather"]["records"] == len(columns("il-tempF"))
    assert len(result["digest"]) == 64
    assert again.digest() == task(trace(1, DAILY)).digest() != result["digest"]
    assert again.digest() != task(trace(1, DAILY), at=weather("DEGC")).digest()


def test_the_fields_come_in_the_contracts_order(result: Result) -> None:
    found = result["project_result"]
    assert list(found) == [
        *("id", "project", "eemeter_version", "meter_class", "meter_settings", "modeling_periods", "modeling_period_groups"),
        *("derivative_aggregations", "energy_trace_model_results"),
    ]
    assert found["modeling_periods"] == [
        {"id": 13, "interpretation": "BASELINE", "start_date": None, "end_date": "2016-12-26T06:00:00Z"},
        {"id": 14, "interpretation": "REPORTING", "start_date": "2017-01-04T06:00:00Z", "end_date": None},
    ]
    assert found["modeling_period_groups"] == [{"id": 7, "baseline_period": 13, "reporting_period": 14}]
    assert list(found["derivative_aggregations"][0]) == [
        *("id", "modeling_period_group", "trace_interpretation", "interpretation"),
        *("baseline_value", "baseline_upper", "baseline_lower", "baseline_n"),
        *("reporting_value", "reporting_upper", "reporting_lower", "reporting_n"),
    ]
    first = found["energy_trace_model_results"][0]
    assert list(first) == [
        *("id", "project_result", "energy_trace", "modeling_period", "derivatives", "status", "r2", "rmse", "cvrmse"),
        *("model_serializiation", "upper", "lower", "n"),
    ]
    assert list(first["derivatives"][0]) == ["id", "interpretation", "value", "upper", "lower", "n"]


def test_a_constant_load_has_a_model_although_opendsm_fails_on_it() -> None:
    """The development seed's traces are such; one that it can fit takes it 6 s, the others end in an AttributeError."""
    quarters = steady("2015-11-25T06:00:00+00:00", 15 * 60_000_000, 96 * 790, 0.04)
    found = derivatives(compute(task(Trace(1, "E_C_S", "KWH", quarters))), 1)
    assert found[BASELINE, "annualized_weather_normal"] == {
        "id": found[BASELINE, "annualized_weather_normal"]["id"],
        "interpretation": "annualized_weather_normal",
        "value": pytest.approx(1_401.6),
        "upper": 0.0,
        "lower": 0.0,
        "n": 365,
    }
    assert found[REPORTING, "gross_predicted"]["value"] == pytest.approx(3.84 * 400)


def test_solar_nights_are_zero_and_not_filled_up() -> None:
    full = columns(DAILY)
    value = np.where(np.arange(len(full)) % 10 == 0, 0.0, full.value)
    found = compute(
        task(Trace(1, "E_OSG_U", "KWH", Columns(full.start_us, value, full.estimated)), reporting_period_start_us=None)
    )
    metered = model(found, 1, "BASELINE")["curve"]["metered"]
    assert found["project_result"]["energy_trace_model_results"][0]["n"] == len(metered) == 365
    assert 36 <= metered.count(0.0) <= 37


def test_the_last_bill_is_not_lost() -> None:
    """Without the weather of the hour at which it ends, OpenDSM drops it: 9 % of the year."""
    from streams.meter import fit
    from streams.meter.periods import inside
    from streams.meter.readings import temperatures, usage, zone_of
    from streams.meter.task import MeterSettings

    zone, _ = zone_of(ZONE, None)
    warmth = temperatures(weather(), zone)
    bills = usage(trace(1, "il-electricity-cdd-hdd-billing_monthly"), zone, "daily")
    cut = inside(bills, None, bills.energy.index[13], warmth, last_year=True)
    assert fit.fit(cut, warmth, MeterSettings()).fitted["observed"].sum() == pytest.approx(cut.energy.sum(), rel=1e-6)


def test_a_bill_that_is_not_known_does_not_take_the_one_before_it_along() -> None:
    """The development seed has such bills; without this OpenDSM finds both of its gas models insufficient."""
    known = columns(GAS)
    value = known.value.copy()
    missing = int(np.searchsorted(known.start_us, us("2016-06-01T00:00:00+00:00")))
    value[missing] = np.nan
    found = compute(task(Trace(1, "NG_C_S", "THM", Columns(known.start_us, value, known.estimated))))
    days = (known.start_us[missing + 1] - known.start_us[missing]) // DAY_US
    assert found["project_result"]["energy_trace_model_results"][0]["n"] == 334 - days


def test_the_development_seed_gives_eight_aggregations_and_twelve_model_results() -> None:
    def records(of: Any) -> Columns:
        return Columns.of(of["start_us"], of["value"], (of["flags"] & ESTIMATED) > 0)

    traces = [Trace(n + 1, s.interpretation, s.unit, records(seed.records_of(s, n + 1))) for n, s in enumerate(seed.TRACES)]
    project = Project(1, seed.PROJECT, seed.BASELINE_END_US, seed.REPORTING_START_US, seed.ZIPCODE)
    warmth = Weather(1, seed.STATION, "DEGC", seed.STATION_ZONE, records(seed.weather_of(2)), Columns.of())
    found = compute(Task(1, project, "EnergyEfficiencyMeter", {}, tuple(traces), warmth))["project_result"]
    assert len(found["derivative_aggregations"]) == 8
    rows = found["energy_trace_model_results"]
    assert len(rows) == 12
    assert {r["energy_trace"] for r in rows if r["status"] == "FAILURE"} == {2, 5}  # their baselines are too short


def test_a_trace_of_any_kind_is_modelled_and_those_that_no_sum_names_are_passed_over() -> None:
    """In the original one of the other four failed the whole run. What has a model comes first in the list."""
    days = steady("2015-11-25T06:00:00+00:00", DAY_US, 790, 2.0)
    kinds = ("E_C_S", "E_C_T", "E_C_N", "E_OSG_T", "E_OSG_C", "E_OSG_U", "NG_C_S")
    traces = [Trace(pk, kind, "KWH", days) for pk, kind in enumerate(kinds, 2)]
    found = compute(task(Trace(1, "E_C_S", "KWH", Columns.of()), *traces))["project_result"]
    rows = found["energy_trace_model_results"]
    assert [(r["energy_trace"], r["status"]) for r in rows] == [
        *((pk, "SUCCESS") for pk in range(2, 9) for _ in range(2)),
        *((1, "FAILURE"),) * 2,
    ]
    assert [r["modeling_period"] for r in rows] == [BASELINE, REPORTING] * 8
    sums = {(a["trace_interpretation"], a["interpretation"]): a for a in found["derivative_aggregations"]}
    assert len(sums) == len(found["derivative_aggregations"]) == 8
    assert {name: sums[name, "annualized_weather_normal"]["baseline_value"] for name, _ in sums} == {
        "ELECTRICITY_CONSUMPTION_SUPPLIED": pytest.approx(730.0),
        "NATURAL_GAS_CONSUMPTION_SUPPLIED": pytest.approx(730.0),
        "ALL_FUELS_CONSUMPTION_SUPPLIED": pytest.approx(1460.0),
        "ELECTRICITY_ON_SITE_GENERATION_UNCONSUMED": pytest.approx(730.0),
    }


def test_estimated_bills_do_not_make_a_model_insufficient(result: Result) -> None:
    """Joined into one bill they would be off-cycle to OpenDSM; it takes no notice of the flag itself."""
    known = columns(GAS)
    estimated = known.estimated.copy()
    estimated[int(np.searchsorted(known.start_us, us("2016-03-01T00:00:00+00:00")))] = True
    found = compute(task(Trace(1, "NG_C_S", "THM", Columns(known.start_us, known.value, estimated))))
    rows = found["project_result"]["energy_trace_model_results"]
    assert [(r["status"], r["n"]) for r in rows] == [("SUCCESS", 334), ("SUCCESS", 364)]
    shared, plain = (model(of, pk, "BASELINE")["curve"]["metered"] for of, pk in ((found, 1), (result, 2)))
    assert shared != plain
    assert sum(shared) == pytest.approx(sum(plain), rel=1e-4)


def test_a_normal_year_that_was_uploaded_is_what_annualized_is_predicted_over(result: Result) -> None:
    year = part(columns("il-tempF"), "2016-01-01T06:00:00+00:00", "2017-01-01T06:00:00+00:00")
    warm = replace(weather(), normal=Columns(year.start_us, year.value + 30.0, year.estimated))
    found, plain = derivatives(compute(task(trace(1, GAS, "NG_C_S", "THM"), at=warm)), 1), derivatives(result, 2)
    for period in (BASELINE, REPORTING):
        annualized, gross = (found[period, name] for name in ("annualized_weather_normal", "gross_predicted"))
        assert annualized["n"] == 365
        assert annualized["value"] < 0.5 * plain[period, "annualized_weather_normal"]["value"]  # gas heats
        assert gross["value"] == pytest.approx(plain[period, "gross_predicted"]["value"], rel=1e-6)  # over what was observed


def test_a_day_with_one_hour_of_weather_is_no_day() -> None:
    full = columns("il-tempF")
    first = us("2016-06-01T05:00:00+00:00")
    kept = (full.start_us < first + HOUR_US) | (full.start_us >= first + 2 * DAY_US)
    found = compute(task(trace(1, DAILY), at=weather(records=Columns.of(full.start_us[kept], full.value[kept]))))
    assert found["project_result"]["energy_trace_model_results"][0]["n"] == 365 - 2


def test_an_insufficient_baseline_is_a_failure_unless_it_is_to_be_ignored() -> None:
    short = Trace(1, "NG_C_S", "THM", part(columns(GAS), "2016-05-01T00:00:00+00:00", "2017-11-01T00:00:00+00:00"))
    strict = compute(task(short))
    assert model(strict, 1, "BASELINE")["status"] == "FAILURE"
    assert any("Baseline length is not within" in reason for reason in model(strict, 1, "BASELINE")["reasons"])
    loose = model(compute(task(short, settings={"ignore_disqualification": True})), 1, "BASELINE")
    assert loose["status"] == "SUCCESS"
    assert any(line.startswith("disqualified") for line in loose["warnings"])


def test_without_weather_every_model_is_a_failure_and_there_is_a_result() -> None:
    bare = task(trace(1, DAILY))
    found = compute(type(bare)(bare.run, bare.project, bare.meter_class, None, bare.traces, None))
    assert [r["status"] for r in found["project_result"]["energy_trace_model_results"]] == ["FAILURE", "FAILURE"]
    assert found["project_result"]["derivative_aggregations"] == []
    assert "no weather" in model(found, 1, "BASELINE")["reasons"][0]
    assert "time zone" in found["warnings"][0]


def test_no_traces_give_a_result_with_empty_lists() -> None:
    found = compute(task())["project_result"]
    assert (found["derivative_aggregations"], found["energy_trace_model_results"]) == ([], [])
    assert len(found["modeling_periods"]) == 2


def test_a_reporting_period_that_starts_before_the_baseline_ends_starts_there() -> None:
    for start in (None, us("2015-01-01T00:00:00+00:00")):
        periods = compute(task(reporting_period_start_us=start))["project_result"]["modeling_periods"]
        assert periods[1]["start_date"] == periods[0]["end_date"] == BASELINE_END.replace("+00:00", "Z")


def test_a_project_without_a_baselines_end_fails_with_a_sentence() -> None:
    with pytest.raises(RunFailed, match="no baseline_period_end"):
        compute(task(baseline_period_end_us=None))


@pytest.mark.parametrize("settings", [{"confidence_level": 2}, {"subdaily_model": "weekly"}, {"ignore_disqualification": "yes"}])
def test_settings_that_make_no_sense_fail_with_a_sentence(settings: dict[str, Any]) -> None:
    with pytest.raises(RunFailed, match=next(iter(settings))):
        compute(task(settings=settings))


@pytest.mark.parametrize("settings", [None, [], "x", {"colour": 1}, 3])
def test_settings_the_meter_does_not_know_are_kept(settings: object) -> None:
    assert compute(task(settings=settings))["project_result"]["meter_settings"] == settings

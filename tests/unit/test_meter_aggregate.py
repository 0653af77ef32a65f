"""Sums over traces, in the contract's words (section 10)."""

import math

import pytest

from streams.meter.aggregate import ANNUALIZED, AVOIDED, BASELINE, DERIVATIVES, GROSS, REPORTING, Figure, Figures, aggregations


def trace(
    pk: int, interpretation: str, unit: str = "KWH", baseline: float | None = 100.0, reporting: float | None = 80.0
) -> Figures:
    sides = {BASELINE: baseline, REPORTING: reporting}
    figures = {
        period: {name: Figure(value, 3.0, 4.0, 365) for name in DERIVATIVES}
        for period, value in sides.items()
        if value is not None
    }
    return Figures(pk, interpretation, unit, figures)


def names(*traces: Figures) -> list[tuple[str, str]]:
    return [(one.name, one.interpretation) for one in aggregations(traces, DERIVATIVES)]


def test_one_electricity_trace_gives_four() -> None:
    assert names(trace(1, "E_C_S")) == [
        ("ELECTRICITY_CONSUMPTION_SUPPLIED", ANNUALIZED),
        ("ELECTRICITY_CONSUMPTION_SUPPLIED", GROSS),
        ("ALL_FUELS_CONSUMPTION_SUPPLIED", ANNUALIZED),
        ("ALL_FUELS_CONSUMPTION_SUPPLIED", GROSS),
    ]


def test_electricity_and_gas_give_six_and_generation_two_more() -> None:
    assert len(names(trace(1, "E_C_S"), trace(2, "NG_C_S", "THM"))) == 6
    assert len(names(trace(1, "E_C_S"), trace(2, "NG_C_S", "THM"), trace(3, "E_OSG_U"))) == 8


def test_a_therm_counts_29_3001_kwh() -> None:
    (first, *_) = aggregations([trace(1, "NG_C_S", "THM", 10.0, 5.0)], [ANNUALIZED])
    assert first.baseline.value == pytest.approx(293.001)
    assert first.reporting.upper == pytest.approx(3 * 29.3001)


def test_values_and_n_add_up_and_bounds_add_in_quadrature_unswapped() -> None:
    (first, *_) = aggregations([trace(1, "E_C_S"), trace(2, "E_C_S", baseline=50.0)], [GROSS])
    assert first.baseline == Figure(150.0, math.hypot(3, 3), math.hypot(4, 4), 730)


@pytest.mark.parametrize(("baseline", "reporting"), [(None, 80.0), (100.0, None)], ids=["no baseline", "no reporting"])
def test_consumption_counts_only_where_both_periods_have_the_derivative(baseline: float | None, reporting: float | None) -> None:
    assert names(trace(1, "E_C_S", baseline=baseline, reporting=reporting)) == []


def test_generation_counts_with_reporting_alone_and_its_baseline_is_zero() -> None:
    (first, _) = aggregations([trace(1, "E_OSG_U", baseline=None)], DERIVATIVES)
    assert (first.name, first.baseline) == ("ELECTRICITY_ON_SITE_GENERATION_UNCONSUMED", Figure())
    assert names(trace(1, "E_OSG_U", reporting=None)) == []


def test_a_trace_of_another_kind_is_passed_over() -> None:
    assert names(trace(1, "E_C_T"), trace(2, "E_OSG_T")) == []


def test_no_traces_give_nothing() -> None:
    assert names() == []


def test_a_saving_is_baseline_minus_reporting_with_both_errors() -> None:
    assert Figure(10, 3, 3, 365).minus(Figure(8, 4, 4, 300)) == Figure(2, 5, 5, 300)
    assert aggregations([trace(1, "E_OSG_U")], [AVOIDED], generation=False) == []

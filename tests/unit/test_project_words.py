"""What a project's page says of days and savings."""

from typing import Any

import pytest

from web.view.project import day, savings

ALL, POWER, GAS = (f"{name}_CONSUMPTION_SUPPLIED" for name in ("ALL_FUELS", "ELECTRICITY", "NATURAL_GAS"))


@pytest.mark.parametrize(
    ("at_s", "zone", "said"),
    [
        pytest.param(1_370_044_800, "America/Chicago", "1 June 2013", id="midnight of UTC, as people write it"),
        pytest.param(1_370_062_800, "America/Chicago", "1 June 2013", id="midnight of the zone"),
        pytest.param(1_370_066_400, "America/Chicago", "2013-06-01 01:00", id="neither"),
    ],
)
def test_a_date_is_said_as_it_was_meant(at_s: int, zone: str, said: str) -> None:
    assert str(day(at_s * 1_000_000, zone)) == said


def row(fuel: str, value: float, half: float = 1.0, trace: int | None = None) -> dict[str, Any]:
    figures = {"value": value, "upper": half, "baseline_value": 100.0, "reporting_value": 100.0 - value, "n": 365}
    return {"interpretation": "avoided_energy_use", "trace_interpretation": fuel, "energy_trace": trace, **figures}


def test_all_fuels_are_not_said_again_when_there_is_one() -> None:
    one = [row(POWER, 9), row(ALL, 9), row("E_C_S", 9, trace=7)]
    assert [str(saved.name) for saved in savings(one, {7: "house"})] == ["Electricity", "house"]
    two = [row(POWER, 9), row(GAS, 2), row(ALL, 11)]
    assert [str(saved.name) for saved in savings(two, {})] == ["Electricity", "Natural gas", "All fuels"]


def test_what_is_said_as_nothing_is_not_clear() -> None:
    assert [saved.clear for saved in savings([row(POWER, 1e-9, 0.0), row(GAS, 2.0, 0.0), row(ALL, 2.0, 2.0)], {})] == [
        False,
        True,
        False,
    ]

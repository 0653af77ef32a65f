"""Sums over the traces of a project, in kWh: values and n add up, half-widths in quadrature."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TO_KWH = {"KWH": 1.0, "THM": 29.3001}

BASELINE, REPORTING = "BASELINE", "REPORTING"

ANNUALIZED, GROSS, AVOIDED = "annualized_weather_normal", "gross_predicted", "avoided_energy_use"
DERIVATIVES = (ANNUALIZED, GROSS)

CONSUMPTION = {
    "ELECTRICITY_CONSUMPTION_SUPPLIED": frozenset({"E_C_S"}),
    "NATURAL_GAS_CONSUMPTION_SUPPLIED": frozenset({"NG_C_S"}),
    "ALL_FUELS_CONSUMPTION_SUPPLIED": frozenset({"E_C_S", "NG_C_S"}),
}
"""Interpretations by the name of their sum; a trace counts where both periods have a figure."""

GENERATION = {"ELECTRICITY_ON_SITE_GENERATION_UNCONSUMED": frozenset({"E_OSG_U"})}
"""The same, but before the panels there was nothing: a baseline that is lacking counts as 0."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value, the distances to its upper and lower bound, and the number of days (hours) in it."""

    value: float = 0.0
    upper: float = 0.0
    lower: float = 0.0
    n: int = 0

    def __add__(self, other: "Figure") -> "Figure":
        upper, lower = math.hypot(self.upper, other.upper), math.hypot(self.lower, other.lower)
        return Figure(self.value + other.value, upper, lower, self.n + other.n)

    def times(self, factor: float) -> "Figure":
        """In another unit."""
        return Figure(self.value * factor, self.upper * factor, self.lower * factor, self.n)

    def minus(self, other: "Figure") -> "Figure":
        """The difference of two figures whose errors are independent; n is the smaller one."""
        upper, lower = math.hypot(self.upper, other.upper), math.hypot(self.lower, other.lower)
        return Figure(self.value - other.value, upper, lower, min(self.n, other.n))


@dataclass(frozen=True, slots=True)
class Aggregation:
    name: str
    interpretation: str
    baseline: Figure
    reporting: Figure


@dataclass(frozen=True, slots=True)
class Figures:
    """What one trace has to give.

    Attributes:
        by_period: figure by interpretation, by period; in the trace's own unit.
    """

    pk: int
    interpretation: str
    unit: str
    by_period: Mapping[str, Mapping[str, Figure]]

    def pair(self, interpretation: str) -> tuple[Figure | None, Figure | None]:
        """Baseline and reporting, in kWh."""
        found = [self.by_period.get(period, {}).get(interpretation) for period in (BASELINE, REPORTING)]
        baseline, reporting = (None if figure is None else figure.times(TO_KWH[self.unit]) for figure in found)
        return baseline, reporting


def aggregations(traces: Iterable[Figures], interpretations: Iterable[str], *, generation: bool = True) -> list[Aggregation]:
    """Sums by name and interpretation; a name without any trace that counts is left out."""
    traces, found = list(traces), []
    names = CONSUMPTION | (GENERATION if generation else {})
    for name, kinds in names.items():
        for interpretation in interpretations:
            pairs = [trace.pair(interpretation) for trace in traces if trace.interpretation in kinds]
            counted = [
                (baseline or Figure(), reporting)
                for baseline, reporting in pairs
                if reporting is not None and (baseline is not None or name in GENERATION)
            ]
            if counted:
                baseline = sum((b for b, _ in counted), Figure())
                reporting = sum((r for _, r in counted), Figure())
                found.append(Aggregation(name, interpretation, baseline, reporting))
    return found

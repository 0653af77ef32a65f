"""One model of one trace over one period: OpenDSM behind a door that holds its traps down.

The only file that knows OpenDSM. It is heavy to load (seconds, 350 MB): import it in a worker's process, nowhere else.
"""

import json
import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from streams.meter.quiet import eemeter, metrics, version
from streams.meter.readings import DAY, HOUR, Insufficient, Kind, Series, Usage, day_after
from streams.meter.task import MeterSettings

__all__ = ["Model", "fit", "version"]

CONSTANT = 1e-9
"""Days that differ by less than this part of themselves are one and the same."""

YEAR_DAYS = 365

HALF = 0.5
"""A day of which more is known than this part has weather."""

_OURS = {"eemeter.data_quality.utc_index"}
"""Warnings about what was chosen here with care."""

_CLASSES: dict[str, tuple[Any, Any, Any]] = {
    "daily": (eemeter.DailyModel, eemeter.DailyBaselineData, eemeter.DailyReportingData),
    "billing": (eemeter.BillingModel, eemeter.BillingBaselineData, eemeter.BillingReportingData),
    "hourly": (eemeter.HourlyModel, eemeter.HourlyBaselineData, eemeter.HourlyReportingData),
}

# A reporting period may be longer than a year; by default OpenDSM refuses more than 366 days.
_ANY_LENGTH = {"sufficiency": {"max_baseline_length": 36500}}


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum over n days (hours) with its half-width."""

    value: float
    half_width: float
    n: int


@dataclass(slots=True)
class Model:
    """A fitted model.

    Attributes:
        fitted: "observed" and "predicted" of the points it was fitted to, NaN where either is missing.
        warnings: what OpenDSM had to say, as sentences.
        constant: the energy of every day, or of every hour, when all are the same: then there is nothing to fit, and
            OpenDSM fails, or takes many seconds for it.
        by_hour: which of both; days on which the clocks change have 23 and 25.
    """

    kind: Kind
    settings: MeterSettings
    zero_is_missing: bool
    n: int
    r2: float | None
    rmse: float
    cvrmse: float | None
    fitted: Any
    warnings: list[str]
    constant: float | None = None
    by_hour: bool = False
    _library: Any = field(default=None, repr=False)

    def predict(self, temperature: Series) -> Series:
        """What would have been used in each whole day (hour) of this weather; none where the weather is not known."""
        hours = temperature.index
        whole = temperature[(hours >= day_after(hours[0])) & (hours < (hours[-1] + HOUR).normalize())]
        if self.constant is not None:
            days = whole.notna().groupby(whole.index.normalize()).mean()
            return self._level(days.index[days > HALF])
        reporting = _CLASSES[self.kind][2]
        if self.kind == "hourly":
            # The column is not used, but 1.2.7 counts its values to find the days on which the clocks change.
            data = reporting(whole.to_frame().assign(observed=1.0), is_electricity_data=True)
        else:
            data = reporting.from_series(None, whole.to_frame(), is_electricity_data=True, tzinfo=whole.index.tz)
        return self._predicted(data)["predicted"].dropna()

    def against(self, usage: Usage, temperature: Series) -> Any:
        """Predicted and metered energy of the same days (hours): rows that have both, read and not interpolated."""
        if self.constant is not None:
            table = usage.energy.to_frame("observed").assign(predicted=self._level(usage.energy.index))
        else:
            reporting = _CLASSES[self.kind][2]
            table = self._predicted(_data(reporting, usage, temperature))
        if "observed" not in table:
            return pd.DataFrame({"observed": [], "predicted": []})
        return table.dropna(subset=["observed", "predicted"])

    def total(self, predicted: Series) -> Sum | None:
        """The sum of predictions and its half-width (ASHRAE 14, with autocorrelation and t); None: there are none."""
        if not len(predicted):
            return None
        return Sum(float(predicted.sum()), self._half_width(predicted), len(predicted))

    def point_half_width(self) -> float:
        """Of one predicted day (hour)."""
        # Not "predicted_unc": the hourly one of 1.2.7 is for a confidence of 10 %, 13 times too small.
        return self._half_width(self.fitted["predicted"]) / math.sqrt(max(1, len(self.fitted)))

    def normal_year(self, predicted: Series) -> Sum | None:
        """A year of the mean weather: predictions averaged by day of the calendar (and hour), not the other way round.

        A mean temperature has no extremes, and those cost the energy: 2 to 4 % would be lacking.

        Returns:
            None when some day of the calendar has no weather in any year.
        """
        index = predicted.index
        ordinary = predicted[(index.month != 2) | (index.day != 29)]
        index, hours = ordinary.index, 24 if self.kind == "hourly" else 1
        slot = (index.month * 100 + index.day) * 100 + (index.hour if hours == 24 else 0)
        mean = ordinary.groupby(np.asarray(slot)).mean()
        if len(mean) != YEAR_DAYS * hours:
            return None
        mean.index = pd.date_range("2015-01-01", periods=len(mean), freq="h" if hours == 24 else "D")
        return self.total(mean)

    def serialized(self) -> dict[str, Any]:
        """The model as a JSON object, without the lists of times that its warnings carry."""
        if self.constant is not None:
            return {"constant": self.constant, "per": "hour" if self.by_hour else "day"}
        model: dict[str, Any] = json.loads(self._library.to_json())
        for told in ("warnings", "disqualification"):
            for where in (model, model.get("info") or {}):
                if told in where:
                    where[told] = [one.get("qualified_name") for one in where[told] or []]
        return model

    def _predicted(self, data: Any) -> Any:
        with quiet():
            table = self._library.predict(data, ignore_disqualification=self.settings.ignore_disqualification)
        return table[table["interpolated_observed"] != 1] if "interpolated_observed" in table else table

    def _level(self, days: Any) -> Series:
        assert self.constant is not None
        return pd.Series(self.constant * (_hours_of(days) if self.by_hour else 1.0), index=days, name="predicted")

    def _half_width(self, predicted: Series) -> float:
        if self.constant is not None:
            return 0.0
        both = pd.DataFrame({"observed": predicted, "predicted": predicted}).dropna()
        found = metrics.ReportingMetrics(
            baseline_metrics=self._library.baseline_metrics,
            reporting_df=both,
            data_frequency=self.kind,
            confidence_level=self.settings.confidence_level,
        ).total_savings_uncertainty
        return float(found) if found is not None else math.nan


def quiet() -> warnings.catch_warnings:
    """Nothing of what OpenDSM and those below it have to say to developers."""
    return warnings.catch_warnings(action="ignore")


def fit(usage: Usage, temperature: Series, settings: MeterSettings) -> Model:
    """Fit a model to the usage of one period.

    Args:
        usage: cut to the period.
        temperature: covers it; for bills to the hour at which the last one ends.

    Raises:
        Insufficient: the data or the model are disqualified; the reasons as sentences.
    """
    if not usage.energy.notna().any():
        raise Insufficient("no energy is metered in this period while the weather is known")
    with quiet():
        data = _data(_CLASSES[usage.kind][1], usage, temperature)
        _qualified(data.disqualification, settings)
        told = [sentence(w) for w in data.warnings if w.qualified_name not in _OURS]
        if settings.ignore_disqualification:
            told += [f"disqualified, and modelled all the same: {sentence(w)}" for w in data.disqualification]
        if usage.kind == "daily" and (same := _constant(usage, settings, told)) is not None:
            return same
        library = _CLASSES[usage.kind][0]().fit(data, ignore_disqualification=settings.ignore_disqualification)
        _qualified(library.disqualification, settings)
    found = library.baseline_metrics
    n, rmse = int(found.n), float(found.rmse)
    model = Model(
        usage.kind, settings, usage.zero_is_missing, n, _finite(found.r_squared), rmse, _finite(found.cvrmse), None, told
    )
    model._library = library
    table = model._predicted(data)
    model.fitted = table.dropna(subset=[name for name in ("observed", "predicted") if name in table])
    return model


def _constant(usage: Usage, settings: MeterSettings, told: list[str]) -> Model | None:
    """The model of a load that is the same every day, or every hour; None: there is something to fit."""
    days = usage.energy.dropna()
    for by_hour in (False, True):
        level = days / _hours_of(days.index) if by_hour else days
        if level.max() - level.min() <= CONSTANT * abs(level.mean()):
            model = Model(
                "daily", settings, usage.zero_is_missing, len(days), None, 0.0, 0.0, None, told, float(level.mean()), by_hour
            )
            model.fitted = days.to_frame("observed").assign(predicted=model._level(days.index))
            return model
    return None


def _hours_of(days: Any) -> Any:
    return ((days + DAY) - days).total_seconds().to_numpy() / 3600


def sentence(warning: Any) -> str:
    """A warning of OpenDSM as text: its name, what it means, its numbers; never its lists of times."""
    numbers = warning.data.items() if isinstance(warning.data, dict) else ()
    shown = ", ".join(f"{name} {value:g}" for name, value in numbers if isinstance(value, int | float))
    name = warning.qualified_name.rpartition(".")[2]
    return f"{name}: {' '.join(warning.description.split())[:300]}" + (f" ({shown})" if shown else "")


def _data(cls: Any, usage: Usage, temperature: Series) -> Any:
    energy = usage.energy
    if usage.kind == "billing":
        # A row that ends the last bill, and the weather of that very hour: without either the bill is lost.
        known, ends = _known_bills(energy, usage.end)
        bills = pd.concat([known, pd.Series([np.nan], index=ends[-1:])]).to_frame("observed")
        cut = temperature[(temperature.index >= energy.index[0]) & (temperature.index <= usage.end)]
        unknown = [span for span, value in zip(zip(energy.index, ends, strict=True), energy, strict=True) if np.isnan(value)]
        return _blanking(cls, unknown).from_series(bills, cut.to_frame(), usage.zero_is_missing, settings=_ANY_LENGTH)
    cut = temperature[(temperature.index >= energy.index[0]) & (temperature.index < usage.end)]
    if usage.kind == "hourly":
        both = pd.concat([energy, cut], axis=1)
        return cls(both, usage.zero_is_missing, settings=_ANY_LENGTH)
    return cls.from_series(energy.to_frame(), cut.to_frame(), usage.zero_is_missing, settings=_ANY_LENGTH)


def _known_bills(energy: Series, end: Any) -> tuple[Series, Any]:
    """Bills with something in place of those that are not known, and where each ends."""
    ends = energy.index[1:].append(pd.DatetimeIndex([end]))
    days = (ends - energy.index).total_seconds().to_numpy() / 86_400
    per_day = energy.sum() / days[energy.notna().to_numpy()].sum()
    return energy.fillna(pd.Series(per_day * days, index=energy.index)), ends


def _blanking(cls: Any, unknown: list[tuple[Any, Any]]) -> Any:
    """A class of data whose days of unknown bills are missing.

    OpenDSM takes such a bill out before it looks how long the others are: the one before it then seems to last as long
    as both, is off-cycle, and lost as well.
    """
    if not unknown:
        return cls

    def without(self: Any, table: Any) -> Any:
        days = cls._compute_meter_value_df(self, table)
        for start, end in unknown:
            days.loc[(days.index >= start) & (days.index < end), "observed"] = np.nan
        return days

    return type(cls.__name__, (cls,), {"_compute_meter_value_df": without})


def _qualified(disqualification: list[Any], settings: MeterSettings) -> None:
    if disqualification and not settings.ignore_disqualification:
        raise Insufficient(*(sentence(one) for one in disqualification))


def _finite(number: Any) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None

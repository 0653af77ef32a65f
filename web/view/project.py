"""What the pages of projects say in words: savings with their bands, runs and their failures. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from streams.catalog.datastore.entries import Project, Run, Station, Trace
from web.view import quantity
from web.view.project_days import Usage

THERM_KWH = 29.3001

NAMES = {
    "ELECTRICITY_CONSUMPTION_SUPPLIED": "Electricity",
    "NATURAL_GAS_CONSUMPTION_SUPPLIED": "Natural gas",
    "ALL_FUELS_CONSUMPTION_SUPPLIED": "All fuels",
    "ELECTRICITY_ON_SITE_GENERATION_UNCONSUMED": "Generation fed in",
}
KINDS = {
    "E_C_S": "electricity supplied",
    "E_C_T": "electricity, total",
    "E_C_N": "electricity, net",
    "E_OSG_T": "generation, total",
    "E_OSG_C": "generation, consumed",
    "E_OSG_U": "generation, fed in",
    "NG_C_S": "natural gas",
}
MEASURES = {
    "avoided_energy_use": "Avoided energy use",
    "annualized_weather_normal": "In a normal year",
    "gross_predicted": "Both models, reporting period",
}
UNITS = {"KWH": "kWh", "THM": "therm"}
STATES = {"PENDING": "wait", "RUNNING": "wait", "SUCCESS": "live", "FAILED": "bad"}
SAID = {"PENDING": "waiting", "RUNNING": "running", "SUCCESS": "done", "FAILED": "failed"}
PERIODS = {"BASELINE": "baseline", "REPORTING": "reporting period"}


@dataclass(frozen=True, slots=True)
class Saved:
    """One row of savings, as text.

    Attributes:
        clear: whether it is further from zero than its band is wide.
    """

    name: str
    measure: str
    baseline: str
    reporting: str
    value: str
    share: str
    band: str
    days: int
    clear: bool


def savings(rows: Iterable[Mapping[str, Any]], labels: Mapping[int, str]) -> list[Saved]:
    """The savings of a run, what was avoided first.

    Args:
        rows: as /project_savings/ gives them, kWh.
        labels: of traces, by primary key.
    """
    order = list(MEASURES)
    known = [row for row in rows if row["interpretation"] in MEASURES]
    known.sort(key=lambda row: (order.index(row["interpretation"]), row["energy_trace"] is not None))
    return [_saved(row, labels) for row in known]


def headline(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one figure of a project: energy avoided, of all fuels when there are several."""
    wanted = ("ALL_FUELS_CONSUMPTION_SUPPLIED", "ELECTRICITY_CONSUMPTION_SUPPLIED", "NATURAL_GAS_CONSUMPTION_SUPPLIED")
    of = {row["trace_interpretation"]: row for row in rows if row["interpretation"] == "avoided_energy_use"}
    return next((of[name] for name in wanted if name in of), None)


def figure(row: Mapping[str, Any] | None) -> tuple[str, str, bool]:
    """A row of savings as ("307 kWh", "± 88 kWh", whether it is clear)."""
    if row is None or row["value"] is None:
        return quantity.DASH, "", False
    half = row["upper"]
    return f"{number(row['value'])} kWh", f"± {number(half)} kWh", half is not None and abs(row["value"]) > half


def _saved(row: Mapping[str, Any], labels: Mapping[int, str]) -> Saved:
    trace = row["energy_trace"]
    name = (
        NAMES.get(row["trace_interpretation"], row["trace_interpretation"])
        if trace is None
        else labels.get(trace, f"trace {trace}")
    )
    value, band, clear = figure(row)
    base = row["baseline_value"]
    share = f"{number(100 * row['value'] / base, 1)} %" if base and row["value"] is not None else ""
    measured = f"{number(base)} kWh", f"{number(row['reporting_value'])} kWh"
    return Saved(name, MEASURES[row["interpretation"]], *measured, value, share, band, row["n"], clear)


@dataclass(frozen=True, slots=True)
class Told:
    """One run, as text.

    Attributes:
        state: for the colour of its mark.
        why: the failure in one sentence; "": none.
        details: all that is known of the failure.
        over: it will not change any more.
    """

    pk: int
    status: str
    state: str
    asked: str
    ended: str
    why: str
    details: str
    over: bool


def runs(known: Sequence[Run], statuses: Mapping[int, Any], zone: str) -> list[Told]:
    """Runs, the last first.

    Args:
        statuses: RunStatus by run; one that is not there waits.
    """
    return [_told(run, statuses.get(run.pk), zone) for run in sorted(known, key=lambda run: -run.pk)]


def _told(run: Run, now: Any, zone: str) -> Told:
    status = "PENDING" if now is None else now.status
    traceback = "" if now is None else now.traceback or ""
    over = status in ("SUCCESS", "FAILED")
    ended = moment(now.updated_us, zone) if over else ""
    lines = [line.strip() for line in traceback.splitlines() if line.strip()]
    why = lines[-1].removeprefix("streams.meter.task.").removeprefix("RunFailed: ") if lines else ""
    details = traceback if len(lines) > 1 else ""
    return Told(
        run.pk, SAID.get(status, status), STATES.get(status, "wait"), moment(run.added_us, zone), ended, why, details, over
    )


def label(trace: Trace) -> str:
    """What a trace is called."""
    kind = KINDS.get(trace.interpretation, trace.interpretation)
    return f"{trace.label} ({kind})" if trace.label else f"{kind}, trace {trace.pk}"


def own_unit(value_kwh: float, unit: str) -> float:
    """Kilowatt-hours in a trace's unit."""
    return value_kwh / THERM_KWH if unit == "THM" else value_kwh


def measured(used: Usage, zone: str) -> str:
    """From when to when a trace is metered, and how much of that."""
    if not len(used.start_s):
        return ""
    first, last = int(used.start_s[0]), int(used.end_s[-1])
    known_s = float(((used.end_s - used.start_s) * used.coverage).sum())
    days = f"{iso_day(first, zone)} to {iso_day(last - 1, zone)}"
    return f"{days}, {number(min(100.0, 100 * known_s / (last - first)), 1)} % of it metered"


def missing(project: Project, trace: Trace | None, station: Station | None, *has: bool) -> list[str]:
    """What a page lacks, and what to do about it.

    Args:
        has: whether there is usage, and whether there are temperatures.
    """
    if trace is None:
        return ["This project has no trace yet: POST one to /api/v1/consumption_metadatas/, with records or a source."]
    usage, warmth = has
    said = []
    if not usage:
        grows = "its hours come as minutes arrive" if trace.source else "POST them to /api/v1/consumption_records/sync2/"
        said.append(f"This trace has no records yet: {grows}.")
    if station is None:
        zipcode = f"no station holds zipcode {project.zipcode}" if project.zipcode else "it has neither zipcode nor station"
        said.append(f"No weather is known for this project ({zipcode}): without it there is no model.")
    elif usage and not warmth:
        said.append(f"Station {station.station_id} has no temperatures yet: without them there is no model.")
    if project.baseline_period_end_us is None:
        said.append("The project has no baseline_period_end: set it, then start a run.")
    return said


def source(trace: Trace) -> str:
    """Where a trace's hours come from; "": they are uploaded."""
    one = trace.source
    return (
        "" if one is None else f"hours of {'Linky' if one.kind == 'linky' else 'sensor'} {one.id}, {one.energy.replace('_', ' ')}"
    )


def moment(at_us: int, zone: str) -> str:
    """Local time as 2026-03-02 10:04."""
    return f"{datetime.fromtimestamp(at_us / 1e6, ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def day(at_us: int | None, zone: str) -> str:
    """A local date; a dash when there is none."""
    return quantity.DASH if at_us is None else f"{datetime.fromtimestamp(at_us / 1e6, ZoneInfo(zone)):%-d %B %Y}"


def iso_day(at_s: float, zone: str) -> str:
    return f"{datetime.fromtimestamp(at_s, ZoneInfo(zone)):%Y-%m-%d}"


def utc(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def number(value: float | None, digits: int | None = None) -> str:
    """A number with thousands apart and three digits that count."""
    if value is None or math.isnan(value):
        return quantity.DASH
    if digits is None:
        digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{abs(value):,.{digits}f}".replace(",", "\u202f")
    return f"\u2212{text}" if value < 0 and text.strip("0.\u202f") else text

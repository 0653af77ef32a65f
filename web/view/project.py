"""What the pages of projects say in words: savings with their bands, runs and their failures. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from streams.catalog.datastore.entries import Project, Run, Station, Trace
from web.view import quantity
from web.view.project_days import DAY_S, Usage, date_of
from web.view.say import Number, Text, joined, say
from web.view.say import moment as said_moment

THERM_KWH = 29.3001

NAMES = {
    "ELECTRICITY_CONSUMPTION_SUPPLIED": say("Electricity"),
    "NATURAL_GAS_CONSUMPTION_SUPPLIED": say("Natural gas"),
    "ALL_FUELS_CONSUMPTION_SUPPLIED": say("All fuels"),
    "ELECTRICITY_ON_SITE_GENERATION_UNCONSUMED": say("Generation fed in"),
}
_ALL = "ALL_FUELS_CONSUMPTION_SUPPLIED"
KINDS = {
    "E_C_S": say("electricity supplied"),
    "E_C_T": say("electricity, total"),
    "E_C_N": say("electricity, net"),
    "E_OSG_T": say("generation, total"),
    "E_OSG_C": say("generation, consumed"),
    "E_OSG_U": say("generation, fed in"),
    "NG_C_S": say("natural gas"),
}
MEASURES = {
    "avoided_energy_use": say("Avoided energy use"),
    "annualized_weather_normal": say("In a normal year"),
    "gross_predicted": say("Both models, reporting period"),
}
UNITS = {"KWH": "kWh", "THM": "therm"}
STATES = {"PENDING": "wait", "RUNNING": "wait", "SUCCESS": "live", "FAILED": "bad"}
SAID = {"PENDING": say("waiting"), "RUNNING": say("running"), "SUCCESS": say("done"), "FAILED": say("failed")}
PERIODS = {"BASELINE": say("baseline"), "REPORTING": say("reporting period")}


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
    sums = Counter(row["interpretation"] for row in known if row["energy_trace"] is None)
    known = [row for row in known if row["trace_interpretation"] != _ALL or sums[row["interpretation"]] != 2]  # one fuel is all
    known.sort(key=lambda row: (order.index(row["interpretation"]), row["energy_trace"] is not None))
    return [_saved(row, labels) for row in known]


def headline(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one figure of a project: energy avoided, of all fuels when there are several."""
    wanted = (_ALL, "ELECTRICITY_CONSUMPTION_SUPPLIED", "NATURAL_GAS_CONSUMPTION_SUPPLIED")
    of = {row["trace_interpretation"]: row for row in rows if row["interpretation"] == "avoided_energy_use"}
    return next((of[name] for name in wanted if name in of), None)


def figure(row: Mapping[str, Any] | None) -> tuple[str, str, bool]:
    """A row of savings as ("307 kWh", "± 88 kWh", whether it is clear)."""
    if row is None or row["value"] is None:
        return quantity.DASH, "", False
    half = row["upper"]
    return _kwh(row["value"]), joined(" ", ("±", _kwh(half))), half is not None and round(abs(row["value"]), 2) > round(half, 2)


def _saved(row: Mapping[str, Any], labels: Mapping[int, str]) -> Saved:
    trace = row["energy_trace"]
    name = (
        NAMES.get(row["trace_interpretation"], row["trace_interpretation"])
        if trace is None
        else labels.get(trace, say("trace {n}", n=trace))
    )
    value, band, clear = figure(row)
    base = row["baseline_value"]
    share = joined(" ", (number(100 * row["value"] / base, 1), "%")) if base and row["value"] is not None else ""
    measured = _kwh(base), _kwh(row["reporting_value"])
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
    return joined("", (trace.label, " (", kind, ")")) if trace.label else say("{kind}, trace {n}", kind=kind, n=trace.pk)


def own_unit(value_kwh: float, unit: str) -> float:
    """Kilowatt-hours in a trace's unit."""
    return value_kwh / THERM_KWH if unit == "THM" else value_kwh


def measured(used: Usage, zone: str) -> str:
    """From when to when a trace is metered, and how much of that."""
    if not len(used.start_s):
        return ""
    first, last = int(used.start_s[0]), int(used.end_s[-1])
    known_s = float(((used.end_s - used.start_s) * used.coverage).sum())
    share = number(min(100.0, 100 * known_s / (last - first)), 1)
    ends = {"first": said_moment(date_of(first, zone), "date"), "last": said_moment(date_of(last - DAY_S, zone), "date")}
    return say("{first} to {last}, {share} % of it metered", share=share, **ends)


def missing(project: Project, trace: Trace | None, station: Station | None, *has: bool) -> list[str]:
    """What a page lacks, and what to do about it.

    Args:
        has: whether there is usage, and whether there are temperatures.
    """
    if trace is None:
        return [say("This project has no trace yet: POST one to /api/v1/consumption_metadatas/, with records or a source.")]
    usage, warmth = has
    said: list[str] = []
    if not usage:
        said.append(
            say("This trace has no records yet: its hours come as minutes arrive.")
            if trace.source
            else say("This trace has no records yet: POST them to /api/v1/consumption_records/sync2/.")
        )
    if station is None:
        said.append(
            say("No station holds zipcode {code}: without weather there is no model.", code=project.zipcode)
            if project.zipcode
            else say("The project has neither zipcode nor station: without weather there is no model.")
        )
    elif usage and not warmth:
        said.append(say("Station {station} has no temperatures yet: without them there is no model.", station=station.station_id))
    if project.baseline_period_end_us is None:
        said.append(say("The project has no baseline_period_end: set it, then start a run."))
    return said


def source(trace: Trace) -> str:
    """Where a trace's hours come from; "": they are uploaded."""
    one = trace.source
    if one is None:
        return ""
    energy = one.energy.replace("_", " ")
    if one.kind == "linky":
        return say("hours of Linky {id}, {energy}", id=one.id, energy=energy)
    return say("hours of sensor {id}, {energy}", id=one.id, energy=energy)


def moment(at_us: int, zone: str) -> str:
    """Local time as 2026-03-02 10:04."""
    return said_moment(_local(at_us / 1e6, zone), "date minute")


def day(at_us: int | None, zone: str) -> str:
    """A date that begins in the zone, or in UTC, as whoever set it may have meant it; with its time when neither does."""
    if at_us is None:
        return quantity.DASH
    of = (_local(at_us / 1e6, zone), _local(at_us / 1e6, "UTC"))
    return next((said_moment(one, "long date") for one in of if one.time() == time()), said_moment(of[0], "date minute"))


def _local(at_s: float, zone: str) -> datetime:
    return datetime.fromtimestamp(at_s, ZoneInfo(zone))


def _kwh(value: float | None) -> Text:
    return joined(" ", (number(value), "kWh"))


def utc(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def number(value: float | None, digits: int | None = None) -> str:
    """A number with thousands apart and three digits that count."""
    if value is None or math.isnan(value):
        return quantity.DASH
    if digits is None:
        digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{abs(value):,.{digits}f}".replace(",", "\u202f")
    return Number(f"\u2212{text}" if value < 0 and text.strip("0.\u202f") else text)

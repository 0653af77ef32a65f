"""Anomalies in words: what it is, how bad, how long, and which class the standards give it. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from web.view import anomaly_facts as facts
from web.view import quantity
from web.view.anomaly_facts import Row
from web.view.say import Number, Text, joined, moment, say

RULES: dict[str, Text] = {
    "sag": say("Voltage dip"),
    "swell": say("Overvoltage"),
    "interruption": say("Interruption"),
    "overload": say("Overload"),
    "overload_quarter": say("Quarter-hour above the contract"),
    "peak": say("Peak ahead"),
    "load_imbalance": say("Uneven load"),
    "voltage_imbalance": say("Uneven voltage"),
    "low_pf": say("Low power factor"),
    "reverse_power": say("Power fed back"),
    "silence": say("Silence"),
    "phase_missing": say("Phase missing"),
    "stuck": say("Stuck sensor"),
    "clock": say("Clock off"),
    "conflict": say("Contradicting copies"),
    "habit": say("Unlike its habit"),
    "over_power": say("Above the subscribed power"),
    "index": say("Impossible index"),
    "index_slope": say("Index against power"),
    "register_sums": say("Registers do not add up"),
    "clock_degraded": say("Meter's clock lost"),
    "link": say("Bad line"),
}
SEVERITIES: dict[str, Text] = {"notice": say("notice"), "warning": say("warning"), "severe": say("severe")}
STATES: dict[str, Text] = {"open": say("goes on"), "closed": say("over"), "withdrawn": say("withdrawn")}
COLOURS = {"notice": "--accent", "warning": "--warn", "severe": "--bad"}
"""Of marks in a timeline, as names of the style sheet."""

_CLASSES: dict[str, Text] = {
    "instantaneous": say("instantaneous: shorter than half a second"),
    "momentary": say("momentary: up to 3 s"),
    "temporary": say("temporary: 3 s to a minute"),
    "sustained": say("sustained: longer than a minute"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rule(row: Row) -> Text:
    """What it is, with its phase."""
    name = RULES.get(row["rule"], Text(row["rule"]))
    return name if not row["phase"] else say("{what}, phase {phase}", what=name, phase=phase(row))


def phase(row: Row) -> str:
    return "–ABC"[row["phase"]]


def value(row: Row, amount: int) -> Text:
    """A value in the row's unit: volts, watts, percent, a length of time."""
    unit = row["unit"]
    if unit == "mV":
        return joined("\u00a0", quantity.voltage(amount))
    if unit == "mW":
        return quantity.power_text(amount)
    if unit in ("permille", "pct"):
        return joined("\u00a0", quantity.percent(amount / facts.UNITS[unit][0], 1 if unit == "permille" else 0))
    if unit in ("s", "ms"):
        return span(amount / facts.UNITS[unit][0])
    if unit in ("VA", "Wh"):
        return joined("\u00a0", (Number(f"{amount:,}".replace(",", "\u202f").replace("-", "\u2212")), unit))
    return Text(amount)


def worst(row: Row, now_s: float) -> Text:
    """The worst value; of a voltage with its share of the nominal one."""
    said = value(row, facts.worst_of(row, now_s))
    share = of_nominal(row)
    return said if share is None else joined(" · ", [said, share])


def of_nominal(row: Row) -> Text | None:
    """The worst voltage as a share of the nominal one."""
    permille = dict(row["details"]).get("nominal_permille")
    return None if permille is None else joined("\u00a0", quantity.percent(permille / 10, 0))


def span(seconds: float) -> Text:
    """A length of time; below a minute to the fraction it is known to."""
    if seconds >= 60:
        return quantity.duration(seconds)
    if seconds < 1:
        return say("{ms} ms", ms=round(seconds * 1000))
    return say("{s} s", s=Number(f"{seconds:.2f}".rstrip("0").rstrip(".")))


def lasted(row: Row, now_s: float) -> Text:
    """How long; of one that goes on, so far."""
    said = span(facts.lasted_s(row, now_s))
    return said if row["end_us"] is not None else say("{span} so far", span=said)


def sentence(row: Row, now_s: float) -> Text:
    """What happened, as a manager reads it."""
    name = row["rule"]
    values: dict[str, str] = {"worst": value(row, facts.worst_of(row, now_s)), "limit": value(row, row["limit_value"])}
    values |= {"phase": phase(row), "share": of_nominal(row) or quantity.DASH, "span": span(facts.lasted_s(row, now_s))}
    if name == "silence" and row["kind"] == "linky":
        return say("Nothing was heard from the meter for {span}.", **values)
    told = {
        "sag": say("Phase {phase} fell to {worst}, {share} of the nominal voltage, for {span}; {limit} is the limit.", **values),
        "swell": say(
            "Phase {phase} rose to {worst}, {share} of the nominal voltage, for {span}; {limit} is the limit.", **values
        ),
        "interruption": say("All phases were gone for {span}: at most {worst} was left.", **values),
        "overload": say("The mean of a minute reached {worst}; {limit} is the limit of the contract.", **values),
        "overload_quarter": say("The mean of a quarter-hour reached {worst}; the contract allows {limit}.", **values),
        "peak": say("The running quarter-hour was going to reach {worst}; the contract allows {limit}.", **values),
        "load_imbalance": say("A phase was {worst} away from the mean of the three; {limit} is the limit.", **values),
        "voltage_imbalance": say("A voltage was {worst} away from the mean of the three; {limit} is the limit.", **values),
        "low_pf": say("The power factor fell to {worst}; {limit} is the limit.", **values),
        "reverse_power": say("Up to {worst} were fed back; {limit} is the limit.", **values),
        "silence": say("Nothing was heard from the sensor for {span}.", **values),
        "phase_missing": say("Phase {phase} was not in what the sensor sent, for {span}.", **values),
        "stuck": say("The sensor sent the same samples again and again, for {span}.", **values),
        "clock": say("The sensor's clock was off by up to {worst}; {limit} is the limit.", **values),
        "conflict": say("Copies of seconds came with other values than those that count, for {span}.", **values),
        "habit": say(
            "For {span} the power was unlike other weeks at that hour: {worst}, where {limit} is still usual.", **values
        ),
        "over_power": say(
            "The meter said that more than the subscribed power was drawn: {worst}, {limit} is subscribed.", **values
        ),
        "index": say("An index moved by {worst} at once; {limit} is the most that is possible.", **values),
        "index_slope": say(
            "In a quarter-hour the indexes grew by {worst} of what the apparent power allows; {limit} is the limit.", **values
        ),
        "register_sums": say("The indexes of the tariff differ from the total by {worst}; {limit} is the limit.", **values),
        "clock_degraded": say("The meter's clock had lost the time, for {span}.", **values),
        "link": say("Of a minute's frames {worst} were damaged or lost; {limit} is the limit.", **values),
    }
    return told.get(name, joined(": ", [rule(row), values["worst"]]))


def ieee1159(row: Row) -> Text | None:
    """The class of IEEE 1159 with what it says."""
    return _CLASSES.get(row["ieee1159"], Text(row["ieee1159"])) if row["ieee1159"] else None


def en50160(row: Row) -> Text | None:
    """The cell of EN 50160's table of dips."""
    if not row["en50160"]:
        return None
    left, _, length = row["en50160"].partition("/")
    residual = (
        say("no more than 5 % left")
        if left.startswith("<")
        else say("{range} left", range=left.replace("-", "–").replace("%", " %"))
    )
    return joined(
        ", ",
        [
            residual,
            length.replace("-", "–").replace("ms", " ms").replace("60s", "60 s").replace("5s", "5 s").replace("1s", "1 s"),
        ],
    )


def local(zone: str, at_us: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone))


def when(zone: str, at_us: int, *, exact: bool = False) -> Text:
    """A local date and time; exact: to the thousandth of a second."""
    at = local(zone, at_us)
    said = moment(at, "date second")
    return joined("", [said, Number(f".{at.microsecond // 1000:03d}")]) if exact and at.microsecond else said


def listed(row: Row, zone: str, now_s: float) -> dict[str, Any]:
    """A line of the list."""
    return {
        "id": row["id"],
        "when": when(zone, row["start_us"]),
        "source": row["source"],
        "what": rule(row),
        "worst": worst(row, now_s),
        "lasted": lasted(row, now_s),
        "severity": row["severity"],
        "severity_said": SEVERITIES.get(row["severity"], Text(row["severity"])),
        "state": row["state"],
        "state_said": STATES.get(row["state"], Text(row["state"])),
        "seen_by": row["said_by"] if row["acknowledged"] else "",
        "note": row["note"] if row["acknowledged"] else "",
    }

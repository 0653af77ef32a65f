"""Intervals as anomalies: units, limits, severities and classes of each rule."""

from dataclasses import dataclass
from functools import lru_cache

from schemas.anomaly import CLOSED, NOTICE, OPEN, POWER, SEVERE, WARNING, Anomaly, AnomalySecond, anomaly_id
from schemas.units import MINUTE_S
from streams.core.anomaly import seconds, voltage
from streams.core.anomaly.habit import Unlike
from streams.core.anomaly.limits import ROW

_AT = {name: at for at, name in enumerate(ROW)}
SECOND_US = 1_000_000

_id = lru_cache(maxsize=65_536)(anomaly_id)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on whole seconds.

    Attributes:
        name: as in the event.
        phase: 0: all.
        unit, severity: as in the event.
        limit: which of ROW it is judged by; empty: none.
        sign: of the worst value in the machine.
    """

    name: str
    phase: int
    unit: str
    severity: str
    limit: str
    sign: int = 1


RULES: dict[int, Rule] = {
    seconds.SILENCE: Rule("silence", 0, "s", WARNING, "silence_s"),
    **{seconds.MISSING + p: Rule("phase_missing", p + 1, "s", WARNING, "phase_missing_s") for p in range(3)},
    seconds.OVERLOAD: Rule("overload", 0, "mW", WARNING, "overload_pct"),
    seconds.QUARTER: Rule("overload_quarter", 0, "mW", SEVERE, "overload_pct"),
    seconds.PEAK: Rule("peak", 0, "mW", WARNING, "peak_pct"),
    seconds.LOAD: Rule("load_imbalance", 0, "permille", NOTICE, "load_imbalance_pct"),
    seconds.VOLTAGE: Rule("voltage_imbalance", 0, "permille", WARNING, "voltage_imbalance_pct"),
    seconds.LOW_PF: Rule("low_pf", 0, "permille", NOTICE, "low_pf_pct", -1),
    seconds.REVERSE: Rule("reverse_power", 0, "mW", WARNING, "reverse_power_w"),
    seconds.STUCK: Rule("stuck", 0, "s", WARNING, "stuck_s"),
    seconds.CLOCK: Rule("clock", 0, "ms", WARNING, "clock_s"),
    seconds.CONFLICT: Rule("conflict", 0, "s", NOTICE, ""),
}
"""Of every machine of `seconds`."""


@dataclass(frozen=True, slots=True)
class MeterRule:
    """A rule on a Linky's frames: unit and severity as in the event, and what its details count; empty: nothing."""

    unit: str
    severity: str
    counted: str


METER_RULES: dict[str, MeterRule] = {
    "silence": MeterRule("s", WARNING, ""),
    "over_power": MeterRule("VA", WARNING, "frames"),
    "index": MeterRule("Wh", WARNING, "frames"),
    "index_slope": MeterRule("permille", WARNING, "quarters"),
    "register_sums": MeterRule("Wh", WARNING, "frames"),
    "clock_degraded": MeterRule("s", NOTICE, "frames"),
    "link": MeterRule("permille", NOTICE, "minutes"),
}
"""By name; see meter_rules."""

HABIT = "habit"
_OF_SENSORS = (HABIT, *(rule.name for rule in RULES.values()), voltage.SAG, voltage.SWELL, voltage.INTERRUPTION)
NAMES = tuple(dict.fromkeys((*_OF_SENSORS, *METER_RULES)))
"""All rules, of sensors and of meters."""


@dataclass(frozen=True, slots=True)
class Of:
    """Whose interval it is: the sensor, its limits as integers, the newest offset taken in, the partition."""

    source: str
    limits: list[int]
    version: int
    partition: int


def whole_seconds(of: Of, machine: int, start: int, last: int, worst: int, count: int, *, closed: bool, final: bool) -> Anomaly:
    """What a machine of `seconds` found."""
    rule = RULES[machine]
    limit = of.limits[_AT[rule.limit]] if rule.limit else 0
    value = rule.sign * worst
    if machine == seconds.SILENCE:  # it says nothing new while it lasts
        last = last if closed else start + limit - 1
        value = last + 1 - start
    end_us = (last + 1) * SECOND_US
    return Anomaly(
        id=_id(rule.name, POWER, of.source, rule.phase, start * SECOND_US),
        rule=rule.name,
        kind=POWER,
        source=of.source,
        phase=rule.phase,
        start_us=start * SECOND_US,
        end_us=end_us if closed else None,
        last_us=end_us,
        state=CLOSED if closed else OPEN,
        final=final,
        severity=rule.severity,
        unit=rule.unit,
        worst=value,
        limit=limit,
        details={} if machine == seconds.SILENCE else {"seconds": count},
        log_partition=of.partition,
        version=of.version,
    )


def of_habit(of: Of, unlike: Unlike, *, closed: bool) -> Anomaly:
    """Minutes unlike those of other weeks: of closed minutes, so always for good."""
    start_us, end_us = unlike.start * MINUTE_S * SECOND_US, (unlike.last + 1) * MINUTE_S * SECOND_US
    return Anomaly(
        id=_id(HABIT, POWER, of.source, 0, start_us),
        rule=HABIT,
        kind=POWER,
        source=of.source,
        phase=0,
        start_us=start_us,
        end_us=end_us if closed else None,
        last_us=end_us,
        state=CLOSED if closed else OPEN,
        final=True,
        severity=NOTICE,
        unit="mW",
        worst=unlike.worst_mw,
        limit=unlike.limit_mw,
        details={"minutes": unlike.count, "usual_mw": unlike.usual_mw},
        log_partition=of.partition,
        version=of.version,
    )


def of_voltage(
    of: Of, event: voltage.Event, nominal_mv: int, samples: tuple[AnomalySecond, ...], *, closed: bool, final: bool
) -> Anomaly:
    """A sag, swell or interruption."""
    lasted_us = event.end_us - event.start_us
    permille = event.worst_mv * 1000 // nominal_mv
    severe = event.rule == voltage.INTERRUPTION or not voltage.rides_through(permille, lasted_us)
    return Anomaly(
        id=_id(event.rule, POWER, of.source, event.phase, event.start_us),
        rule=event.rule,
        kind=POWER,
        source=of.source,
        phase=event.phase,
        start_us=event.start_us,
        end_us=event.end_us if closed else None,
        last_us=event.end_us,
        state=CLOSED if closed else OPEN,
        final=final,
        severity=SEVERE if severe else WARNING,
        unit="mV",
        worst=event.worst_mv,
        limit=of.limits[_AT[f"{event.rule}_pct"]],
        ieee1159=voltage.ieee1159(event.rule, lasted_us),
        en50160="" if event.rule == voltage.SWELL else voltage.en50160(permille, lasted_us),
        details={"nominal_permille": permille, "worst_us": event.worst_us},
        samples=samples,
        log_partition=of.partition,
        version=of.version,
    )

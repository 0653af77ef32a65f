"""What a meter says in standard mode, in the order of 54E 6.2.2."""

from collections.abc import Iterator
from dataclasses import dataclass

from producers.simulate.linky import hours
from producers.simulate.linky.contract import Contract, Tariff
from producers.simulate.linky.groups import Said, horodate, number, text
from producers.simulate.linky.meter import CURVE_MIN, Reading
from producers.tic.labels import Mode

NO_MESSAGE = "PAS DE          MESSAGE"
CURVE_LATE_S = 5
"""For so long after the end of a period the load curve's groups are missing (54E 6.2.3.12: up to 10 s)."""
MODE = Mode.STANDARD


@dataclass(frozen=True, slots=True)
class Clock:
    """What the meter believes of the time.

    Attributes:
        at_s: what it takes for now.
        degraded: it says that it lost the time.
    """

    at_s: int
    degraded: bool = False


def groups(contract: Contract, r: Reading, clock: Clock, message: str = NO_MESSAGE) -> list[Said]:
    """All groups of one frame."""
    calendar, (tariff_name, index_names) = r.slow.calendar, hours.NAMES[contract.tariff]
    register, relays = f"{_status(contract, r, clock):08X}", f"{int(_contact_closed(contract, r)):03}"
    return [
        text(MODE, "ADSC", contract.address),
        text(MODE, "VTIC", "02"),
        Said("DATE", "", None, horodate(clock.at_s, degraded=clock.degraded), clock.at_s, clock.degraded),
        text(MODE, "NGTF", tariff_name),
        text(MODE, "LTARF", index_names[r.supplier - 1]),
        *_indexes(contract, r),
        *_present(contract, r),
        *_maxima(contract, r),
        *_curve(contract, r),
        *(number(MODE, f"UMOY{phase}", *mean) for phase, mean in enumerate(r.slow.mean_v, 1)),
        Said("STGE", register, register),
        *_announced(calendar),
        text(MODE, "MSG1", message),
        text(MODE, "PRM", contract.delivery_point),
        Said("RELAIS", relays, relays),
        number(MODE, "NTARF", r.supplier),
        number(MODE, "NJOURF", 0),
        number(MODE, "NJOURF+1", 0),
        text(MODE, "PJOURF+1", hours.profile(contract)),
        *([text(MODE, "PPOINTE", hours.profile(contract, calendar.announced))] if calendar.announced else []),
    ]


def _indexes(contract: Contract, r: Reading) -> Iterator[Said]:
    yield number(MODE, "EAST", r.drawn_wh)
    for index, energy_wh in enumerate(r.supplier_wh, 1):
        yield number(MODE, f"EASF{index:02}", energy_wh)
    for index, energy_wh in enumerate(r.grid_wh, 1):
        yield number(MODE, f"EASD{index:02}", energy_wh)
    if contract.producer:
        yield number(MODE, "EAIT", r.injected_wh)
        reactive = (3 * r.drawn_wh // 20, r.injected_wh // 9, r.injected_wh // 45, r.drawn_wh // 11)
        for quadrant, energy_varh in enumerate(reactive, 1):
            yield number(MODE, f"ERQ{quadrant}", energy_varh)


def _present(contract: Contract, r: Reading) -> Iterator[Said]:
    for phase, current_a in enumerate(r.current_a, 1):
        yield number(MODE, f"IRMS{phase}", current_a)
    for phase, voltage_v in enumerate(r.voltage_v, 1):
        yield number(MODE, f"URMS{phase}", voltage_v)
    yield number(MODE, "PREF", contract.power_kva)
    yield number(MODE, "PCOUP", contract.power_kva)
    yield number(MODE, "SINSTS", r.drawn_va)
    if contract.phases == 3:
        for phase, va in enumerate(r.phases_va, 1):
            yield number(MODE, f"SINSTS{phase}", max(va, 0))


def _maxima(contract: Contract, r: Reading) -> Iterator[Said]:
    for (drawn, _, *phases), suffix in ((r.slow.today, ""), (r.slow.yesterday, "-1")):
        yield number(MODE, f"SMAXSN{suffix}", *drawn)
        if contract.phases == 3:
            for phase, highest in enumerate(phases, 1):
                yield number(MODE, f"SMAXSN{phase}{suffix}", *highest)
    if contract.producer:
        yield number(MODE, "SINSTI", r.injected_va)
        yield number(MODE, "SMAXIN", *r.slow.today[1])
        yield number(MODE, "SMAXIN-1", *r.slow.yesterday[1])


def _curve(contract: Contract, r: Reading) -> Iterator[Said]:
    if r.at_s % (60 * CURVE_MIN) < CURVE_LATE_S:
        return
    for label, points in (("CCASN", r.slow.curve), ("CCAIN", r.slow.curve_injected)):
        if label == "CCASN" or contract.producer:
            yield number(MODE, label, *points[0])
            yield number(MODE, f"{label}-1", *points[1])


def _announced(calendar: hours.Calendar) -> Iterator[Said]:
    if not calendar.announced:
        return
    for name, minute in (("DPM", calendar.begin), ("FPM", calendar.end)):
        at_s = hours.utc_s(minute)
        yield Said(f"{name}{calendar.announced}", "00", "00", horodate(at_s, letter=" "), at_s)


def _contact_closed(contract: Contract, r: Reading) -> bool:
    """The contact switches the hot water, in HC."""
    return contract.tariff is Tariff.HCHP and r.supplier == 1


def _status(contract: Contract, r: Reading, clock: Clock) -> int:
    """STGE (54E 6.2.3.14)."""
    calendar = r.slow.calendar
    bits = (
        (0, not _contact_closed(contract, r)),
        (7, r.drawn_va > 1000 * contract.power_kva),
        (8, contract.producer),
        (9, sum(r.power_w) < 0),
        (10, r.supplier - 1),
        (14, r.grid - 1),
        (16, clock.degraded),
        (17, 1),
        (19, 3),
        (21, 2),
        (23, 1),
        (24, calendar.today),
        (26, calendar.tomorrow),
        (28, calendar.announced),
        (30, calendar.running),
    )
    return sum(int(value) << low for low, value in bits)

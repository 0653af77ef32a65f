"""What a sensor's energy costs: its quarter-hours and its tariff brought together."""

import calendar
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np

from schemas.units import UNITS
from streams import tariffs
from streams.catalog import terms
from streams.catalog.state import Sensor, State
from streams.core import energy, linky_use
from streams.core.energy import QUARTER_S, Quarters
from streams.core.tariff import kepco_bill, linky
from streams.core.tariff.bill import Bill, Hours, NoPrice, Sentence
from streams.core.tariff.demand import BillingDemand, Month, billing_demand, counting
from streams.core.tariff.document import LINKY, decimal
from streams.core.tariff.plan import DatedPlans, Plan
from web import energy_queries
from web.energy_queries import UNITS_PER_WH
from web.kept_reads import Reads

DAY_HOURS = (8, 22)
"""Local hours whose power factor counts; see kepco.json."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a sensor drew, and the year of peaks before.

    Attributes:
        quarters: of the span asked for and, where asked for, of the eleven months before.
        indexes: Wh by local day and label of a Linky; empty of others.
        contract_va: of a Linky, as it says.
    """

    zone: str
    since_s: int
    until_s: int
    quarters: Quarters
    indexes: dict[tuple[date, str], int]
    contract_va: int

    @property
    def mine(self) -> Quarters:
        """The quarters of the span itself."""
        at = self.quarters.at_s
        rows = slice(*np.searchsorted(at, [self.since_s, self.until_s]).tolist())
        return Quarters(at[rows], {name: values[rows] for name, values in self.quarters.figures.items()})

    @property
    def hours(self) -> Hours:
        return energy.by_hour(self.zone, self.mine, "units_import")

    def coverage(self, now_s: float) -> float:
        """Seconds measured of those of the span that are over."""
        possible = max(0, min(self.until_s, int(now_s)) - self.since_s)
        return round(min(1.0, int(self.mine.figures["seconds"].sum()) / possible), 6) if possible else 0.0


@dataclass(frozen=True, slots=True)
class Billed:
    """A bill with what it is made of."""

    plan: str
    bill: Bill
    used: Used
    demand: BillingDemand | None


class Bills:
    """Bills of sensors and meters.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, db: Reads, state: Callable[[], State], clock: Callable[[], float]) -> None:
        self._db, self._state, self._clock = db, state, clock

    async def used(self, sensor: Sensor, first: date, end: date, *, from_s: int | None = None) -> Used:
        """What was drawn from the beginning of one local day to that of another.

        Args:
            from_s: how far back quarters are looked up; None: to the first day.
        """
        zone = self._state().zone_of(sensor)
        since_s, until_s = energy.midnight(zone, first), energy.midnight(zone, end)
        back_s = since_s if from_s is None else min(from_s, since_s)
        now_s = self._clock()
        if sensor.kind != "linky":
            quarters = await energy_queries.quarters(self._db, sensor.sensor_id, back_s, until_s, now_s)
            return Used(zone, since_s, until_s, quarters, {}, 0)
        known = await energy_queries.before(self._db, sensor.sensor_id, back_s)
        quarters, counted, contract = await energy_queries.meter_quarters(self._db, sensor.sensor_id, back_s, until_s, now_s)
        return Used(zone, since_s, until_s, quarters, linky_use.drawn([*known, *counted], zone, since_s), contract)

    async def month(self, sensor: Sensor, month: date, plan: str = "") -> Billed:
        """The bill of a month, so far when it is not over.

        Args:
            month: its first day.
            plan: another than the sensor's own.

        Raises:
            NoPrice: the tariff does not tell, or none is named.
        """
        zone = self._state().zone_of(sensor)
        back = energy.midnight(zone, _months_before(month, 11))
        used = await self.used(sensor, month, energy.next_month(month), from_s=back)
        last = month.replace(day=calendar.monthrange(month.year, month.month)[1])
        chosen = self.plan(sensor, used, plan)
        changes = chosen.changes(month, last)
        if _schema(chosen, [month, *changes]) == LINKY:
            bill, demand = linky.bill(chosen.option, last, _indexes(chosen, used)), None
        else:
            demands = {day: _demand(chosen, used, month, day) for day in [month, *changes]}
            demand = demands[max(demands)]
            bill = kepco_bill.month_bill(
                chosen.contract,
                month,
                used.hours,
                lambda day: demands[max(since for since in demands if since <= day)],
                _power_factor(used),
            )
        return Billed(chosen.on(last).name, _noted(bill, chosen, changes), used, demand)

    async def days(self, sensor: Sensor, first: date, end: date, plan: str = "") -> Billed:
        """What the energy of some days cost, without what is paid by the month.

        Raises:
            NoPrice: the tariff does not tell, or none is named.
        """
        used, last = await self.used(sensor, first, end), end - timedelta(1)
        chosen = self.plan(sensor, used, plan)
        changes = chosen.changes(first, last)
        if _schema(chosen, [first, *changes]) == LINKY:
            bill = linky.bill(chosen.option, last, _indexes(chosen, used), subscribed=False)
        else:
            bill = kepco_bill.running_cost(chosen.contract, last, used.hours)
        return Billed(chosen.on(last).name, _noted(bill, chosen, changes), used, None)

    def plan(self, sensor: Sensor, used: Used | None, name: str = "") -> DatedPlans:
        """What the sensor is billed by, day by day.

        Args:
            name: a plan to take for every day instead of the sensor's own; contracted power stays that of the day.

        Raises:
            NoPrice: nothing is said of it.
        """
        guessed = f"linky/{linky_use.option_of(used.indexes)}" if sensor.kind == "linky" and used is not None else ""
        parts: list[tuple[str, Plan]] = []
        for one in terms.every(sensor):
            va = (used.contract_va if used is not None else 0) or one.contracted_power_w
            plan = Plan(name or one.tariff or guessed, self._text_on, Decimal(str(va)) / 1000 if va else None)
            if not parts or parts[-1][1] != plan:
                parts.append((one.since, plan))
        nothing = Sentence(
            "no_tariff",
            "sensor {sensor} has no tariff; name one, or set it: {command}",
            sensor=sensor.sensor_id,
            command=f"`powermon sensors change {sensor.sensor_id} --tariff kepco/general_b/high_a/I`",
        )
        if not any(plan.name for _, plan in parts):
            raise NoPrice(nothing)
        return DatedPlans(tuple(parts), nothing)

    def _text_on(self, tariff_id: str, day: str) -> str | None:
        tariff = self._state().tariffs.get(tariff_id)
        found = tariff.on(day) if tariff is not None else None
        if found is None and tariff_id in tariffs.BUILT_IN:
            return tariffs.text(tariff_id)
        return found


def month_peaks(plan: DatedPlans, used: Used, months: list[Month]) -> dict[Month, tuple[Fraction, int]]:
    """Of each month of which something is known: the largest quarter-hour that counts, in kW, and when it began."""
    quarters, found = used.quarters, {}
    for year, number in months:
        first = date(year, number, 1)
        bounds = [energy.midnight(used.zone, day) for day in (first, energy.next_month(first))]
        start, stop = np.searchsorted(quarters.at_s, bounds).tolist()
        if start == stop:
            continue
        rows = np.arange(start, stop)
        days, which, hour = energy.hours(used.zone, quarters.at_s[rows])
        try:
            counts = np.array([plan.contract(day).demand_hours(day) for day in days])
        except NoPrice:  # the tariff began later: nothing is known of what counted then
            continue
        at = energy.peak(quarters, "units_import", rows[counts[which, hour]])
        kw = Fraction(0) if at is None else Fraction(int(quarters.figures["units_import"][at]), UNITS * QUARTER_S * 1_000_000)
        found[year, number] = (kw, bounds[0] if at is None else int(quarters.at_s[at]))
    return found


def _schema(plan: DatedPlans, days: list[date]) -> str:
    """The one shape of the tariffs of these days.

    Raises:
        NoPrice: there is no tariff, or they have two shapes.
    """
    found = {plan.schema(day) for day in days}
    if len(found) > 1:
        raise NoPrice(
            f"the month goes from a Linky's tariff to another kind on {days[-1]}; no bill can hold both: name one with `--tariff`"
        )
    return found.pop()


def _noted(bill: Bill, plan: DatedPlans, changes: list[date]) -> Bill:
    """The bill, saying from which day on another plan or contracted power held in it."""
    message = "from {day} on: {plan}, contracted power {power} kW"
    notes = [
        Sentence("plan_changed", message, day=day.isoformat(), plan=of.name, power=f"{of.kva or 0:f}".removesuffix(".0"))
        for day in changes
        if (of := plan.on(day))
    ]
    return replace(bill, notes=(*notes, *bill.notes))


def _demand(plan: DatedPlans, used: Used, month: date, since: date) -> BillingDemand:
    """What the base fee is asked for by the plan that holds from a day of the month on."""
    contract, mine = plan.contract(since), plan.on(since)
    contract_kw = Fraction(mine.kva or 0)
    if contract.on_contract:
        if not contract_kw:
            message = "the base fee of {plan} is by contract power; set it: {command}"
            command = "`powermon sensors change … --contracted-power W`"
            raise NoPrice(Sentence("no_contracted_power", message, plan=mine.name, command=command))
        return BillingDemand(contract_kw, None, ())
    rule, key = contract.document["demand"], (month.year, month.month)
    peaks = month_peaks(plan, used, counting(rule, key))
    return billing_demand(rule, key, {m: kw for m, (kw, _) in peaks.items()}, contract_kw)


def _power_factor(used: Used) -> Fraction | None:
    """Mean of its amount over the day hours, percent; None: nothing was measured."""
    mine = used.mine
    _, _, hour = energy.hours(used.zone, mine.at_s)
    rows = (hour >= DAY_HOURS[0]) & (hour < DAY_HOURS[1])
    seconds = sum(int(mine.figures[name][rows].sum()) for name in ("seconds_a", "seconds_b", "seconds_c"))
    (units,) = energy.exact(mine.figures["units_pf"][rows], np.zeros(int(rows.sum()), np.int64), 1)
    return Fraction(units, UNITS * seconds) if seconds else None


def _indexes(plan: DatedPlans, used: Used) -> dict[tuple[date, int], int]:
    """Wh by day and number of the index, as the plan of the day counts them.

    Raises:
        NoPrice: the meter's indexes are not the plan's.
    """
    found: dict[tuple[date, int], int] = {}
    if not used.indexes:
        for (day, _), units in used.hours.items():
            if len(plan.option(day).indexes) > 1:
                raise _parted(plan.on(day))
            found[day, 1] = found.get((day, 1), 0) + units
        return {key: (2 * units + UNITS_PER_WH) // (2 * UNITS_PER_WH) for key, units in found.items()}
    one_price = linky_use.option_of(used.indexes) == "base"
    for (day, label), wh in used.indexes.items():
        option = plan.option(day)
        whole = len(option.indexes) == 1
        if one_price and not whole:
            raise _parted(plan.on(day))
        index = 1 if whole else option.index_of(label)
        if index is None:
            if wh:
                raise NoPrice(
                    f"{plan.on(day).name} has no index {label}, which the meter counts; only a plan of one price can be told"
                )
            continue
        found[day, index] = found.get((day, index), 0) + wh
    return found


def _parted(plan: Plan) -> NoPrice:
    return NoPrice(f"{plan.name} parts energy by indexes this meter does not count apart; only a plan of one price can be told")


def _months_before(month: date, count: int) -> date:
    ordinal = month.year * 12 + month.month - 1 - count
    return date(ordinal // 12, ordinal % 12 + 1, 1)


def contract_kw(sensor: Sensor, used: Used, day: date) -> Decimal | None:
    """Contracted power of a day in kW, or kVA of a Linky; None: not known."""
    va = used.contract_va or terms.on(sensor, day.isoformat()).contracted_power_w
    return decimal(Decimal(str(va))) / 1000 if va else None

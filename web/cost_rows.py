"""Demand and bills as rows: what the pages show and what REST gives are these."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np

from schemas.units import MWS_PER_KWH
from streams.catalog.state import Sensor, State
from streams.core import energy
from streams.core.tariff.bill import Bill, NoPrice
from streams.core.tariff.document import KEPCO
from web import energy_queries
from web.bills import Billed, Bills, Used, contract_kw, month_peaks
from web.kept_reads import Reads
from web.view.meter_day import iso

Row = dict[str, Any]
COLUMNS = ("kind", "text", "quantity", "unit", "price", "amount", "currency", "band", "season", "since", "estimate")


class CostRows:
    """Makes them.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, db: Reads, state: Callable[[], State], clock: Callable[[], float]) -> None:
        self._db, self._state, self._clock = db, state, clock
        self._bills = Bills(db, state, clock)

    async def demand(self, sensor: Sensor, month: date, plan: str = "") -> Row:
        """Peaks of a month against the contract, and where the running quarter-hour goes."""
        zone, now_s = self._state().zone_of(sensor), self._clock()
        used = await self._bills.used(sensor, month, energy.next_month(month))
        last = min(energy.next_month(month) - timedelta(1), max(month, energy.local_day(zone, now_s)))
        contract = contract_kw(sensor, used, last)
        body: Row = {
            "sensor_id": sensor.sensor_id,
            "zone": zone,
            "month": f"{month:%Y-%m}",
            "contract_kw": None if contract is None else float(contract),
            "coverage": used.coverage(now_s),
            "peak": _peak(used, "units_import", contract),
            "sliding_peak": _peak(used, "units_sliding", contract),
            "billing_peak": self.billing_peak(sensor, used, month, plan),
            "now": None,
        }
        if used.since_s <= now_s < used.until_s:
            since_s = int(now_s) - 2 * energy.QUARTER_S
            minutes = await energy_queries.last_minutes(self._db, sensor.sensor_id, sensor.kind == "linky", since_s)
            found = energy.forecast(now_s, minutes)
            if found is not None:
                kw = found.demand_mw / 1e6
                body["now"] = {
                    "quarter": iso(found.quarter_s),
                    "so_far_kwh": round(found.so_far_mws / MWS_PER_KWH, 6),
                    "power_kw": round(found.power_mw / 1e6, 6),
                    "forecast_kw": round(kw, 6),
                    "forecast_of_contract": round(kw / float(contract), 4) if contract else None,
                }
        return body

    def told(self, one: Billed) -> Row:
        """A bill's sums, and how much of its span was measured."""
        now_s = self._clock()
        by_band: dict[str, Row] = {}
        for line in one.bill.lines:
            if line.kind == "energy" and line.quantity is not None:
                known = by_band.setdefault(line.band, {"band": line.band, "kwh": 0.0, "amount": 0.0})
                known["kwh"] = round(known["kwh"] + float(line.quantity), 3)
                known["amount"] = round(known["amount"] + float(line.amount), 2)
        billed = None
        if one.demand is not None:
            of = one.demand.of
            missing = [f"{y}-{m:02}" for y, m in one.demand.missing]
            billed = {"kw": round(float(one.demand.kw), 6), "of": f"{of[0]}-{of[1]:02}" if of else None, "missing": missing}
        return {
            "tariff": one.plan,
            "currency": one.bill.currency,
            "charge": float(one.bill.charge),
            "total": float(one.bill.total),
            "by_band": list(by_band.values()),
            "billing_demand": billed,
            "coverage": one.used.coverage(now_s),
            "complete": one.used.until_s <= now_s,
            "notes": list(one.bill.notes),
            "note_codes": [note.code for note in one.bill.notes],
        }

    def billing_peak(self, sensor: Sensor, used: Used, month: date, name: str) -> Row | None:
        """The largest quarter-hour outside light-load hours, where the sensor's tariff counts those."""
        try:
            plan = self._bills.plan(sensor, used, name)
            if plan.schema(month) != KEPCO:
                return None
            found = month_peaks(plan, used, [(month.year, month.month)]).get((month.year, month.month))
        except NoPrice:
            return None
        return None if found is None else {"kw": round(float(found[0]), 6), "at": iso(found[1])}


def _peak(used: Used, name: str, contract: Any) -> Row | None:
    quarters = used.mine
    at = energy.peak(quarters, name)
    if at is None:
        return None
    kw = energy.kw(int(quarters.figures[name][at]))
    end = int(quarters.figures["sliding_end"][at]) + 60
    start_s = end - energy.QUARTER_S if name == "units_sliding" else int(quarters.at_s[at])
    share = round(kw / float(contract), 4) if contract else None
    return {"kw": kw, "at": iso(start_s), "of_contract": share, "seconds": int(np.int64(quarters.figures["seconds"][at]))}


def lines(bill: Bill) -> list[Row]:
    """A bill line by line."""
    return [
        {
            "kind": line.kind,
            "text": line.text,
            "quantity": None if line.quantity is None else float(line.quantity),
            "unit": line.unit,
            "price": None if line.price is None else float(line.price),
            "amount": float(line.amount),
            "currency": bill.currency,
            "band": line.band,
            "season": line.season,
            "since": line.since,
            "estimate": line.estimate,
        }
        for line in bill.lines
    ]

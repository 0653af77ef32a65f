"""/cost: what today, yesterday and a month cost, line by line, and the same month under another plan."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from streams import tariffs
from streams.catalog.state import Sensor, State
from streams.core import energy
from streams.core.tariff.bill import NoPrice
from streams.core.tariff.plan import plans
from web.bills import Billed, Bills
from web.cost_rows import CostRows, Row, lines
from web.demand_pages import month, months
from web.energy_pages import Chosen, no_sensor, told
from web.identity import IDENTITY
from web.meter_pages import Shell
from web.view import cost as view
from web.view.say import say

REFRESH_S = 15
_DAY = timedelta(1)


class CostPages:
    """Everything /cost holds.

    Args:
        shell: answers with a page without a document on the server.
        clock: UTC seconds.
    """

    def __init__(
        self,
        bills: Bills,
        rows: CostRows,
        state: Callable[[], State],
        chosen: Chosen,
        shell: Shell,
        clock: Callable[[], float],
    ) -> None:
        self._bills, self._rows, self._state, self._chosen = bills, rows, state, chosen
        self._shell, self._clock = shell, clock

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/cost", told(self.show))]

    async def show(self, request: web.Request) -> web.Response:
        sensor = self._chosen.sensor(request)
        if sensor is None:
            return no_sensor(self._shell, request, "cost")
        zone, now_s = self._chosen.zone(sensor), self._clock()
        one = month(request, zone, now_s)
        today, first = energy.local_day(zone, now_s), energy.local_day(zone, one.start_s)
        known = self._plans(sensor)
        asked = {name: request.query.get(name, "") for name in ("tariff", "beside")}
        plan, beside = (asked[name] if asked[name] in known else "" for name in ("tariff", "beside"))
        names = {"today": say("Today so far"), "yesterday": say("Yesterday"), "month": say("This month so far")}
        spans, (bill, reason), (other, other_why) = await asyncio.gather(
            self._spans(sensor, today, plan),
            self._month(sensor, first, plan),
            self._month(sensor, first, beside, nothing=not beside),
        )
        why = next((text for _, text in spans.values() if text), "")
        told = {key: None if one is None else view.told(one) for key, (one, _) in spans.items()}
        cards = {key: {"name": names[key], "told": one} for key, one in told.items()}
        chosen = {name: value for name, value in (("tariff", plan), ("beside", beside)) if value}
        export = {"sensor": sensor.sensor_id, "month": f"{first:%Y-%m}", **chosen}
        export_other = {"sensor": sensor.sensor_id, "month": f"{first:%Y-%m}", "tariff": beside}
        return self._shell(
            "cost.html",
            request[IDENTITY],
            kind="cost",
            sensor_id=sensor.sensor_id,
            sensor=sensor,
            zone=zone,
            view={"every_s": REFRESH_S},
            cards=cards,
            bands=view.beside(told["yesterday"], told["today"]),
            bill=bill,
            other=other,
            difference=view.difference(bill, other),
            why=why or reason,
            other_why=other_why,
            plans=known,
            plan=plan,
            beside=beside,
            month=one.at,
            files=_files(export),
            other_files=_files(export_other),
            money=view.money,
            **months("/cost", sensor, one, now_s, **chosen),
        )

    async def _spans(self, sensor: Sensor, today: date, plan: str) -> dict[str, tuple[Row | None, str]]:
        """What today, yesterday and this month cost, or why that is not known."""
        work = {
            "today": self._bills.days(sensor, today, today + _DAY, plan),
            "yesterday": self._bills.days(sensor, today - _DAY, today, plan),
            "month": self._bills.month(sensor, today.replace(day=1), plan),
        }
        found = await asyncio.gather(*(_or_reason(one) for one in work.values()))
        return {
            key: (None if one is None else self._rows.told(one), reason) for key, (one, reason) in zip(work, found, strict=True)
        }

    async def _month(self, sensor: Sensor, first: date, plan: str, *, nothing: bool = False) -> tuple[dict[str, Any] | None, str]:
        if nothing:
            return None, ""
        found, why = await _or_reason(self._bills.month(sensor, first, plan))
        return (None if found is None else view.bill(self._rows.told(found), lines(found.bill))), why

    def _plans(self, sensor: Sensor) -> list[str]:
        """What a sensor of its kind can be billed by: the indexes of a Linky's tariffs are not for a 3-phase sensor."""
        texts = {name: tariffs.text(name) for name in tariffs.BUILT_IN}
        texts |= {name: tariff.versions[-1][1] for name, tariff in self._state().tariffs.items()}
        of = [plan for name, text in sorted(texts.items()) for plan in plans(name, text)]
        parts = 2 if sensor.kind == "linky" else 4
        return [plan for plan in of if len(plan.split("/")) == parts or plan == "linky/base"]


async def _or_reason(work: Coroutine[Any, Any, Billed]) -> tuple[Billed | None, str]:
    try:
        return await work, ""
    except NoPrice as error:
        return None, view.words(error.args[0])


def _files(query: dict[str, str]) -> dict[str, str]:
    return {form: f"/api/v1/bill?{urlencode(query | {'format': form})}" for form in ("csv", "parquet")}

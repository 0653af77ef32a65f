"""/demand: a month's peaks against contracted power, and where the running quarter-hour goes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from streams.catalog.state import Sensor
from streams.core import energy
from web.api.moments import month as month_of
from web.cost_rows import CostRows
from web.energy_pages import Chosen, link, no_sensor, told
from web.energy_rows import EnergyRows, Row
from web.identity import IDENTITY
from web.meter_pages import Shell
from web.pages import energy as plots
from web.view import demand as view
from web.view import energy as energy_view
from web.view import period
from web.view import period_words as words
from web.view.meter_day import iso
from web.view.period import Period

REFRESH_S = 10


class DemandPages:
    """Everything /demand holds.

    Args:
        shell: answers with a page without a document on the server.
        clock: UTC seconds.
    """

    def __init__(self, costs: CostRows, rows: EnergyRows, chosen: Chosen, shell: Shell, clock: Callable[[], float]) -> None:
        self._costs, self._rows, self._chosen, self._shell, self._clock = costs, rows, chosen, shell, clock

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/demand", told(self.show))]

    async def show(self, request: web.Request) -> web.Response:
        sensor = self._chosen.sensor(request)
        if sensor is None:
            return no_sensor(self._shell, request, "demand")
        zone, now_s = self._chosen.zone(sensor), self._clock()
        one = month(request, zone, now_s)
        first = energy.local_day(zone, one.start_s)
        found, quarters = await asyncio.gather(
            self._costs.demand(sensor, first), self._rows.quarters(sensor, one.start_s, one.end_s)
        )
        days = self._rows.periods(sensor, quarters, one.start_s, one.end_s, "day")
        running = one.holds(now_s)
        contract = found["contract_kw"]
        bars = view.bars(one, days, contract)
        covered, gaps = energy_view.covered(one, days)
        plot = {
            "window": [0, (one.end_s - one.start_s) * 1000],
            "ticks": words.ticks(one, "day"),
            "axis": energy_view.axis([*bars["top"], *([contract] if contract else [])]),
            "bars": bars,
            **{key: {} for key in ("before", "lines")},
            "covered": covered,
            "gaps": gaps,
            "contract": contract,
            "opens": [[(at - one.start_s) * 1000, (end - one.start_s) * 1000, _day(zone, at)] for at, end in view.spans(days)],
            "every_s": REFRESH_S if running else None,
        }
        span = {"sensor": sensor.sensor_id, "from": iso(one.start_s), "to": iso(one.end_s), "resolution": "quarter"}
        return self._shell(
            "demand.html",
            request[IDENTITY],
            kind="demand",
            sensor_id=sensor.sensor_id,
            sensor=sensor,
            zone=zone,
            plots=plots.document(),
            view=plot,
            found=found,
            unit="kVA" if sensor.kind == "linky" else "kW",
            now=_now(found["now"], now_s, zone),
            peak=_moment(sensor, zone, found["peak"]),
            sliding=_moment(sensor, zone, found["sliding_peak"]),
            billing=_moment(sensor, zone, found["billing_peak"]),
            why=view.why(zone, quarters),
            largest=[_moment(sensor, zone, row) for row in view.largest(quarters, contract, now_s)],
            files={form: f"/api/v1/energy?{urlencode(span | {'format': form})}" for form in ("csv", "parquet")},
            **months("/demand", sensor, one, now_s),
        )


def month(request: web.Request, zone: str, now_s: float) -> Period:
    """The month an address names; this one when it names none."""
    first: date = month_of(request, energy.local_day(zone, now_s))
    return period.around("month", zone, energy.midnight(zone, first.replace(day=1)))


def months(path: str, sensor: Sensor, one: Period, now_s: float, **more: str) -> dict[str, Any]:
    """What leads to other months."""

    def of(other: Period) -> str:
        return f"{path}?{urlencode({'sensor': sensor.sensor_id, 'month': other.at, **more})}"

    following = period.after(one)
    return {
        "month_title": words.title(one),
        "this_month": f"{path}?{urlencode({'sensor': sensor.sensor_id, **more})}",
        "running": one.holds(now_s),
        "earlier": of(period.before(one)),
        "later": of(following) if following.start_s <= now_s else None,
        "number": words.number,
        "pct": words.pct,
    }


def _moment(sensor: Sensor, zone: str, row: Row | None) -> dict[str, Any] | None:
    """A peak with its moment in words, and the hour it is in."""
    if row is None:
        return None
    at_s = int(datetime.fromisoformat(row["at"]).timestamp())
    hour = period.around("hour", zone, at_s)
    return {**row, "when": words.moment_of(zone, at_s), "link": link(sensor, hour)}


def _now(now: Row | None, now_s: float, zone: str) -> dict[str, Any] | None:
    if now is None:
        return None
    at_s = int(datetime.fromisoformat(now["quarter"]).timestamp())
    share = now["forecast_of_contract"]
    return {
        **now,
        "span": words.hours(Period("day", zone, at_s, at_s + energy.QUARTER_S), at_s, at_s + energy.QUARTER_S),
        "left_s": max(0, round(at_s + energy.QUARTER_S - now_s)),
        "width": 0 if share is None else round(min(100.0, 100 * share), 1),
        "state": "fine" if share is None or share <= view.NEAR else "near" if share <= 1 else "over",
    }


def _day(zone: str, at_s: int) -> str:
    return f"day/{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%MZ}/quarter"

"""/api/v1/demand, /api/v1/cost and /api/v1/bill: peaks against the contract, and what it costs."""

from collections.abc import Callable
from datetime import timedelta

from aiohttp import web

from sinks.clickhouse import ClickHouse
from streams.catalog.state import State
from streams.core import energy
from streams.core.tariff.bill import NoPrice
from web.api import schemas
from web.api.answer_table import PARAMETER, answer, described, form_of
from web.api.energy import sensor_of
from web.api.moments import month as month_of
from web.api.operation import Operation, Refused
from web.bills import Bills
from web.cost_rows import COLUMNS, CostRows, lines

_TAG = "energy"


class CostApi:
    """The doors for demand and cost."""

    def __init__(self, db: ClickHouse, state: Callable[[], State], clock: Callable[[], float]) -> None:
        self._db, self._state, self._clock = db, state, clock
        self._bills = Bills(db, state, clock)
        self._rows = CostRows(db, state, clock)

    def operations(self) -> list[Operation]:
        sensor = schemas.query("sensor", "its id")
        plan = schemas.query("tariff", "another plan than the sensor's own, as kepco/general_b/high_a/I")
        month = schemas.query("month", "as 2026-03; default: this month")
        unknown, no_price = {404: "unknown_sensor"}, {404: "unknown_sensor", 409: "no_price"}
        return [
            Operation(
                *("GET", "/api/v1/demand", _TAG, "A month's peak against the contract, and a forecast", self.demand),
                description="The forecast: what was measured in the running quarter-hour, and for its rest the mean power of the "
                "last five minutes.",
                parameters=(sensor, month, plan),
                answers={200: _json("Powers in kW; of a Linky the contract is in kVA.", _DEMAND)},
                errors=unknown,
            ),
            Operation(
                *("GET", "/api/v1/cost", _TAG, "What today, yesterday and this month cost so far", self.cost),
                parameters=(sensor, plan),
                answers={200: _json("Days: energy alone, with taxes. The month: its bill so far, with the base fee.", _COST)},
                errors=no_price,
            ),
            Operation(
                *("GET", "/api/v1/bill", _TAG, "A month's bill, line by line", self.bill),
                description="Lines are rounded each, so they add up. With `beside`, the same month under another plan too.",
                parameters=(sensor, month, plan, schemas.query("beside", "a plan to compare with"), PARAMETER),
                answers={200: described("The bill; as a file its lines alone.", _BILL)},
                errors=no_price,
            ),
        ]

    async def demand(self, request: web.Request) -> web.Response:
        sensor = sensor_of(request, self._state())
        month = month_of(request, energy.local_day(self._state().zone_of(sensor), self._clock()))
        return web.json_response(await self._rows.demand(sensor, month, request.query.get("tariff", "")))

    async def cost(self, request: web.Request) -> web.Response:
        sensor, now_s = sensor_of(request, self._state()), self._clock()
        today, plan = energy.local_day(self._state().zone_of(sensor), now_s), request.query.get("tariff", "")
        day = timedelta(1)
        try:
            found = {
                "today": await self._bills.days(sensor, today, today + day, plan),
                "yesterday": await self._bills.days(sensor, today - day, today, plan),
                "month": await self._bills.month(sensor, today.replace(day=1), plan),
            }
        except NoPrice as error:
            raise Refused(409, "no_price", str(error)) from error
        facts = {"sensor_id": sensor.sensor_id, "zone": found["month"].used.zone, "tariff": found["month"].plan}
        return web.json_response({**facts, **{name: self._rows.told(one) for name, one in found.items()}})

    async def bill(self, request: web.Request) -> web.Response:
        form, sensor = form_of(request), sensor_of(request, self._state())
        month = month_of(request, energy.local_day(self._state().zone_of(sensor), self._clock()))
        beside = request.query.get("beside", "")
        try:
            found = await self._bills.month(sensor, month, request.query.get("tariff", ""))
            other = await self._bills.month(sensor, month, beside) if beside else None
        except NoPrice as error:
            raise Refused(409, "no_price", str(error)) from error
        facts = {
            "sensor_id": sensor.sensor_id,
            "zone": found.used.zone,
            "month": f"{month:%Y-%m}",
            **({"beside": self._rows.told(other) | {"lines": lines(other.bill)}} if other is not None else {}),
            **self._rows.told(found),
        }
        return answer(form, facts, "lines", lines(found.bill), COLUMNS, f"bill-{sensor.sensor_id}-{month:%Y-%m}")


def _json(text: str, schema: schemas.Document) -> schemas.Document:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _object(properties: schemas.Document, *optional: str) -> schemas.Document:
    return {"type": "object", "required": [name for name in properties if name not in optional], "properties": properties}


def _maybe(schema: schemas.Document) -> schemas.Document:
    return {"anyOf": [schema, {"type": "null"}]}


_TEXT, _NUMBER, _MOMENT = {"type": "string"}, {"type": "number"}, {"type": "string", "format": "date-time"}
_SHARE = {"type": ["number", "null"]}
_PEAK = _maybe(_object({"kw": _NUMBER, "at": _MOMENT, "of_contract": _SHARE, "seconds": {"type": "integer"}}))
_NOW = _object(
    {"quarter": _MOMENT, "so_far_kwh": _NUMBER, "power_kw": _NUMBER, "forecast_kw": _NUMBER, "forecast_of_contract": _SHARE}
)
_HEAD = {"sensor_id": _TEXT, "zone": _TEXT}
_DEMAND = _object(
    {
        **_HEAD,
        "month": _TEXT,
        "contract_kw": _SHARE,
        "coverage": _NUMBER,
        "peak": {**_PEAK, "description": "largest mean of a quarter-hour by the clock, and when it began"},
        "sliding_peak": {**_PEAK, "description": "largest mean of any fifteen minutes"},
        "billing_peak": _maybe(_object({"kw": _NUMBER, "at": _MOMENT})),
        "now": _maybe(_NOW),
    }
)
_TOLD = {
    "tariff": _TEXT,
    "currency": _TEXT,
    "charge": {**_NUMBER, "description": "before taxes"},
    "total": _NUMBER,
    "by_band": {"type": "array", "items": _object({"band": _TEXT, "kwh": _NUMBER, "amount": _NUMBER})},
    "billing_demand": _maybe(
        _object({"kw": _NUMBER, "of": {"type": ["string", "null"]}, "missing": {"type": "array", "items": _TEXT}})
    ),
    "coverage": _NUMBER,
    "complete": {"type": "boolean", "description": "whether the span is over"},
    "notes": {"type": "array", "items": _TEXT},
    "note_codes": {"type": "array", "items": _TEXT},
}
_COST = _object({**_HEAD, "tariff": _TEXT, **dict.fromkeys(("today", "yesterday", "month"), _object(_TOLD))})
_LINE = _object(
    {
        **dict.fromkeys(("kind", "text", "unit", "currency", "band", "season", "since"), _TEXT),
        **dict.fromkeys(("quantity", "price"), _SHARE),
        "amount": _NUMBER,
        "estimate": {"type": "boolean"},
    }
)
_LINES = {"lines": {"type": "array", "items": _LINE}}
_BILL = _object({**_HEAD, "month": _TEXT, **_TOLD, **_LINES, "beside": _object({**_TOLD, **_LINES})}, "beside")

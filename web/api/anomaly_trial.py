"""/api/v1/anomaly-trial: what other thresholds would have found in the readings of a sensor."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from schemas.anomaly import Anomaly
from sinks.clickhouse import ClickHouse
from sinks.raw_batches import batches
from streams.catalog.admin.fields import FieldError, shown, threshold
from streams.catalog.limits import limits_of
from streams.catalog.state import State
from streams.core.anomaly.again import Differences, Judging, differences
from streams.core.anomaly.limits import DEFAULTS, Limits
from web.api import anomaly_schemas, schemas
from web.api.moments import MOMENT, moment
from web.api.operation import Operation, Refused
from web.view import anomaly_facts as facts

SPAN_MOST_S = 7 * 86_400
DEFAULT_S = 86_400
_SHOWN = ("id", "rule", "phase", "start", "end", "duration_s", "severity", "worst", "limit", "unit", "ieee1159", "en50160")


@dataclass(frozen=True, slots=True)
class Same:
    """The same limits all the time."""

    limits: Limits
    version: int = 0

    def of(self, _: str, /) -> Limits:
        """The limits."""
        return self.limits


class TrialApi:
    """The door for trials; one at a time.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, db: ClickHouse, state: Callable[[], State], clock: Callable[[], float]) -> None:
        self._db, self._state, self._clock = db, state, clock
        self._turn = asyncio.Lock()

    def operations(self) -> list[Operation]:
        return [
            Operation(
                *("GET", "/api/v1/anomaly-trial", "anomalies", "What other thresholds would have found", self.show),
                description="Judges the stored readings of one sensor twice, by its thresholds and by those of the query, and "
                "says what differs. Nothing is changed.",
                parameters=(
                    {**schemas.query("sensor", "the id of a sensor"), "required": True},
                    schemas.query("from", f"{MOMENT}; default: a day ago"),
                    schemas.query("to", f"{MOMENT}; default: a day later; at most 7 days"),
                    schemas.query(
                        "threshold", "NAME=VALUE as sag_pct=85; also nominal_voltage_v and contracted_power_w; repeat it"
                    ),
                ),
                answers={
                    200: {"description": "What differs.", "content": {"application/json": {"schema": anomaly_schemas.TRIAL}}}
                },
                errors={404: "unknown_sensor", 422: "bad_from, bad_to, thresholds"},
            )
        ]

    async def show(self, request: web.Request) -> web.Response:
        state, sensor_id = self._state(), request.query.get("sensor", "").strip().lower()
        sensor = state.sensors.get(sensor_id)
        if sensor is None or sensor.kind == "linky":
            raise Refused(404, "unknown_sensor", f"there is no 3-phase sensor {shown(sensor_id)}; /api/v1/sensors has them all")
        zone, now_s = state.zone_of(sensor), int(self._clock())
        begin_s = moment(request, "from", zone, now_s - DEFAULT_S)
        end_s = min(moment(request, "to", zone, begin_s + DEFAULT_S), now_s)
        if not begin_s < end_s <= begin_s + SPAN_MOST_S:
            raise FieldError(
                "to", "bad_to", f"{_iso(begin_s)} to {_iso(end_s)} came; expected a span of up to 7 days in the past"
            )
        now = limits_of(state, sensor)
        other, said = changed(now, request.query.getall("threshold", []))
        async with self._turn:
            found = await self._db.run(self._judge, sensor_id, begin_s, end_s, now, other)
        body = {
            "sensor_id": sensor_id,
            "from": _iso(begin_s),
            "to": _iso(end_s),
            "thresholds": said,
            "same": found.same,
            "changed": [{"before": fact(one, end_s), "after": fact(two, end_s)} for one, two in found.changed],
            "new": [fact(one, end_s) for one in found.new],
            "gone": [fact(one, end_s) for one in found.gone],
        }
        return web.json_response(body)

    def _judge(self, sensor_id: str, begin_s: int, end_s: int, now: Limits, other: Limits) -> Differences:
        both = Judging(Same(now), 0, 0), Judging(Same(other), 0, 0)
        for batch in batches(self._db, sensor_id, begin_s, end_s):
            for judging in both:
                judging.take(batch)
        before, after = (judging.found(end_s) for judging in both)
        return differences(before, after)


def changed(now: Limits, asked: list[str]) -> tuple[Limits, dict[str, float]]:
    """Limits with some changed, and which were.

    Raises:
        FieldError: one is unknown, or none was named.
    """
    if not asked:
        raise FieldError("threshold", "thresholds", "no threshold came; expected one or more as threshold=sag_pct=85")
    said: dict[str, float] = {}
    for pair in asked:
        name, value = threshold(pair)
        facts_ = {"nominal_voltage_v": now.nominal_voltage_v, "contracted_power_w": now.contracted_power_w}
        if name not in DEFAULTS and name not in facts_:
            raise FieldError("threshold", "thresholds", f"{shown(name)} came; expected one of {', '.join((*DEFAULTS, *facts_))}")
        value = (facts_ | DEFAULTS)[name] if value is None else value
        if not 0 <= value <= 1e9 or (name == "nominal_voltage_v" and value < 1):
            raise FieldError("threshold", "thresholds", f"{name}={value:g} came; expected 0 to 1e9 (volts: from 1)")
        said[name] = value
    kept = {**dict(now.thresholds), **{name: value for name, value in said.items() if name in DEFAULTS}}
    volts, power = (said.get(name, value) for name, value in facts_.items())
    earlier = () if "contracted_power_w" in said else now.earlier  # one that is tried is tried for all of the time
    return Limits(volts, power, tuple(sorted(kept.items())), now.zone, earlier), said


def fact(one: Anomaly, now_s: int) -> dict[str, Any]:
    """One of them as the list of anomalies says it."""
    row = {
        **{
            name: getattr(one, name)
            for name in ("id", "rule", "kind", "source", "phase", "start_us", "end_us", "last_us", "state")
        },
        **{name: getattr(one, name) for name in ("final", "severity", "unit", "worst", "ieee1159", "en50160")},
        "limit_value": one.limit,
        "acknowledged": False,
        "note": "",
        "said_by": "",
        "said_us": 0,
    }
    said = facts.facts(row, now_s)
    return {name: said[name] for name in _SHOWN}


def _iso(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"

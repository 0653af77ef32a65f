"""/api/v1/meters: Linkys, what they say now, and their minutes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from sinks.clickhouse import ClickHouse
from streams.catalog.admin.fields import FieldError
from web import meter_queries
from web.api import schemas
from web.api.operation import Operation, Refused
from web.language import current
from web.meters import Entry, Meters, row, rows
from web.view import meter_day
from web.view.meter import Minute, tariff_text
from web.view.meter_day import iso
from web.view.meter_sheet import PER_PHASE, PLAIN, sheet
from web.view.say import localized

_TAG = "meters"
_ONE = "/api/v1/meters/{meter_id}"
SPAN_MOST_S = 32 * 86_400
FORMATS = ("json", "csv")


class MetersApi:
    """The door for meters."""

    def __init__(self, db: ClickHouse, meters: Meters, clock: Callable[[], float]) -> None:
        self._db, self._meters, self._clock = db, meters, clock

    def operations(self) -> list[Operation]:
        unknown = {404: "unknown_meter"}
        both = {
            "description": "By time; minutes without a right frame are not there.",
            "content": {
                "application/json": {"schema": _listing()},
                "text/csv": {"schema": {"type": "string"}},
            },
        }
        moment = "2026-03-02T09:00:00Z, or a date: that day's first moment in the meter's zone"
        return [
            Operation(
                *("GET", "/api/v1/meters", _TAG, "All meters, registered or heard of", self.every),
                description="Live ones first, then by id.",
                parameters=(schemas.query("q", "part of the id"),),
                answers={200: {"description": "All of them.", "content": {"application/json": {"schema": _list()}}}},
            ),
            Operation(
                *("GET", _ONE, _TAG, "What a meter says now, and its day so far", self.show),
                answers={200: schemas.answer("The meter as it is now.", "MeterNow")},
                errors=unknown,
            ),
            Operation(
                *("GET", f"{_ONE}/minutes", _TAG, "A meter's minutes", self.minutes),
                description="At most 32 days at once. CSV by `format=csv` or by `Accept: text/csv`.",
                parameters=(
                    schemas.query("from", f"{moment}; default: today"),
                    schemas.query("to", f"{moment}, not included; default: a day later"),
                    schemas.query("format", "of the answer", enum=list(FORMATS), default="json"),
                ),
                answers={200: both},
                errors={**unknown, 422: "bad_from, bad_to, bad_format"},
            ),
        ]

    async def every(self, request: web.Request) -> web.Response:
        found = rows(await self._meters.entries(), request.query.get("q", "")[:200].strip(), self._clock())
        return web.json_response(localized(found, current()))

    async def show(self, request: web.Request) -> web.Response:
        entry = await self._known(request)
        now_s = self._clock()
        day = meter_day.today(now_s, entry.zone)
        minutes = await meter_queries.minutes(self._db, entry.meter_id, min(day.start_s, int(now_s) - 3600), day.end_s)
        mine = [one for one in minutes if one.minute_s >= day.start_s]
        link = meter_day.quality(one for one in minutes if one.minute_s >= now_s - 3600)
        newest = mine[-1] if mine else await self._last(entry)
        body = {
            **row(entry, now_s),
            "day": f"{day.date:%Y-%m-%d}",
            "tariff": newest.tariff if newest else 0,
            "tariff_name": tariff_text(newest.tariff, newest.tariff_name) if newest else "",
            "contract_va": newest.contract_va if newest else 0,
            "over_power": newest.over_power if newest else False,
            "tempo_today": mine[-1].tempo_today if mine else "none",
            "tempo_tomorrow": mine[-1].tempo_tomorrow if mine else "none",
            "clock_degraded": newest.clock_degraded if newest else False,
            "measured_pct": round(meter_day.covered_pct(mine, day, now_s), 2),
            "indexes": [
                {
                    "label": one.label,
                    "index_wh": one.last_wh,
                    "energy_wh": one.total_wh,
                    "measured_wh": one.measured_wh,
                }
                for one in meter_day.counted(mine)
            ],
            "link": {
                "right_pct": None if link.right_pct is None else round(link.right_pct, 2),
                "frames": link.frames,
                "characters": link.characters,
                "bad_characters": link.bad_characters,
                "rejected_groups": link.rejected_groups,
                "discarded_frames": link.discarded_frames,
                "lost_frames": link.lost_frames,
                "quarantined": link.quarantined,
            },
        }
        return web.json_response(body)

    async def minutes(self, request: web.Request) -> web.Response:
        entry = await self._known(request)
        today = meter_day.today(self._clock(), entry.zone)
        since_s = _moment(request, "from", entry.zone, today.start_s)
        until_s = _moment(request, "to", entry.zone, since_s + 86_400 if "from" in request.query else today.end_s)
        if not since_s < until_s <= since_s + SPAN_MOST_S:
            raise FieldError("to", "bad_to", f"{iso(since_s)} to {iso(until_s)} came; expected a span of up to 32 days")
        form = request.query.get("format", "csv" if "text/csv" in request.headers.get("Accept", "") else "json")
        if form not in FORMATS:
            raise FieldError("format", "bad_format", f"format={form[:20]} came; expected {' or '.join(FORMATS)}")
        found = await meter_queries.minutes(self._db, entry.meter_id, since_s, until_s)
        if form == "json":
            facts = {"meter_id": entry.meter_id, "zone": entry.zone, "from": iso(since_s), "to": iso(until_s)}
            return web.json_response({**facts, "minutes": [_facts(one) for one in found]})
        name = f"{entry.meter_id}-{iso(since_s)[:10]}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(text=sheet(found, entry.zone), content_type="text/csv", charset="utf-8", headers=headers)

    async def _last(self, entry: Entry) -> Minute | None:
        """What a meter said last when it has not spoken today: contract and tariff hold on."""
        if entry.newest_s is None:
            return None
        last = await meter_queries.minutes(self._db, entry.meter_id, entry.newest_s - 3600, entry.newest_s + 1)
        return last[-1] if last else None

    async def _known(self, request: web.Request) -> Entry:
        meter_id = request.match_info["meter_id"]
        found = next((entry for entry in await self._meters.entries() if entry.meter_id == meter_id), None)
        if found is None:
            raise Refused(404, "unknown_meter", f"there is no meter {meter_id[:60]!r}: none such is registered or was ever heard")
        return found


def _moment(request: web.Request, name: str, zone: str, default_s: int) -> int:
    """A moment of the query in UTC seconds.

    Raises:
        FieldError: it is none.
    """
    asked = request.query.get(name)
    if asked is None:
        return default_s
    try:
        moment = datetime.fromisoformat(asked.replace(" ", "+"))
        if moment.tzinfo is None:
            if len(asked) != len("2026-03-02"):
                raise ValueError
            return meter_day.day_of(moment.date().toordinal() - meter_day.EPOCH_DAY, zone).start_s
        at_s = int(moment.timestamp())
    except (ValueError, OverflowError):
        at_s = -1
    if not 0 <= at_s < 2**32:
        text = f"{name}={asked[:40]} came; expected a time as 2026-03-02T09:00:00Z, or a date as 2026-03-02"
        raise FieldError(name, f"bad_{name}", text)
    return at_s


def _facts(one: Minute) -> dict[str, Any]:
    return {
        "minute": iso(one.minute_s),
        **{name: getattr(one, name) for name in (*PLAIN, *PER_PHASE)},
        "tariff_name": tariff_text(one.tariff, one.tariff_name),
        "indexes": [
            {"label": label, "first_wh": index.first_wh, "last_wh": index.last_wh, "energy_wh": index.energy_wh}
            for label, index in one.energy.items()
        ],
    }


def _list() -> schemas.Document:
    count = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "required": ["total", "live", "matching", "meters"],
        "properties": {
            **dict.fromkeys(("total", "live", "matching"), count),
            "meters": {"type": "array", "items": schemas.ref("MeterInList")},
        },
    }


def _listing() -> schemas.Document:
    text, moment = {"type": "string"}, {"type": "string", "format": "date-time"}
    return {
        "type": "object",
        "required": ["meter_id", "zone", "from", "to", "minutes"],
        "properties": {
            **dict.fromkeys(("meter_id", "zone"), text),
            "from": moment,
            "to": moment,
            "minutes": {"type": "array", "items": schemas.ref("MeterMinute")},
        },
    }

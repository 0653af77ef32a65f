"""/system: how the parts are, how far behind, how fast, and what they could not use."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import ClientSession, web

from infra.letters import Kept
from web.identity import IDENTITY
from web.meter_pages import Shell
from web.system import Look, Part, System
from web.view import metrics
from web.view.quantity import duration
from web.view.say import Number, Text, moment, say

CLIENT = web.AppKey("system_client", ClientSession)
_CSV = ("number", "given_up_at", "stage", "topic", "partition", "offset", "reason", "retried")
_NAMES = {
    "gateway": say("gateway: takes the posts"),
    "worker": say("worker: folds seconds into minutes"),
    "meter": say("meter: computes projects' runs"),
    "store": say("store: sink, rebuilder and these pages"),
    "web": say("web: these pages"),
}


class SystemPages:
    """Everything /system holds.

    Args:
        shell: answers with a page without a document on the server.
        clock: UTC seconds.
    """

    def __init__(self, system: System, shell: Shell, clock: Callable[[], float]) -> None:
        self._system, self._shell, self._clock = system, shell, clock

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/system", self.show), web.get("/system/dead-letters.csv", self.sheet)]

    async def show(self, request: web.Request) -> web.Response:
        look = await self._system.look(request.app[CLIENT])
        return self._shell("system.html", request[IDENTITY], kind="system", **_told(look))

    async def sheet(self, request: web.Request) -> web.Response:
        """The dead letters of the page as CSV."""
        look = await self._system.look(request.app[CLIENT])
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\r\n")
        rows.writerow(_CSV)
        for kept in look.letters:
            one, at = kept.letter, datetime.fromtimestamp(kept.written_ms / 1000, UTC)
            place = (one.source_topic, one.source_partition, one.source_offset)
            reason = one.reason if one.reason[:1] not in ("=", "+", "-", "@") else f"'{one.reason}"
            rows.writerow([kept.number, f"{at:%Y-%m-%dT%H:%M:%SZ}", one.stage, *place, reason, kept.retried or ""])
        headers = {"Content-Disposition": 'attachment; filename="dead-letters.csv"'}
        return web.Response(text=out.getvalue(), content_type="text/csv", charset="utf-8", headers=headers)


def _told(look: Look) -> dict[str, Any]:
    """Everything the page says."""
    now = [part.figures for part in look.parts if part.figures is not None]
    same = {part.name: part.figures for part in look.parts if part.figures is not None and part.name in look.before}
    before = [look.before[name] for name in same]
    rates = metrics.rates(before, list(same.values()))
    gateway = [one.by("powermon_gateway_refused_total", "code") for one in now]
    refusals = {code: count for found in gateway for code, count in found.items() if count}
    return {
        "at": moment(datetime.fromtimestamp(look.at_s, UTC), "second"),
        "parts": [_part(part) for part in look.parts],
        "lags": [
            {"part": key.split()[0], "topic": key.split()[1], "count": _count(count), "age": age_of(age), "behind": count > 0}
            for key, (count, age) in sorted(metrics.lags(before, now).items())
        ],
        "rates": [(name, _rate(rates[key])) for key, name in metrics.RATES],
        "refusals": [(code, _count(count)) for code, count in sorted(refusals.items(), key=lambda one: -one[1])],
        "knows_gateway": any(one.total("powermon_gateway_accepted_total") is not None for one in now),
        "letters": [_letter(kept) for kept in look.letters],
        "letters_problem": look.letters_problem,
        "letters_known": look.letters_known,
    }


def _part(part: Part) -> dict[str, Any]:
    state = "bad" if not part.answers else "silent" if part.problem else "live"
    word: Text = say("does not answer") if not part.answers else say("not ready") if part.problem else say("ready")
    name = _NAMES.get(part.name.partition("-")[0])
    return {"id": part.name, "name": name or part.name, "state": state, "word": word, "problem": part.problem}


def age_of(age_s: float | None) -> Text | str:
    """How long something waits."""
    if age_s is None:
        return "–"
    return say("{s} s", s=Number(f"{age_s:.1f}")) if age_s < 10 else duration(age_s)


def _rate(value: float | None) -> Text | str:
    if value is None:
        return "–"
    digits = 0 if value >= 100 else 1
    return say("{n} a second", n=Number(f"{value:,.{digits}f}".replace(",", "\u202f")))


def _count(value: float) -> Number:
    return Number(f"{value:,.0f}".replace(",", "\u202f"))


def _letter(kept: Kept) -> dict[str, Any]:
    one = kept.letter
    at = say("{moment} UTC", moment=moment(datetime.fromtimestamp(kept.written_ms / 1000, UTC), "date second"))
    place = f"{one.source_topic} {one.source_partition}@{one.source_offset}"
    return {"n": kept.number, "at": at, "stage": one.stage, "place": place, "reason": one.reason[:300], "retried": kept.retried}

"""The list of sensors: state, power now, search."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from streams.catalog.admin.facts import Wanted, registration
from streams.catalog.state import Sensor
from web.view import meter, meter_live, quantity
from web.view.clock import zone_at
from web.view.say import Text, joined, say
from web.view.seconds import LIVE_S


@dataclass(frozen=True, slots=True)
class Entry:
    """One sensor as the list needs it.

    Attributes:
        zone: IANA name or None.
        newest_s: its newest second received, None when nothing ever was.
        power_mw: mean of that second, phases summed with sign; NaN when not known.
        sensor: what the catalog knows; None when it was only heard of.
        apparent_va: of a Linky's newest frame.
        anomalies: how many go on.
    """

    sensor_id: str
    zone: str | None
    newest_s: int | None
    power_mw: float
    sensor: Sensor | None = None
    apparent_va: int | None = None
    anomalies: int = 0

    @property
    def kind(self) -> str:
        return "power" if self.sensor is None else self.sensor.kind

    def live(self, now_s: float) -> bool:
        late_s = meter.LIVE_S if self.kind == "linky" else LIVE_S
        return self.newest_s is not None and self.newest_s + 1 >= now_s - late_s


ALL = Wanted()


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see of the list.

    Attributes:
        wanted: which, by what the catalog knows.
        state: live, silent or never; empty for all.
        by_id: by id alone, not live ones first.
    """

    wanted: Wanted = ALL
    state: str = ""
    by_id: bool = False
    limit: int = 100
    offset: int = 0

    def fits(self, entry: Entry, now_s: float) -> bool:
        """Whether the entry is one of those wanted."""
        if self.state and _state(entry, now_s) != self.state:
            return False
        if entry.sensor is not None:
            return self.wanted.fits(entry.sensor)
        # Of what was only heard of, nothing but the id is known, and that it sends power.
        text = self.wanted.text
        return self.wanted in (Wanted(text), Wanted(text, kind="power")) and text.lower() in entry.sensor_id


def rows(entries: Iterable[Entry], asked: Asked, now_s: float) -> dict[str, Any]:
    """The list as a page shows it: live ones first, then by name.

    `total` and `live` count all of the kind that was asked for, `matching` all parts.
    """
    kind = Asked(replace(ALL, kind=asked.wanted.kind))
    every = [entry for entry in entries if kind.fits(entry, now_s)]
    found = [entry for entry in every if asked.fits(entry, now_s)]
    found.sort(key=lambda e: e.sensor_id if asked.by_id else (not e.live(now_s), e.sensor_id))
    return {
        "total": len(every),
        "live": sum(e.live(now_s) for e in every),
        "matching": len(found),
        "limit": asked.limit,
        "offset": asked.offset,
        "sensors": [_row(entry, now_s) for entry in found[asked.offset : asked.offset + asked.limit]],
    }


def _state(entry: Entry, now_s: float) -> str:
    if entry.newest_s is None:
        return "never"
    return "live" if entry.live(now_s) else "silent"


def _row(entry: Entry, now_s: float) -> dict[str, Any]:
    zone, state = zone_at(entry.zone, now_s), _state(entry, now_s)
    if state == "live" and entry.kind == "linky":
        detail: Text = joined(" ", meter_live.volt_amperes(entry.apparent_va))
    elif state == "live":
        detail = quantity.power_text(entry.power_mw)
    elif entry.newest_s is not None:
        detail = say("since {moment}", moment=zone.text(entry.newest_s + 1, now_s))
    else:
        detail = say("nothing received yet")
    known = entry.sensor
    if known is not None and known.revoked:
        detail = say("revoked, {detail}", detail=detail)
    return {
        "id": entry.sensor_id,
        "state": state,
        "detail": detail,
        "newest_s": entry.newest_s,
        "power_w": None if math.isnan(entry.power_mw) else round(entry.power_mw / 1000, 3),
        "registration": None if known is None else registration(known),
        "owner": None if known is None else known.owner,
        "address": None if known is None else known.address,
        "category": None if known is None else known.category,
        "site": None if known is None else known.site,
        "anomalies": entry.anomalies,
    }


def first(entries: Iterable[Entry], now_s: float) -> str | None:
    """Which sensor to show when none was asked for: the first live one, else the one heard last, else any."""
    every = list(entries)
    if not every:
        return None
    return min(every, key=lambda e: (not e.live(now_s), 0 if e.live(now_s) else -(e.newest_s or 0), e.sensor_id)).sensor_id

"""The list of sensors: state, power now, search."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from web.view import live, quantity
from web.view.clock import zone_at
from web.view.seconds import LIVE_S


@dataclass(frozen=True, slots=True)
class Entry:
    """One sensor as the list needs it.

    Attributes:
        zone: IANA name or None.
        newest_s: its newest second received, None when nothing ever was.
        power_mw: mean of that second, phases summed with sign; NaN when not known.
        revoked: it may not post any more.
    """

    sensor_id: str
    zone: str | None
    newest_s: int | None
    power_mw: float
    revoked: bool = False

    def live(self, now_s: float) -> bool:
        return self.newest_s is not None and self.newest_s + 1 >= now_s - LIVE_S


def rows(entries: Iterable[Entry], query: str, now_s: float, limit: int) -> dict[str, Any]:
    """The list as a page shows it: live ones first, then by name.

    Args:
        query: part of an id, any case; empty for all.
        limit: rows at most; `total` and `matching` count all.
    """
    every = list(entries)
    wanted = query.strip().lower()
    found = sorted((e for e in every if wanted in e.sensor_id), key=lambda e: (not e.live(now_s), e.sensor_id))
    return {
        "total": len(every),
        "live": sum(e.live(now_s) for e in every),
        "matching": len(found),
        "sensors": [_row(entry, now_s) for entry in found[:limit]],
    }


def _row(entry: Entry, now_s: float) -> dict[str, Any]:
    zone = zone_at(entry.zone, now_s)
    said = live.state(entry.newest_s, now_s, zone)
    if said["state"] == "live":
        detail = quantity.power_text(entry.power_mw)
    elif entry.newest_s is not None:
        detail = f"since {zone.text(entry.newest_s + 1, now_s)}"
    else:
        detail = "nothing received yet"
    if entry.revoked:
        detail = f"revoked, {detail}"
    return {
        "id": entry.sensor_id,
        "state": said["state"],
        "detail": detail,
        "newest_s": entry.newest_s,
        "power_w": None if math.isnan(entry.power_mw) else round(entry.power_mw / 1000, 3),
    }


def first(entries: Iterable[Entry], now_s: float) -> str | None:
    """Which sensor to show when none was asked for: the first live one, else the one heard last, else any."""
    every = list(entries)
    if not every:
        return None
    return min(every, key=lambda e: (not e.live(now_s), 0 if e.live(now_s) else -(e.newest_s or 0), e.sensor_id)).sensor_id

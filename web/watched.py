"""One sensor that pages look at: what is held of it, and what each page must hear when something new is found.

No clock, no database: time and rows are arguments.
"""

from dataclasses import dataclass, field

from schemas.units import MINUTE_S
from web.view import live, minutes, seconds
from web.view.clock import Zone, zone_at
from web.view.say import Told
from web.view.scale import Range

AHEAD_S = 330
"""A sensor's clock may be this far before ours."""
MINUTES_DEEP_EVERY = 60
"""Every so many looks at the minutes all of them are read again, for data that came late."""

MINUTES_LAG_S = 3
"""How far a minute may be behind its seconds: published once a second, looked at every other one."""

Found = dict[int, dict[int, seconds.Probe]]


@dataclass(slots=True)
class Update:
    """What a page must apply.

    Attributes:
        points: new points to append.
        whole: all points, when appending is not enough.
        now: JSON of everything about this moment that is not a point.
        past: the same for the last hours.
        change: what becomes of the minutes.
    """

    points: seconds.Columns | None = None
    whole: seconds.Columns | None = None
    now: Told | None = None
    past: Told | None = None
    change: minutes.Change | None = None

    def __bool__(self) -> bool:
        return any((self.points, self.whole, self.now, self.past, self.change))


@dataclass(slots=True)
class Hours:
    """The last hours, as pages show them."""

    shown: minutes.Minutes | None = None
    rows: minutes.MinuteRows = minutes.NO_ROWS
    axis: Range | None = None
    past: Told | None = None
    looks: int = 0


@dataclass(slots=True)
class Watched:
    """One sensor.

    Attributes:
        held: its seconds, those of the window and a few more.
        newest_s: its newest second, held or not.
        sent_s: points of seconds before this one are on the pages.
        contract_w: its contracted power; 0: none is known.
    """

    sensor_id: str
    zone: Zone
    held: Found = field(default_factory=dict)
    newest_s: int | None = None
    sent_s: int = 0
    contract_w: float = 0.0
    axes: dict[str, Range] = field(default_factory=dict)
    now: Told | None = None
    hours: dict[int, Hours] = field(default_factory=dict)

    # ---- the last minute

    def since_s(self, now_s: float, overlap_s: int | None) -> int:
        """From which second on to look for new ones; overlap_s None for all that is shown."""
        earliest = int(now_s) - seconds.WINDOW_S - 2
        if self.newest_s is None or overlap_s is None:
            return earliest
        return max(earliest, self.newest_s - overlap_s)

    def take(self, found: Found, now_s: float, zone_name: str | None) -> Update:
        """Merge what was found; a second counts as new when it, or one of its phases, was not held."""
        fresh = {s: p for s, p in found.items() if s <= now_s + AHEAD_S and len(p) > len(self.held.get(s, ()))}
        self.held.update(fresh)
        if fresh:
            self.newest_s = max(*fresh, self.newest_s or 0)
        zone = zone_at(zone_name, self.newest_s or now_s)
        moved, self.zone = zone != self.zone, zone
        update = Update()
        if self.newest_s is not None and (fresh or moved):
            for old in [s for s in self.held if s < self.newest_s - seconds.WINDOW_S - 5]:
                del self.held[old]
            end_s = self.newest_s + 1
            if moved or min(fresh) < self.sent_s or self.sent_s < end_s - seconds.WINDOW_S:
                update.whole = self.points(now_s)
            else:
                update.points = seconds.columns(self.held, self.sent_s, end_s, zone)
            self.sent_s = end_s
            shown = seconds.columns(self.held, *seconds.window(self.newest_s, now_s), zone)
            self.axes = seconds.ranges(shown, self.axes)
        said = Told(live.now(self.sensor_id, self.held, self.newest_s, now_s, zone, self.axes, self.contract_w))
        if said != self.now:
            self.now = update.now = said
        return update

    def points(self, now_s: float) -> seconds.Columns:
        """Every point of the window."""
        if self.newest_s is None:
            return seconds.columns({}, 0, 0, self.zone)
        start_s, _ = seconds.window(self.newest_s, now_s)
        return seconds.columns(self.held, min(start_s, self.newest_s), self.newest_s + 1, self.zone)

    # ---- the last hours

    def minutes_wanted(self, hours: int, now_s: float) -> tuple[int, int, bool]:
        """Which minutes to read: from, up to, and whether that is all of them."""
        past = self.hours.setdefault(hours, Hours())
        start_s, end_s = minutes.window(self.newest_s, now_s, hours)
        deep = past.shown is None or past.looks % MINUTES_DEEP_EVERY == 0 or start_s < past.shown.start_s
        return (start_s if deep else max(start_s, end_s - 5 * MINUTE_S)), end_s, deep

    def take_minutes(self, hours: int, rows: minutes.MinuteRows, since_s: int, now_s: float, *, deep: bool) -> Update:
        """Merge rows that were read for `minutes_wanted`."""
        past = self.hours.setdefault(hours, Hours())
        start_s, end_s = minutes.window(self.newest_s, now_s, hours)
        past.rows = rows if deep else minutes.merge(past.rows, rows, start_s, since_s)
        past.looks += 1
        shown = minutes.grid(past.rows, start_s, end_s, self._judged_s(now_s), self.zone)
        past.axis = minutes.power_range(shown, past.axis)
        update = Update()
        change = minutes.change(past.shown, shown) if past.shown is not None else minutes.Change({}, {}, shown.columns)
        said = Told(live.past(shown, hours, now_s, self.zone, past.axis))
        if change:
            update.change = change
        if said != past.past:
            update.past = said
        past.shown, past.past = shown, said
        return update

    def _judged_s(self, now_s: float) -> float:
        """Up to when the running minute is judged: what is still on its way from a live sensor is not missing."""
        live = self.newest_s is not None and self.newest_s + 1 >= now_s - seconds.LIVE_S
        return self.newest_s - MINUTES_LAG_S if live and self.newest_s is not None else now_s

    def whole(self, span: int, now_s: float) -> Update:
        """Everything, for a page that shows nothing yet."""
        past = self.hours.setdefault(span, Hours())
        if past.shown is None:
            start_s, end_s = minutes.window(self.newest_s, now_s, span)
            past.shown = minutes.grid(minutes.NO_ROWS, start_s, end_s, now_s, self.zone)
        if self.now is None:
            self.now = Told(live.now(self.sensor_id, self.held, self.newest_s, now_s, self.zone, self.axes, self.contract_w))
        change = minutes.Change({}, {}, past.shown.columns)
        return Update(whole=self.points(now_s), now=self.now, past=past.past, change=change)

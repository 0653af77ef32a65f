"""One meter that pages look at: what is held of it, and what each page must hear when something new is found.

No clock, no database: time and rows are arguments.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.units import MINUTE_S
from web.view import meter_day, meter_live
from web.view.clock import Zone, zone_at
from web.view.meter import Frame, Minute
from web.view.meter_day import Day, Floats, day_of
from web.view.minutes import Change
from web.view.say import Told
from web.view.scale import Range
from web.watched import Update

AHEAD_S = 6 * 3600
"""A meter's clock may be this far before ours: meters were found that are hours off."""
DEEP_EVERY = 60
"""Every so many looks at a day all its minutes are read again, for data that came late."""
Key = tuple[str, int]
"""Boot and counter: a frame within its meter."""


@dataclass(slots=True)
class ShownDay:
    """A day, as pages show it."""

    minutes: dict[int, Minute] = field(default_factory=dict)
    columns: dict[str, Floats] | None = None
    axes: dict[str, Range] = field(default_factory=dict)
    said: Told | None = None
    looks: int = 0


@dataclass(slots=True)
class MeterWatched:
    """One meter.

    Attributes:
        held: its last frames.
        newest: the last one, held or not.
        sent: frames up to this one are on the pages.
        names: of tariffs by index.
    """

    meter_id: str
    zone: Zone
    held: dict[Key, Frame] = field(default_factory=dict)
    newest: Frame | None = None
    sent: Frame | None = None
    axis: Range | None = None
    now: Told | None = None
    days: dict[int, ShownDay] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    # ---- the last minutes

    def since_s(self, now_s: float, overlap_s: int | None) -> int:
        """From which second on to look for new frames; overlap_s None for all that is shown."""
        earliest = int(now_s) - meter_live.WINDOW_S - 5
        if self.newest is None or overlap_s is None:
            return earliest
        return max(earliest, int(self.newest.at_s) - overlap_s)

    def take(self, found: Mapping[Key, Frame], now_s: float, zone_name: str) -> Update:
        """Merge frames that were found."""
        fresh = {key: frame for key, frame in found.items() if key not in self.held and frame.at_s <= now_s + AHEAD_S}
        self.held.update(fresh)
        if fresh:
            newest = by_time(fresh.values())[-1]
            if self.newest is None or newest.at_s >= self.newest.at_s:
                self.newest = newest
        zone = zone_at(zone_name, self.newest.at_s if self.newest else now_s)
        moved, self.zone = zone != self.zone, zone
        update = Update()
        if self.newest is not None and (fresh or moved):
            horizon_s = self.newest.at_s - meter_live.WINDOW_S - 5
            self.held = {key: frame for key, frame in self.held.items() if frame.at_s >= horizon_s}
            new = by_time(fresh.values())
            if moved or self.sent is None or not new or new[0].at_s < self.sent.at_s:
                update.whole = self.points()
            else:
                update.points = meter_live.columns(new, zone, self.sent)
            self.sent = self.newest
        if fresh or self.axis is None:
            contract_va = self.newest.contract_va if self.newest else 0
            self.axis = meter_live.axis_of(self.points(), contract_va, self.axis)
        said = self._said(now_s)
        if said != self.now:
            self.now = update.now = said
        return update

    def points(self) -> dict[str, list[float]]:
        """Every point of the window."""
        return meter_live.columns(by_time(self.held.values()), self.zone)

    def _said(self, now_s: float) -> Told:
        axis = self.axis or (0.0, 1.0)
        return Told(meter_live.now(self.meter_id, by_time(self.held.values()), self.newest, now_s, self.zone, axis))

    # ---- a day

    def day(self, number: int) -> Day:
        return day_of(number, self.zone.name)

    def minutes_wanted(self, number: int, now_s: float) -> tuple[int, int, bool]:
        """Which minutes to read for a day: from, up to, and whether that is all of them."""
        shown, day = self.days.setdefault(number, ShownDay()), self.day(number)
        deep = shown.looks % DEEP_EVERY == 0
        # With the hour before: the quality of the last hour is told at one o'clock in the morning too.
        since_s = day.start_s - 3600 if deep else max(day.start_s, int(now_s) // MINUTE_S * MINUTE_S - 5 * MINUTE_S)
        return since_s, day.end_s, deep

    def take_minutes(self, number: int, rows: Iterable[Minute], now_s: float, *, deep: bool) -> Update:
        """Merge rows that were read for `minutes_wanted`."""
        shown, day = self.days.setdefault(number, ShownDay()), self.day(number)
        found = {one.minute_s: one for one in rows}
        shown.minutes = found if deep else {**shown.minutes, **found}
        shown.looks += 1
        new = meter_day.columns(shown.minutes, day, now_s)
        shown.axes = {
            "day": meter_day.power_range(new, shown.axes.get("day")),
            "voltage": meter_day.voltage_range(new, shown.axes.get("voltage")),
        }
        update = Update()
        changed = meter_day.change(shown.columns, new)
        if changed:
            update.change = changed
        said = Told(meter_live.past(shown.minutes, day, self.names, now_s, shown.axes))
        if said != shown.said:
            update.past = said
        shown.columns, shown.said = new, said
        return update

    def whole(self, span: int, now_s: float) -> Update:
        """Everything, for a page that shows nothing yet; span is the day's number."""
        if self.days.get(span, ShownDay()).columns is None:
            self.take_minutes(span, (), now_s, deep=True)
            self.days[span].looks = 0
        if self.now is None:
            self.now = self._said(now_s)
        shown = self.days[span]
        assert shown.columns is not None
        return Update(whole=self.points(), now=self.now, past=shown.said, change=Change({}, {}, dict(shown.columns)))


def by_time(frames: Iterable[Frame]) -> list[Frame]:
    return sorted(frames, key=lambda frame: (frame.at_s, frame.counter))

"""The rules over one partition: for good where minutes are closed, for the time being where they are open.

What is final is a function of the first copies of each second, in the order of their own time. What is provisional is the
same judgement over the open minutes as they are now; when a later one no longer finds an interval, it is withdrawn.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from schemas import kernels
from schemas.anomaly import CLOSED, OPEN, WITHDRAWN, Anomaly
from schemas.anomaly_state import AnomalyState
from schemas.columns import Bools, Int64s
from schemas.sensor_reading import ReadingBatch
from schemas.units import MINUTE_S, PROBES
from streams.core.anomaly import seconds, silence, voltage
from streams.core.anomaly.captured import Captured
from streams.core.anomaly.habit import Habit
from streams.core.anomaly.habits import Habits
from streams.core.anomaly.limits import ROW
from streams.core.anomaly.memory import LAYOUT, pack, unpack
from streams.core.anomaly.sensors import Defaults, LimitsOf, Sensors
from streams.core.anomaly.telling import Now, news
from streams.core.anomaly.verdict import Of, of_habit, of_voltage, whole_seconds
from streams.core.minute import OpenMinutes, SecondsOf

GRACE_S = 2
"""A sensor is not called silent before its next post may be so late."""

_AWAKE_S = 1000
"""Of a sensor that is silent for longer, time passes when it comes back."""

_ROOM = 2 * seconds.FOUND_MAX
_OPENS = np.arange(seconds.MACHINES) * 5 + seconds.OPEN
_LOW, _HIGH, _GAP = ROW.index("watch_low_mv"), ROW.index("watch_high_mv"), ROW.index("silence_s")


@dataclass(frozen=True, slots=True)
class Rulings:
    """What a look at the rules brought.

    Attributes:
        states: of sensors whose memory changed: to be safe before the anomalies are published, as they hold them.
        habits: tables that were written: to be safe before the states, which go on from them.
        anomalies: to be published.
        open: how many intervals are open, by rule.
    """

    states: list[AnomalyState]
    anomalies: list[Anomaly]
    open: dict[str, int]
    habits: list[AnomalyState] = field(default_factory=list)


NO_RULINGS = Rulings([], [], {})


@dataclass(slots=True)
class Side:
    """One of the two judgements.

    Attributes:
        memory: of seconds, by row.
        events: of voltage that are not over for good, by row.
    """

    memory: Int64s
    events: dict[int, voltage.Events] = field(default_factory=dict)


class Judge:
    """The rules' state of one partition of `sensor.readings`.

    Args:
        partition: its number.
        limits_of: the thresholds; a change counts from the next minute that is closed.
    """

    def __init__(self, partition: int = 0, limits_of: LimitsOf | None = None) -> None:
        self._partition = partition
        self._sensors = Sensors(limits_of or Defaults())
        self._captured = Captured()
        self._habits = Habits()
        self._voltage: dict[int, voltage.Events] = {}
        self._voltage_now: dict[int, voltage.Events] = {}
        self._ended_now: dict[int, Now] = {}
        self._told: dict[int, Now] = {}
        self._again: list[Anomaly] = []
        self._ended: dict[int, Now] = {}
        self._touched: set[int] = set()
        self._stale: set[int] = set()
        self._late: list[tuple[Int64s, Int64s]] = []
        self._settled_at = 0
        self._closed_to_s = 0
        self._found = np.zeros((_ROOM, seconds.FOUND_FIELDS), np.int64)

    def restore(self, states: Iterable[AnomalyState], decided: int, habits: Iterable[AnomalyState] = ()) -> None:
        """Begin where an earlier owner of the partition stood.

        Args:
            decided: up to this offset it had judged; before that is read again nothing is withdrawn.
            habits: the tables of sensors.
        """
        for state in habits:
            self._habits.restore(self._sensors.row(state.sensor_id), state)
        s, self._settled_at = self._sensors, decided
        for state in states:
            kept = unpack(state.state, state.layout)
            if kept is None:
                continue
            row = s.row(state.sensor_id)
            s.final[row] = s.now[row] = kept.row()
            self._habits.memories[row] = kept.habit
            if kept.voltage:
                self._voltage[row] = self._voltage_now[row] = {(one.rule, one.phase): one for one in kept.voltage}
                self._captured.by_sensor[row] = {(one.timestamp_s, one.probe_id - 1): one for one in kept.samples}
            s.newest_s[row] = max(s.final[row, seconds.LAST_S], 0)
            s.arrived_ms[row] = (s.newest_s[row] + 1) * 1000
            self._settled_at = max(self._settled_at, state.next_offset)
            self._again += kept.told  # it may have been lost on its way
            told = {one.id: one for one in kept.told if not (one.state == CLOSED and one.final) and one.state != WITHDRAWN}
            if told:
                self._told[row] = told

    def see(self, batch: ReadingBatch, counted: Int64s, table: Int64s, first: Bools, differing: Int64s) -> None:
        """Note a batch that was folded into the minutes.

        Args:
            counted: shape (m,), which of its probe-seconds were folded.
            table: shape (kernels.FIGURES, m), their figures.
            first: shape (m,), which of them are first copies.
            differing: codes of sensors that sent a copy with other values.
        """
        s, reading = self._sensors, batch.reading[counted]
        row, second = s.rows(batch.names, batch.sensor[reading]), batch.timestamp_s[reading]
        s.arrived_ms[row] = batch.appended_ms[reading]
        self._stale.update(s.rows(batch.names, differing).tolist())
        if not first.all():
            counted, row, second, table = counted[first], row[first], second[first], table[:, first]
        np.maximum.at(s.newest_s, row, second)
        behind = second < s.now[row, seconds.NEXT]
        if behind.any():
            self._stale.update(np.unique(row[behind]).tolist())
        out = (table[kernels.VOLTAGE_MIN] < s.limits[row, _LOW]) | (table[kernels.VOLTAGE_MAX] > s.limits[row, _HIGH])
        self._captured.take(batch, row, counted, out)

    def came_late(self, names: list[str], sensor: Int64s, second: Int64s) -> None:
        """Note seconds of closed minutes: the silence that goes on began after them. What else they change is judged again.

        Args:
            names: the vocabulary of sensor codes. sensor, second: shape (l,), of each.
        """
        rows = self._sensors.rows(names, sensor)
        np.maximum.at(self._sensors.newest_s, rows, second)
        self._late.append((rows, second))

    def close(self, open_: OpenMinutes, names: list[str], before: int) -> None:
        """Judge minutes whose number is below this for good; call it before they are forgotten."""
        late, self._late = self._late, []
        self._fill(late)
        if before * MINUTE_S > self._closed_to_s:
            self._close(open_, names, before)
            self._fill(late)  # a silence of which nothing was known before

    def _close(self, open_: OpenMinutes, names: list[str], before: int) -> None:
        s, until_s = self._sensors, before * MINUTE_S
        self._closed_to_s = until_s
        sensor, minute, slot = open_.places()
        at = np.flatnonzero(minute < before)
        rows = s.rows(names, sensor[at])
        side = Side(s.final, self._voltage)
        ends_s = np.full(len(at), until_s)
        for anomaly, row in self._judge(side, rows, minute[at], slot[at], ends_s, open_.seconds_of(), final=True):
            self._ended.setdefault(row, {})[anomaly.id] = anomaly
        self._touched.update(rows.tolist())
        over = [*self._habits.take(rows, minute[at], slot[at], open_.seconds_of(), s.habits), *self._habits.pass_time(before)]
        for row, unlike in over:
            anomaly = of_habit(self._of(row, int(s.final[row, seconds.VERSION])), unlike, closed=True)
            self._ended.setdefault(row, {})[anomaly.id] = anomaly
            self._touched.add(row)
        self._pass_time(until_s)
        self._stale.update(s.refreshed())
        for row in np.unique(rows).tolist():
            if s.now[row, seconds.NEXT] < s.final[row, seconds.NEXT]:
                self._stale.add(row)
            worst = [one.worst_us for side_ in (self._voltage, self._voltage_now) for one in side_.get(row, {}).values()]
            worst += [one.details.get("worst_us", 0) for one in self._ended_now.get(row, {}).values()]
            self._captured.forget(row, until_s - MINUTE_S, worst)

    def look(self, open_: OpenMinutes, names: list[str], watermark_ms: int, live_ms: int, next_offset: int) -> Rulings:
        """Judge what is open as it is now, and say what is to be published.

        Args:
            names: the vocabulary of sensor codes.
            watermark_ms: of the partition.
            live_ms: the log's time now, where the whole partition may have fallen silent; else the watermark.
            next_offset: of the fold.
        """
        self._judge_now(open_, names, watermark_ms)
        view = self._view(live_ms)
        anomalies, told_rows = self._again, set()
        for row in {*view, *self._told, *self._ended}:
            sent = self._news(row, view.get(row, {}), next_offset >= self._settled_at)
            if sent:
                anomalies = anomalies + sent
                told_rows.add(row)
        told_rows.update(self._sensors.row(one.source) for one in self._again)
        states = [self._state(row, next_offset) for row in sorted(self._touched | told_rows)]
        self._again, self._ended = [], {}
        self._touched.clear()
        counts: dict[str, int] = {}
        for now in view.values():
            for one in now.values():
                if one.state == OPEN:
                    counts[one.rule] = counts.get(one.rule, 0) + 1
        return Rulings(states, anomalies, counts, self._habits.states(self._sensors.names, self._partition, next_offset))

    # ---- judging

    def _fill(self, late: list[tuple[Int64s, Int64s]]) -> None:
        s = self._sensors
        for rows, second in late:
            for row in np.unique(rows).tolist():
                if silence.fill(s.final[row], second[rows == row], int(s.limits[row, _GAP])):
                    self._touched.add(row)
                    self._stale.add(row)

    def _judge_now(self, open_: OpenMinutes, names: list[str], watermark_ms: int) -> None:
        s = self._sensors
        for row in self._stale:
            s.now[row] = s.final[row]
            self._ended_now.pop(row, None)
            if row in self._voltage:
                self._voltage_now[row] = self._voltage[row]
            else:
                self._voltage_now.pop(row, None)
        self._stale.clear()
        sensor, minute, slot = open_.places()
        rows = s.rows(names, sensor)
        until_s = np.minimum(s.newest_s[rows] + 1, watermark_ms // 1000)
        at = np.flatnonzero(((minute + 1) * MINUTE_S > s.now[rows, seconds.NEXT]) & (minute * MINUTE_S < until_s))
        side = Side(s.now, self._voltage_now)
        for anomaly, row in self._judge(side, rows[at], minute[at], slot[at], until_s[at], open_.seconds_of(), final=False):
            self._ended_now.setdefault(row, {})[anomaly.id] = anomaly

    def _judge(
        self, side: Side, rows: Int64s, minute: Int64s, slot: Int64s, until_s: Int64s, of: SecondsOf, *, final: bool
    ) -> Iterator[tuple[Anomaly, int]]:
        """Take minutes in, by sensor and minute; the intervals that ended."""
        s, found = self._sensors, self._found
        watched, before_s = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        begin = 0
        while begin < len(rows):
            begin, n = seconds.judge(
                rows, minute, slot, until_s, side.memory, s.limits, s.dated, of.masks, of.seconds, of.delays, of.twice, of.marks,
                of.versions, begin, found, watched, before_s,
            )  # fmt: skip
            yield from self._ends(found[:n], final=final)
        chosen = watched != 0
        if side.events:
            chosen |= np.isin(rows, list(side.events))
        # A sensor whose event goes on over several minutes: from where it is first seen, all of them.
        busy: set[int] = set()
        for j in np.flatnonzero(np.isin(rows, rows[chosen])).tolist():
            row = int(rows[j])
            if chosen[j] or row in busy:
                busy.add(row)
                end_s = min((int(minute[j]) + 1) * MINUTE_S, int(until_s[j]))
                for event in self._volts(side, row, int(before_s[j]), end_s, int(minute[j]) * MINUTE_S, int(slot[j]), of):
                    yield self._of_voltage(row, event, closed=True, final=final), row

    def _volts(
        self, side: Side, row: int, begin_s: int, end_s: int, minute_s: int, slot: int, of: SecondsOf
    ) -> Iterator[voltage.Event]:
        """Voltage events that are over after the seconds of one minute."""
        low, high = self._sensors.limits[row, [_LOW, _HIGH]].tolist()
        limits = self._sensors.limits[row].tolist()
        masks, volts = of.masks[slot].tolist(), of.seconds[slot, :, :, seconds.VOLT_MIN : seconds.VOLT_MAX + 1].tolist()
        events = side.events.get(row, {})
        for t in range(begin_s, end_s):
            k = t - minute_s
            out = [(p, volts[k][p][0] < low or volts[k][p][1] > high) for p in range(PROBES) if masks[p] >> k & 1]
            if out and (events or any(wrong for _, wrong in out)):
                events, over = voltage.judge(events, self._captured.second(row, t, out), limits)
                yield from over
        if events:
            side.events[row] = events
        else:
            side.events.pop(row, None)

    def _pass_time(self, until_s: int) -> None:
        """For good: nothing more comes before this."""
        s, count = self._sensors, len(self._sensors.names)
        awake = (s.final[:count, seconds.NEXT] < until_s) & (s.final[:count, seconds.LAST_S] > until_s - _AWAKE_S)
        rows = np.flatnonzero(awake)
        for start in range(0, len(rows), 2):  # as many as there is room for, were the worst to come
            n = seconds.pass_time(rows[start : start + 2], until_s, s.final, s.limits, s.dated, self._found)
            for anomaly, row in self._ends(self._found[:n], final=True):
                self._ended.setdefault(row, {})[anomaly.id] = anomaly
                self._touched.add(row)
        for row, events in list(self._voltage.items()):
            kept, over = voltage.expire(events, until_s * voltage.SECOND_US)
            for event in over:
                anomaly = self._of_voltage(row, event, closed=True, final=True)
                self._ended.setdefault(row, {})[anomaly.id] = anomaly
            if kept:
                self._voltage[row] = kept
            else:
                del self._voltage[row]
            if len(kept) != len(events):
                self._touched.add(row)
                self._stale.add(row)

    # ---- intervals to anomalies

    def _of(self, row: int, version: int, at_s: int | None = None) -> Of:
        """Whose an interval is that began at a second; None: its limits have no days."""
        s = self._sensors
        limits = s.limits[row] if at_s is None else s.limits_at(row, at_s)
        return Of(s.names[row], limits.tolist(), version, self._partition)

    def _ends(self, found: Int64s, *, final: bool) -> Iterator[tuple[Anomaly, int]]:
        for row, machine, start, last, worst, count, version in found.tolist():
            of = self._of(row, version, start)
            yield whole_seconds(of, machine, start, last, worst, count, closed=True, final=final), row

    def _of_voltage(self, row: int, event: voltage.Event, *, closed: bool, final: bool) -> Anomaly:
        memory = self._sensors.final if final else self._sensors.now
        of = self._of(row, int(memory[row, seconds.VERSION]))
        samples = self._captured.samples(row, event.worst_us)
        return of_voltage(of, event, int(self._sensors.nominal_mv[row]), samples, closed=closed, final=final)

    def _view(self, live_ms: int) -> dict[int, Now]:
        """All intervals that the provisional judgement holds, by row."""
        s, count = self._sensors, len(self._sensors.names)
        view: dict[int, Now] = {row: dict(now) for row, now in self._ended_now.items() if now}
        silent = (live_ms - s.arrived_ms[:count] >= (s.limits[:count, _GAP] + GRACE_S) * 1000) & (s.newest_s[:count] > 0)
        silent &= s.now[:count, seconds.LAST_S] == s.newest_s[:count]
        opens = np.flatnonzero((s.now[:count][:, _OPENS] != 0).any(axis=1) | silent)
        for row in opens.tolist():
            now, version = view.setdefault(row, {}), int(s.now[row, seconds.VERSION])
            for machine in range(seconds.MACHINES):
                interval = seconds.opened(s.now[row], machine)
                if interval is None and machine == seconds.SILENCE and silent[row]:
                    start = int(s.newest_s[row]) + 1
                    interval = start, start, 0, 0
                if interval is not None:
                    known = seconds.opened(s.final[row], machine)
                    of = self._of(row, version, interval[0])
                    anomaly = whole_seconds(
                        of, machine, *interval, closed=False, final=known is not None and known[0] == interval[0]
                    )
                    now[anomaly.id] = anomaly
        for row, habit in self._habits.memories.items():
            if habit.unlike is not None and habit.unlike.counts:
                anomaly = of_habit(self._of(row, int(s.final[row, seconds.VERSION])), habit.unlike, closed=False)
                view.setdefault(row, {})[anomaly.id] = anomaly
        for row, events in self._voltage_now.items():
            for key, event in events.items():
                if not event.absorbed:
                    known_event = self._voltage.get(row, {}).get(key)
                    sure = event.running and known_event is not None and known_event.start_us == event.start_us
                    anomaly = self._of_voltage(row, event, closed=not event.running, final=False)
                    view.setdefault(row, {})[anomaly.id] = replace(anomaly, final=sure)
        for row, ended in self._ended.items():
            for anomaly_id in ended:
                view.get(row, {}).pop(anomaly_id, None)
                self._ended_now.get(row, {}).pop(anomaly_id, None)
        return view

    def _news(self, row: int, view: Now, settled: bool) -> list[Anomaly]:
        """What is to be told of one sensor now."""
        told, ended = self._told.get(row, {}), dict(self._ended.get(row, {}))
        sent, kept, gone = news(told, ended, view, changed=row in self._touched, settled=settled)
        for one in gone:
            self._ended.setdefault(row, {})[one.id] = one
        if kept:
            self._told[row] = kept
        else:
            self._told.pop(row, None)
        return sent

    def _state(self, row: int, next_offset: int) -> AnomalyState:
        s = self._sensors
        events = self._voltage.get(row, {}).values()
        samples = {one for event in events for one in self._captured.samples(row, event.worst_us)} if events else set()
        told = {one.id: one for one in self._again if one.source == s.names[row]}
        told |= self._told.get(row, {}) | self._ended.get(row, {})
        state = pack(s.final[row], events, samples, told.values(), self._habits.memories.get(row, Habit()))
        return AnomalyState(s.names[row], self._partition, next_offset, int(s.final[row, seconds.NEXT]), LAYOUT, state)

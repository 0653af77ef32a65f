"""The habits of one partition's sensors, by row of `sensors`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from schemas.anomaly_state import AnomalyState
from schemas.columns import Int64s
from schemas.units import MINUTE_S
from streams.core.anomaly.habit import Habit, Learned, Unlike, minute_means, pass_time, step
from streams.core.anomaly.habit_limits import HabitLimits
from streams.core.minute import SecondsOf

LAYOUT = 2
"""Of a table's message; changes with what it means. Another one is not read: the habit is learned anew."""


@dataclass(slots=True)
class Habits:
    """What is known of each sensor.

    Attributes:
        memories: what stands in its state. learned: its table, which has a topic of its own.
    """

    memories: dict[int, Habit] = field(default_factory=dict)
    learned: dict[int, Learned] = field(default_factory=dict)
    _written: set[int] = field(default_factory=set)

    def restore(self, row: int, state: AnomalyState) -> None:
        """Take a table over that an earlier owner wrote."""
        if state.layout == LAYOUT:
            self.learned[row] = Learned.unpacked(state.state)

    def take(
        self, rows: Int64s, minutes: Int64s, slots: Int64s, of: SecondsOf, limits: list[HabitLimits]
    ) -> Iterator[tuple[int, Unlike]]:
        """Take closed minutes in, by sensor and minute; shape (n,) each. The intervals that are over."""
        means, came, enough = minute_means(of, slots)
        for row, minute, mean_mw, seen, full in zip(*(x.tolist() for x in (rows, minutes, means, came, enough)), strict=True):
            habit = self.memories.get(row, Habit())
            if minute <= habit.minute:
                continue
            probes = habit.probes | seen
            habit = replace(habit, probes=probes)
            if full == probes:
                learned = self.learned.setdefault(row, Learned())
                habit, over, wrote = step(habit, learned, minute, mean_mw, limits[row])
                if wrote:
                    self._written.add(row)
                if over is not None:
                    yield row, over
            self.memories[row] = habit

    def pass_time(self, before: int) -> Iterator[tuple[int, Unlike]]:
        """Nothing more comes before this minute: the intervals that are over."""
        for row, habit in self.memories.items():
            if habit.unlike is not None:
                self.memories[row], over = pass_time(habit, before)
                if over is not None:
                    yield row, over

    def states(self, names: list[str], partition: int, next_offset: int) -> list[AnomalyState]:
        """Tables that were written since the last call: at most once an hour and sensor."""
        found = []
        for row in sorted(self._written):
            to_s = self.memories[row].minute * MINUTE_S
            found.append(AnomalyState(names[row], partition, next_offset, to_s, LAYOUT, self.learned[row].packed()))
        self._written.clear()
        return found

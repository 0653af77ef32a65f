"""What a replay reads from where: decided once, when it begins, from what the log and the raw table still hold.

A reading is at most AHEAD_S ahead of the log's own time. So the minutes from m on need nothing that was appended
before m - AHEAD_S, and a log that begins with a record appended at t holds every minute that starts after t + AHEAD_S.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from schemas import topics
from schemas.sensor_reading import AHEAD_S
from schemas.topics import Topic
from schemas.units import MINUTE_S
from streams.core.selection import Selection

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Chain:
    """A topic that is not derived, and what it is folded into.

    Attributes:
        raw, minutes, late: topics.
        reach_s: what a minute is made of was not appended earlier than this before the minute's start.
    """

    raw: Topic
    minutes: Topic
    late: Topic
    reach_s: int


CHAINS = {
    chain.raw.name: chain
    for chain in (
        Chain(topics.READINGS, topics.MINUTES, topics.LATE, AHEAD_S),
        Chain(topics.TIC_FRAMES, topics.TIC_MINUTES, topics.TIC_LATE, AHEAD_S + MINUTE_S),
    )
}
"""By the topic that is read again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of a replay.

    Attributes:
        from_s, to_s: minutes that start in [from_s, to_s), whole minutes in UTC seconds; None: no bound.
        sensors: ids in order; empty: all.
    """

    from_s: int | None = None
    to_s: int | None = None
    sensors: tuple[str, ...] = ()

    @classmethod
    def of(cls, from_s: int | None, to_s: int | None, sensors: Iterable[str]) -> "Asked":
        """Arguments as typed: widened to whole minutes."""
        return cls(
            None if from_s is None else from_s // MINUTE_S * MINUTE_S,
            None if to_s is None else -(-to_s // MINUTE_S) * MINUTE_S,
            tuple(sorted(set(sensors))),
        )

    @property
    def everything(self) -> bool:
        return self == Asked()


@dataclass(frozen=True, slots=True)
class Held:
    """What the log holds of one partition.

    Attributes:
        first, end: the first offset that is kept, and the one after the last.
        first_ms: when the first was appended; nothing that is gone was appended later.
    """

    first: int
    end: int
    first_ms: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A replay, settled.

    Attributes:
        name: of the replay; also of its topics, groups and table.
        asked: its arguments.
        ends: by partition, the offset at which the log ended when the replay began.
        starts: by partition, where to read from; its end when nothing of it is read.
        from_s: the first minute that is replayed; None: the first there is. Later than asked for where raw does
            not reach back so far: late readings are rebuilt from raw, so older minutes stay as they are.
        log_from_s: minutes from here on are folded from the log; None: from the beginning.
        raw: minutes in [from, to) come from the raw table, because the log no longer holds them; None: none do.
        lateness_s: the bound under which the log is folded.
        topic: what is read again.
    """

    name: str
    asked: Asked
    ends: dict[int, int]
    starts: dict[int, int] = field(default_factory=dict)
    from_s: int | None = None
    log_from_s: int | None = None
    raw: tuple[int, int] | None = None
    lateness_s: int = 0
    topic: str = topics.READINGS.name

    @property
    def chain(self) -> Chain:
        return CHAINS[self.topic]

    @property
    def names(self) -> "Names":
        return Names(self.name, self.topic)

    @property
    def selection(self) -> Selection | None:
        """What is folded from the log; None: all of it."""
        if self.log_from_s is None and self.asked.to_s is None and not self.asked.sensors:
            return None
        return Selection(self.log_from_s, self.asked.to_s, frozenset(self.asked.sensors))

    @property
    def readings(self) -> int:
        """Messages to read from the log."""
        return sum(end - self.starts[p] for p, end in self.ends.items())

    def as_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> "Plan":
        """Read a document back.

        Raises:
            ValueError: it is none of ours.
        """
        try:
            asked = Asked(found["asked"]["from_s"], found["asked"]["to_s"], tuple(found["asked"]["sensors"]))
            ends, starts = ({int(p): int(offset) for p, offset in found[key].items()} for key in ("ends", "starts"))
            raw = None if found["raw"] is None else (int(found["raw"][0]), int(found["raw"][1]))
            lateness_s = int(found["lateness_s"])
            topic = CHAINS[found.get("topic", topics.READINGS.name)].raw.name
            return cls(found["name"], asked, ends, starts, found["from_s"], found["log_from_s"], raw, lateness_s, topic)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"this is no plan of a replay: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Names:
    """What belongs to the replay called `name` of a topic."""

    name: str
    topic: str = topics.READINGS.name

    @property
    def minutes(self) -> str:
        return f"{CHAINS[self.topic].minutes.name}.{self.name}"

    @property
    def late(self) -> str:
        return f"{CHAINS[self.topic].late.name}.{self.name}"

    @property
    def fold_group(self) -> str:
        return f"powermon-minutes.{self.name}"

    @property
    def rebuild_group(self) -> str:
        return f"powermon-rebuild.{self.name}"

    @property
    def sink_group(self) -> str:
        return f"powermon-sink.{self.name}"


def first_minute(asked: Asked, raw_since_s: int | None) -> int | None:
    """The first minute that can be replayed; None: the first there is.

    Args:
        raw_since_s: the first minute that raw keeps whole; None: all.
    """
    if raw_since_s is None:
        return asked.from_s
    return max(asked.from_s or 0, -(-raw_since_s // MINUTE_S) * MINUTE_S)


def log_from(from_s: int | None, held: Iterable[Held], reach_s: int = AHEAD_S) -> int | None:
    """The first minute that the log holds whole, from `from_s` on; None: everything from its beginning.

    Args:
        reach_s: as in Chain.
    """
    gone_until_s = max((one.first_ms // 1000 + reach_s for one in held if one.first > 0), default=None)
    if gone_until_s is None or (from_s is not None and gone_until_s < from_s):
        return from_s
    return (gone_until_s // MINUTE_S + 1) * MINUTE_S


def plan(
    name: str,
    asked: Asked,
    held: dict[int, Held],
    from_s: int | None,
    starts: dict[int, int],
    lateness_s: int,
    topic: str = topics.READINGS.name,
) -> Plan:
    """Settle a replay.

    Args:
        held: by partition.
        from_s: from `first_minute`.
        starts: by partition, the first offset appended at or after `log_from` less its reach, or the end.
    """
    ends = {p: one.end for p, one in held.items()}
    log_from_s = log_from(from_s, held.values(), CHAINS[topic].reach_s)
    until = log_from_s if asked.to_s is None or log_from_s is None else min(log_from_s, asked.to_s)
    raw = None if until is None or until <= (from_s or 0) else (from_s or 0, until)
    nothing = asked.to_s is not None and max(from_s or 0, log_from_s or 0) >= asked.to_s
    starts = ends if nothing else {p: min(max(starts[p], held[p].first), ends[p]) for p in ends}
    return Plan(name, asked, ends, starts, from_s, log_from_s, raw, lateness_s, topic)

"""The cold path: late minutes are read whole from raw, folded by the hot path's code, and published again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import structlog
from confluent_kafka import Message

from infra.errors import PowermonError
from infra.settings import Settings
from schemas import topics, wire
from schemas.conflict import encode_conflicts
from schemas.late_minute import Copies, copies_of
from schemas.power_minute import encode_minutes
from schemas.registry import Registry
from schemas.units import MINUTE_S
from sinks import broker, metrics
from sinks.broker import Offsets, SafeProducer
from sinks.clickhouse import ClickHouse
from sinks.follower import Follower
from sinks.raw import Minute, Stored, read
from sinks.rejudge import Rejudge
from streams.core.anomaly.sensors import LimitsOf

ROUND = 20_000
"""Late messages of one round at most."""

CHUNK = 300
"""Minutes read at once: some 54,000 rows, 20 MB."""

_TELL_EVERY_S = 5.0
_DAY_S = 86_400

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Way:
    """Where late minutes come from and go to; a replay has a way of its own.

    Attributes:
        late, minutes: topics.
        raw: the topic that raw holds.
        conflicts: likewise; empty: say nothing of late copies that differ, as in a replay.
        group: the consumer group.
        ends: by topic and partition of sensor.readings, the offset at which the log ends for it; empty: it does not.
    """

    late: str = topics.LATE.name
    minutes: str = topics.MINUTES.name
    raw: str = topics.READINGS.name
    conflicts: str = ""
    group: str = broker.REBUILD_GROUP
    ends: Offsets = field(default_factory=dict)


@dataclass(slots=True)
class Round:
    """What was read from power.late and is to be rebuilt.

    Attributes:
        minutes: distinct ones, each with its late copies.
        needs: by topic and partition of sensor.readings, the offset that raw must be complete up to.
    """

    minutes: dict[Minute, list[Copies]] = field(default_factory=dict)
    needs: Offsets = field(default_factory=dict)


class Rebuilder:
    """One member of the rebuilder's group, in a thread of its own.

    Args:
        settings: broker, group membership, interval, retention.
        store: where raw is.
        registry: schemas to read and write with.
        way: topics and group; None: the live ones.
        limits: of anomalies, asked before each round; None: nobody looks for any.
    """

    def __init__(
        self,
        settings: Settings,
        store: ClickHouse,
        registry: Registry,
        way: Way | None = None,
        limits: Callable[[], LimitsOf] | None = None,
    ) -> None:
        self._settings, self._store, self._registry = settings, store, registry
        self._limits = limits
        self._way = way or Way(conflicts=topics.CONFLICTS.name)
        self._follower = Follower(settings, self._way.group, "rebuilder")

    def work(self) -> None:
        """Rebuild until `stop`. Blocks.

        Raises:
            KafkaException: the broker has shut this member out for good; the process must start anew.
        """
        self._producer = SafeProducer(self._settings)
        self._again = Rejudge(self._settings, self._store, self._registry, self._producer)
        try:
            self._follower.work([self._way.late], self._make)
        finally:
            metrics.REBUILD_WAITING.set(0)

    def stop(self) -> None:
        """Let `work` leave the round in hand, which is then done again by the next one."""
        self._follower.stop()

    def problem(self) -> str | None:
        """What stands in the way, as a sentence."""
        return self._follower.problem()

    def stalled(self) -> str | None:
        """That the thread hangs; None while it need not."""
        return self._follower.stalled()

    def _make(self) -> bool:
        metrics.REBUILD_WAITING.set(0)
        try:
            part = self._collect()
            if not self._follower.read_to():
                return True
            with metrics.REBUILD_SECONDS.time():
                return self._rebuild(part)
        except PowermonError:
            metrics.REBUILD_FAILURES.inc()
            raise

    def _collect(self) -> Round:
        """Read until the interval is over or the round is full; one that is not full waits for more of the same minutes."""
        part = Round()
        for messages in self._follower.read(ROUND, self._settings.rebuild_interval_s):
            for m in messages:
                self._add(part, m)
            metrics.REBUILD_WAITING.set(len(part.minutes))
        return part

    def _add(self, part: Round, message: Message) -> None:
        try:
            late = wire.decode(topics.LATE, message.value(), self._registry.schema_of)
            copies = copies_of(late["copies"])
        except (wire.WireError, ValueError) as error:
            # Our own worker wrote it: a bug or a stranger; the reading itself is safe in raw.
            metrics.REBUILD_REJECTED.inc()
            log.error("a late minute cannot be read", offset=message.offset(), partition=message.partition(), reason=str(error))
            return
        place = self._way.raw, late["log_partition"]
        part.needs[place] = max(part.needs.get(place, 0), late["log_offset"] + 1)
        part.minutes.setdefault((late["sensor_id"], late["minute_s"]), []).append(copies)

    def _rebuild(self, part: Round) -> bool:
        """Publish every minute of the round; False when asked to stop before the end."""
        below = self._wait_for_raw(part.needs)
        if below is None:
            return False
        minutes = self._still_kept(self._wanted(part))
        began = told = time.monotonic()
        for at in range(0, len(minutes), CHUNK):
            self._follower.beat()
            chunk = minutes[at : at + CHUNK]
            metrics.REBUILT.inc(self._publish(chunk, below, part))
            if not self._follower.going_on():
                return False
            now = time.monotonic()
            if now - told > _TELL_EVERY_S:
                told, done = now, at + len(chunk)
                left_s = (now - began) / done * (len(minutes) - done)
                log.info("rebuilding late minutes", done=done, of=len(minutes), left_s=round(left_s))
        if minutes and self._limits is not None:
            if self._follower.stored(self._again.told) is None:
                return False
            if not self._again.correct(minutes, below, self._limits(), self._follower.going_on):
                return False
        if minutes:
            log.info("late minutes rebuilt", minutes=len(minutes), seconds=round(time.monotonic() - began, 2))
        return True

    def _wanted(self, part: Round) -> list[Minute]:
        """The minutes to rebuild, in order."""
        return sorted(part.minutes)

    def _publish(self, chunk: list[Minute], below: Offsets, part: Round) -> int:
        """Rebuild some minutes and publish them; how many there were."""
        head = wire.header(self._registry.id_of(topics.MINUTES))
        stored = read(self._store, chunk, below)
        rows = stored.minutes()
        if len(rows) < len(chunk):
            metrics.REBUILD_SKIPPED.inc(len(chunk) - len(rows))
            log.warning("late minutes without raw readings are left as they are", minutes=len(chunk) - len(rows))
        self._producer.send(self._way.minutes, encode_minutes(head, rows))
        if self._way.conflicts:
            self._publish_conflicts(stored, {minute: np.concatenate(part.minutes[minute]) for minute in chunk})
        return len(rows)

    def _publish_conflicts(self, stored: Stored, late: dict[Minute, Copies]) -> None:
        """Say which late copies hold other values than the first."""
        found, partition = stored.conflicts(late)
        if len(found):
            head = wire.header(self._registry.id_of(topics.CONFLICTS))
            self._producer.send(self._way.conflicts, encode_conflicts(head, found, partition))
            metrics.REBUILD_CONFLICTS.inc(len(found))

    def _wait_for_raw(self, needs: Offsets) -> Offsets | None:
        """Wait until the sink has committed past what the round needs; up to where it has. None when asked to stop."""
        have = self._follower.stored(needs)
        return None if have is None else {place: min(end, self._way.ends.get(place, end)) for place, end in have.items()}

    def _still_kept(self, minutes: list[Minute]) -> list[Minute]:
        """Leave out minutes whose raw readings may be gone: rebuilt from the rest they would lose seconds."""
        days = self._settings.retention_readings_days
        if not days:
            return minutes
        oldest = time.time() - days * _DAY_S + MINUTE_S
        kept = [minute for minute in minutes if minute[1] >= oldest]
        if len(kept) < len(minutes):
            metrics.REBUILD_SKIPPED.inc(len(minutes) - len(kept))
            log.warning("late minutes older than raw is kept are left as they are", minutes=len(minutes) - len(kept), days=days)
        return kept

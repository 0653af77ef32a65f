"""The cold path: late minutes are read whole from raw, folded by the hot path's code, and published again."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import structlog
from confluent_kafka import KafkaException, Message

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
from sinks.pulse import Pulse
from sinks.raw import Minute, Stored, read
from sinks.rejudge import Rejudge
from streams.core.anomaly.sensors import LimitsOf

ROUND = 20_000
"""Late messages of one round at most."""

CHUNK = 300
"""Minutes read at once: some 54,000 rows, 20 MB."""

_BACKOFF_S = (0.5, 10.0)
_WAIT_S = 0.2
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
        first, next: by topic and partition of power.late, where the round began and where the next begins.
    """

    minutes: dict[Minute, list[Copies]] = field(default_factory=dict)
    needs: Offsets = field(default_factory=dict)
    first: Offsets = field(default_factory=dict)
    next: Offsets = field(default_factory=dict)


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
        self._stop = threading.Event()
        self._backoff_s = 0.0
        self._uncommitted: Offsets = {}
        self._problem: str | None = None
        self._pulse = Pulse("rebuilder")

    def work(self) -> None:
        """Rebuild until `stop`. Blocks.

        Raises:
            KafkaException: the broker has shut this member out for good; the process must start anew.
        """
        self._member = broker.consumer(self._settings, self._way.group)
        self._sink = broker.consumer(self._settings, broker.SINK_GROUP)  # only asks; it never joins the group
        self._producer = SafeProducer(self._settings)
        self._again = Rejudge(self._settings, self._store, self._registry, self._producer)
        try:
            self._member.subscribe([self._way.late])
            while not self._stop.is_set():
                self._once()
        finally:
            self._member.close()
            self._sink.close()

    def stop(self) -> None:
        """Let `work` leave the round in hand, which is then done again by the next one."""
        self._stop.set()

    def problem(self) -> str | None:
        """What stands in the way, as a sentence."""
        return self._problem

    def stalled(self) -> str | None:
        """That the thread hangs; None while it need not."""
        return self._pulse.stalled()

    def _once(self) -> None:
        part = Round()
        try:
            self._collect(part)
            if part.next:
                with metrics.REBUILD_SECONDS.time():
                    done = self._rebuild(part)
                if not done:
                    return
                self._uncommitted |= part.next
            if self._uncommitted:
                self._uncommitted = broker.commit(self._member, self._uncommitted)
            self._problem, self._backoff_s = None, 0.0
        except PowermonError as error:
            metrics.REBUILD_FAILURES.inc()
            self._problem = str(error)
            self._backoff_s = min(max(self._backoff_s * 2, _BACKOFF_S[0]), _BACKOFF_S[1])
            log.warning("nothing is lost, will try again", reason=str(error), after_s=self._backoff_s)
            broker.rewind(self._member, part.first)
            broker.rest(self._member, self._backoff_s, self._stop)
        finally:
            metrics.REBUILD_WAITING.set(0)

    def _collect(self, part: Round) -> None:
        """Read until the interval is over or the round is full; one that is not full waits for more of the same minutes."""
        end = time.monotonic() + self._settings.rebuild_interval_s
        count = 0
        while count < ROUND and not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            self._pulse.beat()
            messages = self._member.consume(ROUND - count, min(left, 0.5))
            good = [m for m in messages if m.error() is None]
            for message in messages:
                error = message.error()
                if error is not None and error.fatal():
                    raise KafkaException(error)
            count += len(good)
            # Places first: when a schema cannot be asked for, the whole round is read again.
            for m in good:
                part.first.setdefault((m.topic(), m.partition()), m.offset())
                part.next[m.topic(), m.partition()] = m.offset() + 1
            for m in good:
                self._add(part, m)
            metrics.REBUILD_WAITING.set(len(part.minutes))

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
            self._pulse.beat()
            chunk = minutes[at : at + CHUNK]
            metrics.REBUILT.inc(self._publish(chunk, below, part))
            if self._stop.is_set():
                return False
            now = time.monotonic()
            if now - told > _TELL_EVERY_S:
                told, done = now, at + len(chunk)
                left_s = (now - began) / done * (len(minutes) - done)
                log.info("rebuilding late minutes", done=done, of=len(minutes), left_s=round(left_s))
        if minutes and self._limits is not None:
            if self._complete(self._again.told) is None:
                return False
            if not self._again.correct(minutes, below, self._limits(), self._going_on):
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

    def _going_on(self) -> bool:
        self._pulse.beat()
        return not self._stop.is_set()

    def _wait_for_raw(self, needs: Offsets) -> Offsets | None:
        """Wait until the sink has committed past what the round needs; up to where it has. None when asked to stop."""
        have = self._complete(needs)
        return None if have is None else {place: min(end, self._way.ends.get(place, end)) for place, end in have.items()}

    def _complete(self, needs: Offsets) -> Offsets | None:
        """Wait until the tables hold what stands before these offsets; up to where they do. None when asked to stop."""
        while not self._stop.is_set():
            self._pulse.beat()
            have = broker.committed(self._sink, needs) if needs else {}
            if all(have[place] >= need for place, need in needs.items()):
                return have
            broker.rest(self._member, _WAIT_S, self._stop)
        return None

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

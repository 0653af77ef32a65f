"""Keeps the quarter-hours: reads which minutes changed from the log, and makes their quarters from ClickHouse's minutes."""

import threading
import time

import structlog
from confluent_kafka import KafkaException, Message

from infra.errors import PowermonError
from infra.settings import Settings
from schemas import topics, wire
from schemas.power_minute import MinuteDecoder
from schemas.registry import Registry
from schemas.tic_minute import decode_minute
from sinks import broker, rollup
from sinks.broker import Offsets
from sinks.clickhouse import ClickHouse
from sinks.pulse import Pulse
from sinks.quarter_sql import KINDS, LINKY, POWER, Kind
from sinks.rollup import Quarter

EVERY_S = 10.0
"""How often quarters are made: a minute's sixty updates count once or a few times."""

ROUND = 50_000
"""Messages of one round at most."""

_BACKOFF_S = (0.5, 10.0)
_WAIT_S = 0.2

log = structlog.get_logger()


class Roller:
    """One member of its group, in a thread of its own.

    The quarters a round of messages touches are made once the sink has their minutes, then the round is committed:
    a crash repeats it, which changes nothing.

    Args:
        settings: broker, group membership.
        store: where minutes and quarters are.
        registry: writers' schemas.
    """

    def __init__(self, settings: Settings, store: ClickHouse, registry: Registry, every_s: float = EVERY_S) -> None:
        self._settings, self._store, self._registry, self._every_s = settings, store, registry, every_s
        self._stop = threading.Event()
        self._decoder = MinuteDecoder(registry.schema_of)
        self._begun = False
        self._backoff_s = 0.0
        self._uncommitted: Offsets = {}
        self._problem: str | None = None
        self._pulse = Pulse("roller")

    def work(self) -> None:
        """Make quarters until `stop`. Blocks.

        Raises:
            KafkaException: the broker has shut this member out for good; the process must start anew.
        """
        self._member = broker.consumer(self._settings, broker.ROLLUP_GROUP)
        self._sink = broker.consumer(self._settings, broker.SINK_GROUP)  # only asks; it never joins the group
        try:
            self._member.subscribe([topics.MINUTES.name, topics.TIC_MINUTES.name])
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
        first: Offsets = {}
        try:
            if not self._begun:
                for kind in KINDS:
                    rollup.begin(self._store, kind, self._pulse.beat)
                self._begun = True
            messages = self._collect()
            for m in reversed(messages):
                first[m.topic(), m.partition()] = m.offset()
            needs = {(m.topic(), m.partition()): m.offset() + 1 for m in messages}
            if messages:
                touched = self._touched(messages)
                if not self._wait_for_minutes(needs):
                    return
                for kind, quarters in touched.items():
                    rollup.refresh(self._store, kind, quarters, self._pulse.beat)
            self._uncommitted |= needs
            if self._uncommitted:
                self._uncommitted = broker.commit(self._member, self._uncommitted)
            self._problem, self._backoff_s = None, 0.0
        except PowermonError as error:
            self._problem = str(error)
            self._backoff_s = min(max(self._backoff_s * 2, _BACKOFF_S[0]), _BACKOFF_S[1])
            log.warning("nothing is lost, will try again", reason=str(error), after_s=self._backoff_s)
            broker.rewind(self._member, first)
            broker.rest(self._member, self._backoff_s, self._stop)

    def _collect(self) -> list[Message]:
        """Read until the interval is over or the round is full."""
        end = time.monotonic() + self._every_s
        found: list[Message] = []
        while len(found) < ROUND and not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            self._pulse.beat()
            for message in self._member.consume(ROUND - len(found), min(left, 0.5)):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.fatal():
                    raise KafkaException(error)
        return found

    def _touched(self, messages: list[Message]) -> dict[Kind, set[Quarter]]:
        """The quarters of these minutes; what cannot be read is told by the sink, which reads it too."""
        power = [m.value() for m in messages if m.topic() == topics.MINUTES.name]
        rows, _ = self._decoder.decode(power)
        minutes = zip(rows.sensor.tolist(), rows.minute_s.tolist(), strict=True)
        found: dict[Kind, set[Quarter]] = {POWER: {(rows.names[s], rollup.quarter_of(at)) for s, at in minutes}, LINKY: set()}
        for m in messages:
            if m.topic() == topics.TIC_MINUTES.name:
                try:
                    one = decode_minute(m.value(), self._registry.schema_of)
                except wire.WireError:
                    continue
                found[LINKY].add((one.meter_id, rollup.quarter_of(one.minute_s)))
        return found

    def _wait_for_minutes(self, needs: Offsets) -> bool:
        """Wait until the sink has committed past what the round needs; False when asked to stop."""
        while not self._stop.is_set():
            self._pulse.beat()
            have = broker.committed(self._sink, needs)
            if all(have[place] >= need for place, need in needs.items()):
                return True
            broker.rest(self._member, _WAIT_S, self._stop)
        return False

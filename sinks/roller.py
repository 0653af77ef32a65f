"""Keeps the quarter-hours: reads which minutes changed from the log, and makes their quarters from ClickHouse's minutes."""

from confluent_kafka import Message

from infra.settings import Settings
from schemas import topics, wire
from schemas.power_minute import MinuteDecoder
from schemas.registry import Registry
from schemas.tic_minute import decode_minute
from sinks import broker, rollup
from sinks.clickhouse import ClickHouse
from sinks.follower import Follower
from sinks.quarter_sql import KINDS, LINKY, POWER, Kind
from sinks.rollup import Quarter

EVERY_S = 10.0
"""How often quarters are made: a minute's sixty updates count once or a few times."""

ROUND = 50_000
"""Messages of one round at most."""


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
        self._store, self._registry, self._every_s = store, registry, every_s
        self._follower = Follower(settings, broker.ROLLUP_GROUP, "roller")
        self._decoder = MinuteDecoder(registry.schema_of)
        self._begun = False

    def work(self) -> None:
        """Make quarters until `stop`. Blocks.

        Raises:
            KafkaException: the broker has shut this member out for good; the process must start anew.
        """
        self._follower.work([topics.MINUTES.name, topics.TIC_MINUTES.name], self._make)

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
        beat = self._follower.beat
        if not self._begun:
            for kind in KINDS:
                rollup.begin(self._store, kind, beat)
            self._begun = True
        messages = [m for some in self._follower.read(ROUND, self._every_s) for m in some]
        if messages:
            touched = self._touched(messages)
            if self._follower.stored(self._follower.read_to()) is None:
                return False
            for kind, quarters in touched.items():
                rollup.refresh(self._store, kind, quarters, beat)
        return True

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

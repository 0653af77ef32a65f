"""Looks for one second of one sensor everywhere: the log, the dead letters, raw, the minutes, and where everybody stands."""

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Message

from infra.door import Door
from infra.log_reader import LogReader
from infra.settings import Settings
from schemas import topics, wire
from schemas.registry import Registry
from schemas.sensor_reading import AHEAD_S
from schemas.units import MINUTE_S
from streams.core.trace import Copy, Facts, Letter, MinuteRow, RawRow

AROUND_S = 3600
"""How long after the second, or after its first copy, copies are looked for unless asked to look on."""

_FOLD, _SINK, _REBUILD = "powermon-minutes", "powermon-sink", "powermon-rebuild"


class Tracer:
    """Gathers what there is of one second.

    Args:
        settings: broker, registry, lateness.
        door: for ClickHouse.
        deep: look to the end of the log, not just around the second.
    """

    def __init__(self, settings: Settings, door: Door, log: LogReader, *, deep: bool) -> None:
        self._settings, self._door, self._log, self._deep = settings, door, log, deep
        self._registry = Registry(settings.registry, settings.schema_cache)

    def facts(self, sensor_id: str, timestamp_s: int) -> Facts:
        """Everything that is known.

        Raises:
            PowermonError: a part does not answer.
        """
        raw = self._raw(sensor_id, timestamp_s)
        partitions = self._log.partitions(topics.READINGS.name)
        where = self._partition(sensor_id, raw)
        copies = [
            copy
            for p in (partitions if where is None else [where])
            for copy in self._copies(p, sensor_id, timestamp_s, min((row.offset for row in raw), default=None))
        ]
        # Positions first: what is not in a table although everybody is past it is asked for after them.
        waiting = {group: self._waiting(group, topic) for group, topic in ((_REBUILD, topics.LATE), (_SINK, topics.MINUTES))}
        worker = self._log.decided(_FOLD, topics.READINGS.name, partitions)
        sink = self._log.committed(_SINK, topics.READINGS.name, partitions)
        return Facts(
            sensor_id,
            timestamp_s,
            self._settings.lateness_s,
            copies,
            self._letters(sensor_id, timestamp_s),
            self._raw(sensor_id, timestamp_s),
            self._minutes(sensor_id, timestamp_s),
            "all of it was searched" if self._deep else f"searched to {AROUND_S // 60} min after it; --deep looks on",
            worker,
            sink,
            waiting[_REBUILD],
            waiting[_SINK],
        )

    # ---- ClickHouse

    def _raw(self, sensor_id: str, timestamp_s: int) -> list[RawRow]:
        which = f"sensor_id = {_text(sensor_id)} AND second = toDateTime({timestamp_s}, 'UTC')"
        columns = "probe, log_partition, log_offset, toString(received_at) AS received"
        found = self._door.rows(f"SELECT {columns} FROM readings WHERE {which} ORDER BY probe")  # noqa: S608  (_text quotes)
        return [RawRow(int(r["probe"]), int(r["log_partition"]), int(r["log_offset"]), r["received"]) for r in found]

    def _minutes(self, sensor_id: str, timestamp_s: int) -> list[MinuteRow]:
        minute_s = timestamp_s // MINUTE_S * MINUTE_S
        which = f"sensor_id = {_text(sensor_id)} AND minute = toDateTime({minute_s}, 'UTC')"
        columns = f"probe, version, bitTest(seconds_mask, {timestamp_s - minute_s}) AS counted, seconds, energy_mws"
        found = self._door.rows(f"SELECT {columns} FROM minutes WHERE {which} ORDER BY probe")  # noqa: S608  (_text quotes)
        names = ("probe", "version", "counted", "seconds", "energy_mws")
        rows = [[int(r[name]) for name in names] for r in found]
        return [MinuteRow(probe, version, bool(counted), seconds, energy) for probe, version, counted, seconds, energy in rows]

    def _partition(self, sensor_id: str, raw: list[RawRow]) -> int | None:
        """Where the sensor's readings stand; None when raw knows nothing of it."""
        if raw:
            return raw[0].partition
        sql = f"SELECT log_partition FROM readings_raw WHERE sensor_id = {_text(sensor_id)} LIMIT 1"  # noqa: S608  (_text quotes)
        found = self._door.rows(sql)
        return int(found[0]["log_partition"]) if found else None

    # ---- the log

    def _copies(self, partition: int, sensor_id: str, timestamp_s: int, known: int | None) -> Iterator[Copy]:
        """Copies in one partition, in log order."""
        key = sensor_id.encode()
        for start, end in self._stretches(partition, timestamp_s, known):
            for message in self._log.messages(topics.READINGS.name, partition, start, end):
                if message.key() == key and (copy := self._copy(message, timestamp_s)) is not None:
                    yield copy

    def _stretches(self, partition: int, timestamp_s: int, known: int | None) -> list[tuple[int, int]]:
        """Offsets [start, end) to look at; they do not overlap. Before AHEAD_S before the second it cannot count."""
        topic = topics.READINGS.name
        first, end = self._log.span(topic, partition)
        start = self._log.offset_at(topic, partition, (timestamp_s - AHEAD_S) * 1000, end)
        if self._deep:
            return [(start, end)]
        until = self._log.offset_at(topic, partition, (timestamp_s + AROUND_S) * 1000, end)
        if known is None or known < first or start <= known < until:
            return [(start, until)]
        (message,) = self._log.messages(topic, partition, known, known + 1)
        later = self._log.offset_at(topic, partition, message.timestamp()[1] + AROUND_S * 1000, end)
        return [(start, until), (max(known, until), max(later, known + 1))]

    def _copy(self, message: Message, timestamp_s: int) -> Copy | None:
        try:
            reading = wire.decode(topics.READINGS, message.value(), self._registry.schema_of)
        except wire.WireError:
            return None  # its dead letter tells
        if reading["timestamp_s"] != timestamp_s:
            return None
        appended_ms = message.timestamp()[1]
        probes = {p["probe_id"]: (p["power_mw"], p["pf_pct"], p["voltage_mv"]) for p in reading["probes"]}
        ahead_s = timestamp_s - appended_ms // 1000
        refused = f"its second is {ahead_s} s ahead of the log's clock, at most {AHEAD_S} s are taken"
        return Copy(message.partition(), message.offset(), appended_ms, probes, refused if ahead_s > AHEAD_S else "")

    def _letters(self, sensor_id: str, timestamp_s: int) -> list[Letter]:
        """Dead letters that hold this second; and those of this sensor that cannot be read and came in its minute."""
        key, found = sensor_id.encode(), []
        for p in self._log.partitions(topics.DEAD_LETTERS.name):
            for message in self._log.messages(topics.DEAD_LETTERS.name, p, *self._log.span(topics.DEAD_LETTERS.name, p)):
                try:
                    letter = wire.decode(topics.DEAD_LETTERS, message.value(), self._registry.schema_of)
                except wire.WireError:
                    continue
                of_ours = letter["source_topic"] == topics.READINGS.name and letter["message_key"] == key
                if of_ours and self._is_of(letter, timestamp_s):
                    found.append(letter)
        # One that was read again after a crash may stand there twice.
        places = {(one["source_partition"], one["source_offset"]): one for one in found}
        return [Letter(p, offset, one["reason"], one["stage"], one["at_ms"]) for (p, offset), one in sorted(places.items())]

    def _is_of(self, letter: dict[str, Any], timestamp_s: int) -> bool:
        try:
            reading = wire.decode(topics.READINGS, letter["message_value"], self._registry.schema_of)
            return bool(reading["timestamp_s"] == timestamp_s)
        except wire.WireError:
            return bool(0 <= letter["at_ms"] // 1000 - timestamp_s < MINUTE_S)

    def _waiting(self, group: str, topic: topics.Topic) -> int:
        """Messages of a topic that a group has not taken."""
        partitions = self._log.partitions(topic.name)
        done = self._log.committed(group, topic.name, partitions)
        return sum(self._log.span(topic.name, p)[1] - done.get(p, 0) for p in partitions)


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
